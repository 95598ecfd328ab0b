"""Makes small pictures of known content: coloured shapes on a plain ground, as pixels or as files' bytes."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Literal

from opsin.plugin import Frame

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Shape = Literal["square", "circle", "triangle", "cross", "ring", "bar", "full"]

COLOURS: Mapping[str, tuple[int, int, int]] = {
    "red": (220, 30, 30),
    "green": (30, 160, 50),
    "blue": (30, 60, 220),
    "yellow": (240, 220, 30),
    "orange": (245, 140, 20),
    "purple": (130, 40, 170),
    "cyan": (30, 200, 220),
    "pink": (250, 130, 190),
}
"""The colours that ``make_picture`` and ``FakeEncoder`` know, sRGB."""

GROUNDS: Mapping[str, tuple[int, int, int]] = {"white": (250, 250, 250), "grey": (128, 128, 128), "black": (10, 10, 10)}
"""The grounds that ``make_picture`` knows, sRGB."""


def make_picture(
    colour: str = "red", shape: Shape = "square", size: int | tuple[int, int] = 64, *, ground: str = "white"
) -> NDArray[np.uint8]:
    """Return a coloured shape on a plain ground, uint8 (height, width, 3), sRGB.

    ``size`` is the side in pixels, or (width, height).
    """
    import numpy as np

    width, height = (size, size) if isinstance(size, int) else size
    y, x = np.mgrid[0:height, 0:width]
    across = (x + 0.5) / width * 2 - 1
    down = (y + 0.5) / height * 2 - 1
    distance = np.hypot(across, down)
    masks = {
        "square": (np.abs(across) < 0.6) & (np.abs(down) < 0.6),
        "circle": distance < 0.7,
        "triangle": (down > -0.7) & (down < 0.7) & (np.abs(across) < (down + 0.7) / 2),
        "cross": ((np.abs(across) < 0.25) | (np.abs(down) < 0.25)) & (np.abs(across) < 0.8) & (np.abs(down) < 0.8),
        "ring": (distance < 0.8) & (distance > 0.45),
        "bar": np.abs(down) < 0.3,
        "full": np.ones_like(across, dtype=bool),
    }
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:] = GROUNDS[ground]
    pixels[masks[shape]] = COLOURS[colour]
    return pixels


def make_frame(
    colour: str = "red", shape: Shape = "square", size: int | tuple[int, int] = 64, *, ground: str = "white"
) -> Frame:
    """Return ``make_picture`` as a frame."""
    return Frame(make_picture(colour, shape, size, ground=ground))


def make_noise(seed: int, size: int | tuple[int, int] = 64) -> NDArray[np.uint8]:
    """Return a picture of coarse random patches, uint8 (height, width, 3), the same for the same ``seed``."""
    import numpy as np

    width, height = (size, size) if isinstance(size, int) else size
    patches = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    rows = np.arange(height) * 8 // height
    columns = np.arange(width) * 8 // width
    return np.ascontiguousarray(patches[rows][:, columns])


def jpeg_bytes(pixels: NDArray[np.uint8], *, quality: int = 90) -> bytes:
    """Return ``pixels`` (h, w, 3) as a JPEG file."""
    return _encoded(pixels, "JPEG", quality=quality)


def png_bytes(pixels: NDArray[np.uint8]) -> bytes:
    """Return ``pixels`` (h, w, 3) as a PNG file."""
    return _encoded(pixels, "PNG")


def _encoded(pixels: NDArray[np.uint8], kind: str, **options: int) -> bytes:
    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()
