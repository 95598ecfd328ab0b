"""A CLIP that the tests trained classifies and finds, through Opsin's encoder, what it has never seen together."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

import opsin
from opsin import Encoder, Frame
from opsin.errors import PluginUnavailable
from opsin.fusion.rare import RARE, Bar
from opsin.host.context import HostContext
from opsin.settings import HostSettings
from opsin.testing import EncoderContract

if TYPE_CHECKING:
    from tests.clip import tiny_clip
    from tests.clip.conftest import MakeEncoder
else:
    import tiny_clip

EACH = 8
SETTINGS = "\n".join(f"[plugins.{name}]\nenabled = false" for name in ("zero_shot", "objects", "colors", "quality"))


@pytest.fixture(scope="module")
def encoder(load_encoder: MakeEncoder, tiny: Path) -> Encoder:
    return load_encoder(f"open_clip:local-dir:{tiny}", precision="auto", runtime="auto")


def embed(encoder: Encoder, images: list[Any]) -> NDArray[np.float32]:
    return np.stack([row["embedding"] for row in encoder.extract([Frame(np.asarray(image)) for image in images])])


def answers(
    encoder: Encoder, pairs: tuple[tuple[str, str], ...], vectors: NDArray[np.float32]
) -> list[tuple[str, str]]:
    """Return for each vector the pair whose caption is nearest."""
    texts = encoder.encode_texts([tiny_clip.caption(*pair) for pair in pairs])
    return [pairs[int(number)] for number in (vectors @ texts.T).argmax(axis=1)]


def test_combinations_never_seen_in_training_are_classified_zero_shot(encoder: Encoder) -> None:
    shown = tiny_clip.pictures(tiny_clip.HELD_OUT, EACH, seed=100)
    vectors = embed(encoder, [image for image, _, _ in shown])
    truth = [(colour, shape) for _, colour, shape in shown]
    for pairs, least in ((tiny_clip.HELD_OUT, 0.9), (tiny_clip.COMBINATIONS, 0.8)):
        right = [a == b for a, b in zip(answers(encoder, pairs, vectors), truth, strict=True)]
        assert np.mean(right) >= least, f"among {len(pairs)}"


def test_a_swapped_channel_is_noticed(encoder: Encoder) -> None:
    pairs = tuple(("red", shape) for shape in tiny_clip.SHAPES)
    images = [
        np.ascontiguousarray(np.asarray(image)[..., ::-1]) for image, _, _ in tiny_clip.pictures(pairs, 2, seed=3)
    ]
    colours = [colour for colour, _ in answers(encoder, tiny_clip.COMBINATIONS, embed(encoder, images))]
    assert colours.count("blue") > colours.count("red")


def test_opsin_finds_what_was_never_seen_together_by_text_and_by_example(tiny: Path, tmp_path: Path) -> None:
    """Through the whole of Opsin: files in, searches out. The files' names tell nothing."""
    folder, home = tmp_path / "photos", tmp_path / "library"
    folder.mkdir()
    home.mkdir()
    (home / "opsin.toml").write_text(SETTINGS, "utf-8")
    kinds = {}
    for number, (image, colour, shape) in enumerate(tiny_clip.pictures(tiny_clip.COMBINATIONS, 2, seed=200)):
        image.save(folder / f"{number:03}.png")
        kinds[f"{number:03}.png"] = (colour, shape)
    with opsin.init(home, encoder=f"open_clip:local-dir:{tiny}", vocabularies=()) as library:
        assert all(added.status == "added" for added in library.add(folder))

        def best(limit: int, text: str | None = None, like: tuple[bytes, ...] = ()) -> list[tuple[str, str]]:
            hits = library.search(text, like=like, limit=limit, everything=True).hits
            return [kinds[Path(hit.asset.location).name] for hit in hits]

        by_text = [best(1, tiny_clip.caption(*pair)) == [pair] for pair in tiny_clip.HELD_OUT]
        assert np.mean(by_text) >= 0.75
        by_example = []
        for image, colour, shape in tiny_clip.pictures(tiny_clip.HELD_OUT, 2, seed=300):
            data = io.BytesIO()
            image.save(data, "PNG")
            by_example += [found == (colour, shape) for found in best(2, like=(data.getvalue(),))]
        assert np.mean(by_example) >= 0.75


def test_in_libraries_of_any_kind_what_is_shown_is_found_and_much_of_what_is_not_is_refused(encoder: Encoder) -> None:
    """The bar of a search by words, for which this model has seen no rare thing either: it answers rather than refuses."""
    shown = tiny_clip.pictures(tiny_clip.COMBINATIONS, EACH, seed=900)
    vectors = embed(encoder, [image for image, _, _ in shown]).reshape(len(tiny_clip.COMBINATIONS), EACH, -1)
    texts = encoder.encode_texts([tiny_clip.caption(*pair) for pair in tiny_clip.COMBINATIONS])
    rare = encoder.encode_texts(RARE)
    random = np.random.default_rng(0)
    refused, answered = [], []
    for size in (1, 2, 8, 32, 60) * 4:
        order = random.permutation(len(texts))
        library = vectors[order[:size]].reshape(size * EACH, -1)
        found = (texts @ library.T).max(axis=1) >= Bar.of(rare, library).height
        refused.append(np.mean(~found[order[:size]]))
        answered.append(np.mean(found[order[size:]]))
    assert np.mean(refused) < 0.05
    assert np.mean(answered) < 0.65


