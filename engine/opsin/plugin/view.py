"""The geometry in which a model wants to see a frame, and the one function that carries it out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Resampling = Literal["nearest", "bilinear", "bicubic", "lanczos"]


class View(msgspec.Struct, frozen=True):
    """Resize, then cut the centre.

    ``resize`` is the length in pixels that the shorter side is brought to (``fit="short"``, as torchvision's Resize
    of an int does), or that both sides are brought to without regard to the aspect ratio (``fit="squash"``), or that the
    longer side is brought to, with the rest filled (``fit="pad"``). ``crop`` is the side of the centred square that is
    kept. Rounding is torchvision's: the longer side is ``int(resize * long / short)`` and the crop begins at
    ``int(round((side - crop) / 2))``.
    """

    resize: int
    crop: int
    resampling: Resampling = "bicubic"
    fit: Literal["short", "squash", "pad"] = "short"
    fill: int = 0

    @property
    def min_side(self) -> int:
        """The shorter side in pixels that a decoded picture needs, so that this view does not enlarge it."""
        return self.resize


def apply_view(pixels: NDArray[np.uint8], view: View) -> NDArray[np.uint8]:
    """Return ``pixels`` (h, w, 3) RGB as the view shows them: uint8 (crop, crop, 3)."""
    import numpy as np
    from PIL import Image

    image = Image.fromarray(pixels)
    width, height = image.size
    method = Image.Resampling[view.resampling.upper()]
    if view.fit == "squash":
        size = (view.resize, view.resize)
    elif view.fit == "pad":
        scale = view.resize / max(width, height)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
    elif width <= height:
        size = (view.resize, int(view.resize * height / width))
    else:
        size = (int(view.resize * width / height), view.resize)
    if size != image.size:
        image = image.resize(size, method)
    width, height = image.size
    if (width, height) != (view.crop, view.crop):
        left = round((width - view.crop) / 2)
        top = round((height - view.crop) / 2)
        if left < 0 or top < 0:
            canvas = Image.new("RGB", (max(width, view.crop), max(height, view.crop)), (view.fill,) * 3)
            canvas.paste(image, (max(0, -left), max(0, -top)))
            image, left, top = canvas, max(0, left), max(0, top)
        image = image.crop((left, top, left + view.crop, top + view.crop))
    return np.ascontiguousarray(np.asarray(image, dtype=np.uint8))
