"""Opsin's towers give the vectors of plain open_clip: the same random weights, pictures and token ids on both sides.

Random networks give nearly the same vector to every picture, so the mean over the test's pictures is taken away before
vectors are compared; without that, a network that swaps red and blue would pass. What is left has to be more than
bfloat16 can tell apart: batch norms are given the statistics of some pictures, as training would have done. Without these,
MobileCLIP2-S0's vectors lie within 0.004 of their mean, and open_clip itself in bfloat16 is at a cosine of 0.25 to 0.65.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from opsin import Frame
from opsin.host.torch_repair import repair_torchvision
from opsin.testing import make_noise, make_picture
from opsin_clip.encoder import OpenClipEncoder

if TYPE_CHECKING:
    from tests.clip.conftest import Forget, MakeEncoder

LEAST = {"f32": 0.99999, "bf16": 0.999}
MODELS = ("ViT-B-32", "MobileCLIP2-S0", "ViT-B-16-SigLIP2")
WORDS = 4096


class Plain:
    """A model of plain open_clip with random weights, its answers, and the name under which Opsin finds it."""

    def __init__(self, name: str, model: Any, preprocess: Any) -> None:
        import torch

        self.name = name
        random = np.random.default_rng(5)
        context = model.context_length if hasattr(model, "context_length") else model.text.context_length
        self.ids = random.integers(1, WORDS, (5, context))
        self.ids[:, -1] = WORDS - 1
        with torch.inference_mode():
            batch = torch.stack([preprocess(Image.fromarray(pixels)) for pixels in pictures()])
            self.pictures = model.encode_image(batch, normalize=True).numpy()
            self.texts = model.encode_text(torch.from_numpy(self.ids), normalize=True).numpy()


def pictures() -> list[NDArray[np.uint8]]:
    """Return pictures of many kinds: wide, upright, larger and smaller than the models want, smooth and noisy."""
    ramp = np.linspace(0, 255, 400, dtype=np.uint8)
    smooth = np.stack(
        [np.tile(ramp, (260, 1)), np.tile(ramp[::-1], (260, 1)), np.full((260, 400), 90, np.uint8)], axis=2
    )
    return [
        smooth,
        make_noise(1, (300, 500)),
        make_picture("red", "circle", (640, 480)),
        make_picture("yellow", "circle", (250, 600)),
        np.repeat(np.repeat(make_noise(2, 40), 8, axis=0), 8, axis=1),
        make_noise(3, 90),
    ]


def settle_norms(model: Any, preprocess: Any) -> None:
    """Give the batch norms of a random image tower the mean and variance of the test's pictures."""
    import torch

    norms = [module for module in model.visual.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    model.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the statistics of all that comes, not a moving average
        norm.train()
    with torch.inference_mode():
        model.visual(torch.stack([preprocess(Image.fromarray(each)) for each in pictures()]))
    model.eval()


@pytest.fixture(scope="session")
def plain(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, forget_encoders: Forget
) -> Iterator[Plain]:
    """Make one random model; its weights go where Opsin looks: a file, the hub's cache, or a folder."""
    repair_torchvision()
    import open_clip
    import torch
    from safetensors.torch import save_file

    model_name: str = request.param
    folder = tmp_path_factory.mktemp(model_name)
    torch.manual_seed(11)
    with pytest.MonkeyPatch.context() as patch:
        if model_name == "ViT-B-32":
            model, _, preprocess = open_clip.create_model_and_transforms(model_name)
            torch.save(model.state_dict(), folder / "weights.pt")
            name = f"open_clip:{model_name}@{folder / 'weights.pt'}"
        elif model_name == "MobileCLIP2-S0":
            # as the tag dfndr2b says
            model, _, preprocess = open_clip.create_model_and_transforms(
                model_name, image_mean=(0, 0, 0), image_std=(1, 1, 1), image_interpolation="bilinear"
            )
            settle_norms(model, preprocess)
            snapshot = folder / "models--timm--MobileCLIP2-S0-OpenCLIP" / "snapshots" / "0123abcd"
            snapshot.mkdir(parents=True)
            (snapshot.parents[1] / "refs").mkdir()
            (snapshot.parents[1] / "refs" / "main").write_text("0123abcd")
            save_file(dict(model.state_dict()), snapshot / "open_clip_model.safetensors")
            patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder))
            name = f"open_clip:{model_name}/dfndr2b"
        else:
            config = open_clip.get_model_config(model_name)
            # the architecture as it is, with fewer words: 256,000 of them would be 0.8 GB of random numbers
            config["text_cfg"]["vocab_size"] = WORDS
            prepare = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}
            (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": prepare}))
            model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
            save_file(dict(model.state_dict()), folder / "open_clip_model.safetensors")
            name = f"open_clip:local-dir:{folder}"
        model.eval()
        yield Plain(name, model, preprocess)
        forget_encoders(name)


def likeness(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    """Return the smallest cosine between rows once the mean of ``theirs`` is taken away from both."""
    mean = theirs.astype(np.float64).mean(axis=0)
    a, b = ours - mean, theirs - mean
    return float(np.min(np.sum(a * b, axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))))


def embed(encoder: Any, images: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
    return np.stack([features["embedding"] for features in encoder.extract([Frame(image) for image in images])])


def loaded(load_encoder: MakeEncoder, plain: Plain, precision: str, runtime: str = "openvino") -> OpenClipEncoder:
    encoder = load_encoder(plain.name, precision=precision, runtime=runtime)
    assert isinstance(encoder, OpenClipEncoder)
    return encoder


@pytest.mark.parametrize("plain", MODELS, indirect=True)
def test_pictures_and_texts_get_the_vectors_of_open_clip(plain: Plain, load_encoder: MakeEncoder) -> None:
    encoder = loaded(load_encoder, plain, "f32")
    ours = embed(encoder, pictures())
    assert encoder.runtime == "openvino f32"
    assert np.abs(np.linalg.norm(ours, axis=1) - 1).max() < 1e-5
    assert likeness(ours, plain.pictures) >= LEAST["f32"]
    assert likeness(encoder.encode_ids(plain.ids), plain.texts) >= LEAST["f32"]

    swapped = np.concatenate([embed(encoder, [np.ascontiguousarray(pictures()[2][:, :, ::-1])]), ours[1:]])
    assert likeness(swapped, plain.pictures[[2, *range(1, len(ours))]]) < LEAST["bf16"], (
        "a network that swaps red and blue must not pass"
    )


@pytest.mark.parametrize("plain", MODELS, indirect=True)
def test_bfloat16_gives_nearly_the_vectors_of_open_clip(plain: Plain, load_encoder: MakeEncoder) -> None:
    encoder = loaded(load_encoder, plain, "bf16")
    if encoder.runtime != "openvino bf16":
        # Nothing to install and no way to emulate it: where the processor has no AVX-512, OpenVINO accepts the hint bf16
        # and computes in float32 all the same. torch does emulate it: the test below.
        pytest.skip("this processor has no bfloat16, and OpenVINO emulates none")
    assert likeness(embed(encoder, pictures()), plain.pictures) >= LEAST["bf16"]
    assert likeness(encoder.encode_ids(plain.ids), plain.texts) >= LEAST["bf16"]


@pytest.mark.parametrize("precision", ["f32", "bf16"])
@pytest.mark.parametrize("plain", MODELS[:1], indirect=True)
def test_torch_gives_the_vectors_of_open_clip_too(plain: Plain, load_encoder: MakeEncoder, precision: str) -> None:
    encoder = loaded(load_encoder, plain, precision, runtime="torch")
    assert encoder.runtime.split()[0::2] == ["torch", precision]
    assert likeness(embed(encoder, pictures()), plain.pictures) >= LEAST[precision]
    if precision == "f32":  # a processor without bfloat16 emulates it in torch, slowly
        assert likeness(encoder.encode_ids(plain.ids), plain.texts) >= LEAST[precision]
