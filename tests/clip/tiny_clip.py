"""A small CLIP that the tests train themselves: 8 colours x 8 shapes, one shape of each colour never seen in training.

``trained()`` returns a folder in open_clip's own layout (open_clip_config.json, open_clip_model.safetensors), made once
per machine and recipe. It is used as ``open_clip:local-dir:<folder>``.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from opsin.host.torch_repair import repair_torchvision

COLOURS = {
    "red": (215, 40, 40),
    "green": (40, 165, 60),
    "blue": (45, 75, 215),
    "yellow": (240, 215, 45),
    "purple": (140, 50, 165),
    "cyan": (50, 205, 215),
    "white": (248, 248, 248),
    "black": (12, 12, 12),
}
SHAPES = ("circle", "square", "triangle", "star", "cross", "ring", "arrow", "stripe")
COMBINATIONS = tuple(itertools.product(COLOURS, SHAPES))
# one shape for each colour, each shape once
HELD_OUT = tuple((colour, SHAPES[(3 * place + 1) % 8]) for place, colour in enumerate(COLOURS))
TRAINING = tuple(pair for pair in COMBINATIONS if pair not in HELD_OUT)

SEED = 7
STEPS = 1200
RATE = 3e-3
DECAY = 0.2
CONFIG: dict[str, Any] = {
    "model_cfg": {
        "embed_dim": 64,
        "vision_cfg": {
            "timm_model_name": "test_resnet",
            "timm_model_pretrained": False,
            "timm_pool": "avg",
            "timm_proj": "linear",
            "image_size": 48,
        },
        "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
        "custom_text": True,
    },
    "preprocess_cfg": {
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    },
}


def caption(colour: str, shape: str) -> str:
    return f"a {colour} {shape}"


def picture(colour: str, shape: str, random: np.random.Generator, side: int = 96) -> Image.Image:
    """Draw one picture: place, size, tilt, tint and background vary."""
    grey = random.integers(85, 170, 3)
    image = Image.new("RGB", (2 * side, 2 * side), tuple(int(value) for value in grey))
    draw = ImageDraw.Draw(image)
    tint = np.clip(np.array(COLOURS[colour]) + random.integers(-14, 15, 3), 0, 255)
    radius = side * random.uniform(0.45, 0.75)
    margin = 2 * side - radius
    x, y = random.uniform(radius, margin, 2)
    _draw(draw, shape, (x, y), radius, random.uniform(-0.25, 0.25), tuple(int(value) for value in tint))
    return image.resize((side, side), Image.Resampling.BILINEAR)


def _draw(
    draw: ImageDraw.ImageDraw,
    shape: str,
    centre: tuple[float, float],
    radius: float,
    tilt: float,
    fill: tuple[int, ...],
) -> None:
    x, y = centre

    def corners(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
        sine, cosine = math.sin(tilt), math.cos(tilt)
        return [(x + radius * (a * cosine - b * sine), y + radius * (a * sine + b * cosine)) for a, b in points]

    box = (x - radius, y - radius, x + radius, y + radius)
    if shape == "circle":
        draw.ellipse(box, fill=fill)
    elif shape == "ring":
        draw.ellipse(box, outline=fill, width=round(radius * 0.35))
    elif shape == "square":
        draw.polygon(corners([(-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8)]), fill=fill)
    elif shape == "triangle":
        draw.polygon(corners([(0, -1), (0.9, 0.75), (-0.9, 0.75)]), fill=fill)
    elif shape == "star":
        tips = [((1.0 if n % 2 == 0 else 0.4), math.pi * n / 5 - math.pi / 2) for n in range(10)]
        draw.polygon(corners([(r * math.cos(a), r * math.sin(a)) for r, a in tips]), fill=fill)
    elif shape == "cross":
        for points in (
            [(-1, -0.28), (1, -0.28), (1, 0.28), (-1, 0.28)],
            [(-0.28, -1), (0.28, -1), (0.28, 1), (-0.28, 1)],
        ):
            draw.polygon(corners([(float(a), float(b)) for a, b in points]), fill=fill)
    elif shape == "arrow":
        head = [(-1, -0.25), (0.1, -0.25), (0.1, -0.75), (1, 0), (0.1, 0.75), (0.1, 0.25), (-1, 0.25)]
        draw.polygon(corners([(float(a), float(b)) for a, b in head]), fill=fill)
    else:
        draw.polygon(corners([(-1, -0.16), (1, -0.16), (1, 0.16), (-1, 0.16)]), fill=fill)


def pictures(pairs: tuple[tuple[str, str], ...], each: int, seed: int) -> list[tuple[Image.Image, str, str]]:
    """Return fresh pictures with their colour and shape."""
    random = np.random.default_rng(seed)
    return [(picture(colour, shape, random), colour, shape) for colour, shape in pairs for _ in range(each)]


def trained() -> Path:
    """Return the folder of the trained model; the first call on a machine trains it."""
    recipe = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"opsin-tiny-clip-{recipe}"
    if not folder.exists():
        with tempfile.TemporaryDirectory(prefix="opsin-tiny-clip-new-") as aside:
            _train(made := Path(aside) / "model")
            # where another run was faster, its model stays
            with contextlib.suppress(OSError):
                made.rename(folder)
    return folder


def _train(folder: Path) -> None:
    """Train with open_clip's own loss: fresh pictures at each step, a random half of the combinations in each batch.

    The tower is timm's smallest residual network, and the text tower has one layer: a larger one learns the captions by
    heart instead of their two words.
    """
    repair_torchvision()
    import open_clip
    import torch
    from safetensors.torch import save_file

    folder.mkdir()
    (folder / "open_clip_config.json").write_text(json.dumps(CONFIG))
    (folder / "opsin_tiny.json").write_text(json.dumps(CONFIG["model_cfg"]))
    open_clip.add_model_config(folder / "opsin_tiny.json")
    # one thread: the same sums on every machine, and two wait for each other where the machine is busy
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    random = np.random.default_rng(SEED)
    model: Any = open_clip.create_model("opsin_tiny").train()
    model.visual.to(memory_format=torch.channels_last)
    tokenizer = open_clip.get_tokenizer("opsin_tiny")
    ids = {pair: tokenizer([caption(*pair)])[0] for pair in TRAINING}
    loss_of = open_clip.ClipLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY, betas=(0.9, 0.98), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS, pct_start=0.1)
    side = CONFIG["model_cfg"]["vision_cfg"]["image_size"]
    for _ in range(STEPS):
        chosen = [TRAINING[number] for number in random.permutation(len(TRAINING))[: len(TRAINING) // 2]]
        batch = np.stack([np.asarray(picture(colour, shape, random, side)) for colour, shape in chosen])
        images = torch.from_numpy(batch).permute(0, 3, 1, 2).float().div(127.5).sub(1)
        seen = model.encode_image(images.contiguous(memory_format=torch.channels_last), normalize=True)
        read = model.encode_text(torch.stack([ids[pair] for pair in chosen]), normalize=True)
        loss = loss_of(seen, read, model.logit_scale.exp())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
    torch.set_num_threads(threads)
    weights = {name: value.detach().contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / "open_clip_model.safetensors")
