"""The pictures that the benchmarks run on: made from the photos that ship inside scikit-image and scikit-learn.

``photos()`` gives photos of about the size that a web page shows, ``big_photos()`` the size that a camera stores. They
are crops, turns, flips and recolourings with a fixed seed, saved as JPEG (quality 90) once, in the temporary folder.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

FORMAT = 1  # raise it when the pictures change
SCIKIT_IMAGE = ("astronaut", "chelsea", "coffee", "rocket", "hubble_deep_field", "retina", "immunohistochemistry")
SCIKIT_LEARN = ("china.jpg", "flower.jpg")


def photos(count: int = 1000, size: tuple[int, int] = (640, 480)) -> list[Path]:
    """Return ``count`` JPEG files of ``size`` (width, height; every third one upright), the same on every machine."""
    return _made(count, size)


def big_photos(count: int = 100) -> list[Path]:
    """Return ``count`` JPEG files of 12 megapixels (4000 x 3000; every third one upright)."""
    return _made(count, (4000, 3000))


def sources() -> dict[str, NDArray[np.uint8]]:
    """Return the photos at hand by name, uint8 (h, w, 3). The motorcycles are a stereo pair.

    :raises ModuleNotFoundError: without scikit-image and scikit-learn: pip install 'opsin[demo]'.
    """
    import skimage.data
    from sklearn.datasets import load_sample_image

    found = {name: np.asarray(getattr(skimage.data, name)()) for name in SCIKIT_IMAGE}
    left, right, _ = skimage.data.stereo_motorcycle()
    found |= {"motorcycle_left": np.asarray(left), "motorcycle_right": np.asarray(right)}
    found |= {name.removesuffix(".jpg"): np.asarray(load_sample_image(name)) for name in SCIKIT_LEARN}
    return {name: np.ascontiguousarray(pixels[..., :3], dtype=np.uint8) for name, pixels in found.items()}


def _made(count: int, size: tuple[int, int]) -> list[Path]:
    code = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]
    folder = Path(tempfile.gettempdir()) / f"opsin-benchmark-{FORMAT}-{code}-{size[0]}x{size[1]}"
    folder.mkdir(exist_ok=True)
    files = [folder / f"{number:05}.jpg" for number in range(count)]
    if missing := [number for number, file in enumerate(files) if not file.exists()]:
        originals = list(sources().values())
        for number in missing:
            aside = files[number].with_suffix(".part")
            _vary(originals, number, size).save(aside, "JPEG", quality=90)
            aside.replace(files[number])
    return files


def _vary(originals: list[NDArray[np.uint8]], number: int, size: tuple[int, int]) -> Image.Image:
    """Return variation ``number``: a part of one photo, turned, flipped, recoloured and brought to ``size``."""
    random = np.random.default_rng(number)
    image = Image.fromarray(originals[number % len(originals)])
    width, height = size if number % 3 else size[::-1]
    share = random.uniform(0.45, 1.0)
    fit = min(image.width / width, image.height / height) * share
    across, down = width * fit, height * fit
    left, top = random.uniform(0, image.width - across), random.uniform(0, image.height - down)
    image = image.resize((width, height), Image.Resampling.BICUBIC, box=(left, top, left + across, top + down))
    if random.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    changes: tuple[Callable[[Image.Image], ImageEnhance._Enhance], ...] = (
        ImageEnhance.Color,
        ImageEnhance.Brightness,
        ImageEnhance.Contrast,
    )
    for change in changes:
        image = change(image).enhance(random.uniform(0.7, 1.3))
    # a camera's noise, so that enlarged photos cost a decoder what real ones cost
    pixels = np.asarray(image, np.int16) + random.integers(-4, 5, (height, width, 1), dtype=np.int16)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