def test_a_named_architecture_with_a_checkpoint_file_is_the_same_model(
    encoder: Encoder, load_encoder: MakeEncoder, tiny: Path
) -> None:
    configs = (str(tiny / "opsin_tiny.json"),)
    name = f"open_clip:opsin_tiny@{tiny / 'open_clip_model.safetensors'}"
    other = load_encoder(name, precision="auto", runtime="auto", configs=configs)
    assert np.abs(other.encode_texts(["a red circle"]) - encoder.encode_texts(["a red circle"])).max() < 1e-6
    # a bare checkpoint does not tell its preprocessing: open_clip takes that of OpenAI's CLIP, and so the vectors differ
    assert other.revision != encoder.revision
    assert other.space != encoder.space


def test_scale_and_preprocessing_come_from_the_checkpoint(encoder: Encoder) -> None:
    assert 1 < encoder.logit_scale <= 100.01
    assert encoder.logit_bias == 0
    assert encoder.view is not None
    assert (encoder.view.resize, encoder.view.fit, encoder.view.resampling) == (48, "short", "bicubic")


def test_the_vectors_are_the_same_in_any_batch(encoder: Encoder) -> None:
    images = [image for image, _, _ in tiny_clip.pictures(tiny_clip.HELD_OUT, 2, seed=5)]
    alone = np.concatenate([embed(encoder, [image]) for image in images])
    for size in (2, 3, 7, 16):
        assert np.abs(embed(encoder, images[:size]) - alone[:size]).max() < 1e-3


def test_torch_is_not_imported_once_the_model_is_compiled(encoder: Encoder, tiny: Path, compiled: Path) -> None:
    code = f"""
        import sys
        from pathlib import Path
        import numpy as np
        import opsin_clip
        from opsin import Frame
        from opsin.host.context import HostContext
        from opsin.settings import HostSettings
        config = opsin_clip.Config()
        encoder = opsin_clip.opsin_encoder("open_clip:local-dir:{tiny}", config)
        encoder.load(HostContext(plugin="open_clip", config=config, cache=Path({str(compiled)!r}),
                                 settings=HostSettings(runtime="openvino"), encoder=None))
        encoder.extract([Frame(np.zeros((60, 60, 3), np.uint8))])
        encoder.encode_texts(["a red circle"])
        print(sorted({{"torch", "open_clip", "timm", "torchvision"}} & set(sys.modules)), encoder.revision)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert done.stdout == f"[] {encoder.revision}\n", done.stderr


def test_other_weights_in_the_same_file_are_noticed(tiny: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "open_clip_config.json").write_bytes((tiny / "open_clip_config.json").read_bytes())
    weights = load_file(tiny / "open_clip_model.safetensors")
    revisions = []
    for change in (0.0, 0.5):
        weights["logit_scale"] = np.asarray(weights["logit_scale"] + change, np.float32)
        save_file(weights, folder / "open_clip_model.safetensors")
        revisions.append(_loaded(folder, tmp_path / "cache").revision)
    assert revisions[0] != revisions[1]


def test_a_checkpoint_of_another_architecture_is_refused_in_one_line(tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    config = json.loads((tiny / "open_clip_config.json").read_text())
    config["model_cfg"]["text_cfg"]["layers"] += 1
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    (folder / "open_clip_model.safetensors").write_bytes((tiny / "open_clip_model.safetensors").read_bytes())
    with pytest.raises(PluginUnavailable) as caught:
        _loaded(folder, tmp_path / "cache")
    assert "open_clip_model.safetensors does not hold the weights of" in str(caught.value)
    assert "\n" not in str(caught.value)


def _loaded(folder: Path, cache: Path) -> Encoder:
    import opsin_clip

    config = opsin_clip.Config()
    encoder = opsin_clip.opsin_encoder(f"open_clip:local-dir:{folder}", config)
    assert encoder is not None
    encoder.load(
        HostContext(
            plugin="open_clip", config=config, cache=cache, settings=HostSettings(runtime="openvino"), encoder=None
        )
    )
    return encoder


class TestTheEncoderContract(EncoderContract):
    """The conformance suite, on the tiny model."""

    @staticmethod
    def encoder() -> Encoder:
        import opsin_clip

        encoder = opsin_clip.opsin_encoder(f"open_clip:local-dir:{tiny_clip.trained()}", opsin_clip.Config())
        assert encoder is not None
        return encoder
