"""The geometry in which a model wants to see a frame, and the one function that carries it out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

Resampling = Literal["nearest", "bilinear", "bicubic", "lanczos"]

# A picture whose longer side would be brought to more than this many crops is cut before it is resized: a strip of
# 1 x 60,000 pixels would otherwise become one of 297 x 17,820,000.
_LONGEST = 16


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


def apply_view(pixels: NDArray[np.uint8], view: View, *, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Return ``pixels`` (h, w, 3) RGB as the view shows them: uint8 (crop, crop, 3).

    ``size`` is the original's (width, height) where ``pixels`` are a smaller copy of it.
    """
    import numpy as np
    from PIL import Image

    return np.ascontiguousarray(np.asarray(view_image(Image.fromarray(pixels), view, size=size), dtype=np.uint8))


def view_image(
    image: Image.Image,
    view: View,
    *,
    size: tuple[int, int] | None = None,
    box: tuple[float, float, float, float] | None = None,
) -> Image.Image:
    """Return ``image`` (mode RGB) as the view shows it: ``crop`` x ``crop`` pixels.

    ``size`` is the original's (width, height) where ``image`` is a smaller copy of it: sizes are rounded from the
    original's, so that a reduced decode shifts no crop. ``box`` is the part of ``image`` that the original covers.
    """
    from PIL import Image

    target = _resized(size or image.size, view)
    whole = (0.0, 0.0, float(image.width), float(image.height))
    method = Image.Resampling[view.resampling.upper()]
    # Resizing only the part that is kept saves nearly half of the work and, for landscapes, changes one value in
    # 5,000 by 1. Upright pictures are resized whole: Pillow 13 would swap its two passes, which changes a fifth.
    if min(target) >= view.crop < max(target) and (target[0] >= target[1] or max(target) > _LONGEST * view.crop):
        return image.resize((view.crop, view.crop), method, box=_centre(target, view.crop, box or whole))
    if target != image.size or (box or whole) != whole:
        image = image.resize(target, method, box=box)
    width, height = image.size
    if (width, height) == (view.crop, view.crop):
        return image
    left = round((width - view.crop) / 2)
    top = round((height - view.crop) / 2)
    if left < 0 or top < 0:
        canvas = Image.new("RGB", (max(width, view.crop), max(height, view.crop)), (view.fill,) * 3)
        canvas.paste(image, (max(0, (view.crop - width) // 2), max(0, (view.crop - height) // 2)))
        image, left, top = canvas, max(0, left), max(0, top)
    return image.crop((left, top, left + view.crop, top + view.crop))


def _centre(
    target: tuple[int, int], crop: int, box: tuple[float, float, float, float]
) -> tuple[float, float, float, float]:
    """Return the part of ``box`` that ends up in the central crop of ``target``."""
    left, top, right, bottom = box
    across, down = (right - left) / target[0], (bottom - top) / target[1]
    x, y = round((target[0] - crop) / 2), round((target[1] - crop) / 2)
    return (
        left + x * across,
        top + y * down,
        min(right, left + (x + crop) * across),
        min(bottom, top + (y + crop) * down),
    )


def _resized(size: tuple[int, int], view: View) -> tuple[int, int]:
    """Return the (width, height) that an original of ``size`` is brought to before the crop."""
    width, height = size
    if view.fit == "squash":
        return view.resize, view.resize
    if view.fit == "pad":
        scale = view.resize / max(width, height)
        return max(1, round(width * scale)), max(1, round(height * scale))
    if width <= height:
        return view.resize, int(view.resize * height / width)
    return int(view.resize * width / height), view.resize
