"""Turns any picture that Pillow can open into 8-bit sRGB: bit depths, palettes, alpha, CMYK, ICC profiles."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from PIL import ImageCms

# A profile larger than this is not applied: those of displays and cameras are some kB, of presses 0.5-3 MB.
LARGEST_PROFILE = 8 * 1024 * 1024
_SPACES = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK", "LAB": "Lab "}


class Converter:
    """Converts to sRGB and keeps the last few colour transforms, which cost more to make than to apply."""

    def __init__(self) -> None:
        self._transforms: dict[tuple[bytes, str], ImageCms.ImageCmsTransform | None] = {}

    def to_rgb(self, image: Image.Image) -> tuple[Image.Image, bool]:
        """Return ``image`` as mode RGB, transparent parts laid on white, and whether any part was transparent."""
        profile = image.info.get("icc_profile")
        if image.mode == "RGB" and "transparency" not in image.info:
            return self._to_srgb(image, profile), False
        image, alpha = _split_alpha(_to_8_bit(image))
        image = self._to_srgb(image, profile)
        if alpha is None or alpha.getextrema()[0] == 255:
            return image, False
        canvas = Image.new("RGB", image.size, (255, 255, 255))
        canvas.paste(image, mask=alpha)
        return canvas, True

    def _to_srgb(self, image: Image.Image, profile: object) -> Image.Image:
        """Apply the embedded profile; without one, or with a broken one, the numbers are taken as sRGB."""
        transform = self._transform(profile, image.mode) if isinstance(profile, bytes) else None
        if transform is None and image.mode == "LAB":
            transform = self._lab()
        if transform is None:
            return image if image.mode == "RGB" else image.convert("RGB")
        return transform.apply(image)

    def _transform(self, profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
        if not 128 <= len(profile) <= LARGEST_PROFILE or profile[16:20].decode("latin-1") != _SPACES.get(mode):
            return None
        if (profile, mode) not in self._transforms:
            if len(self._transforms) >= 8:
                self._transforms.clear()
            self._transforms[profile, mode] = _make_transform(profile, mode)
        return self._transforms[profile, mode]

    def _lab(self) -> ImageCms.ImageCmsTransform:
        from PIL import ImageCms

        key = (b"", "LAB")
        if (made := self._transforms.get(key)) is None:
            lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
            made = self._transforms[key] = ImageCms.buildTransform(lab, srgb, "LAB", "RGB")
        return made


def _make_transform(data: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the transform to sRGB; None where the profile is sRGB already or cannot be used."""
    from PIL import ImageCms

    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        if mode == "RGB" and "sRGB" in (profile.profile.profile_description or ""):
            return None
        return ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (OSError, ValueError, TypeError, ImageCms.PyCMSError):
        return None


def _split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Return the colours (mode L, RGB, CMYK or LAB) and the alpha channel."""
    mode = image.mode
    if mode in ("RGBa", "La"):
        image = image.convert("RGBA" if mode == "RGBa" else "LA")
    elif mode not in ("RGBA", "LA") and image.has_transparency_data:
        image = image.convert("RGBA")
    if image.mode in ("RGBA", "LA"):
        return image.convert("RGB" if image.mode == "RGBA" else "L"), image.getchannel("A")
    if image.mode in ("L", "RGB", "CMYK", "LAB"):
        return image, None
    return image.convert("L" if image.mode == "1" else "RGB"), None


def _to_8_bit(image: Image.Image) -> Image.Image:
    """Bring 16-bit, 32-bit and floating-point grey to 0..255.

    Unsigned 16-bit is divided by 257. Other integers and floats have no fixed white: values within 0..1 (floats),
    0..255 and 0..65535 are taken as fractions of these; anything else is stretched between its extremes.
    """
    if not image.mode.startswith(("I", "F")):
        return image
    import numpy as np

    values = np.asarray(image)
    if image.mode.startswith("I;16"):
        return Image.fromarray((values // 257).astype(np.uint8))
    values = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 65535:
        values = (values - low) * (255.0 / (high - low))
    elif image.mode == "F" and high <= 1:
        values = values * 255.0
    elif high > 255:
        values = values / 257.0
    return Image.fromarray(values.astype(np.uint8))
