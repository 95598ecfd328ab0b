"""Makes the small WebP that pages show instead of the original, without any metadata."""

from __future__ import annotations

import io

from PIL import Image

from opsin.intake.colour import Converter
from opsin.intake.formats import require_format
from opsin.intake.picture import Picture
from opsin.settings import DecodeSettings

QUALITY = 80
EFFORT = 2  # libwebp's 0..6


def make_preview(
    data: bytes, width: int, *, settings: DecodeSettings | None = None, converter: Converter | None = None
) -> bytes:
    """Return a lossy WebP of the first frame, upright sRGB, that fits into ``width`` x ``width`` pixels.

    Smaller pictures are not enlarged. The pixels are encoded anew and no EXIF, XMP, ICC profile or comment is written.
    Hostile bytes may crash or stall the process that calls this: ``Decoder.preview`` does it in a worker.

    :raises UnreadablePicture: where the bytes are no readable picture.
    :raises LimitExceeded: where the picture is larger than ``settings`` allow.
    """
    picture = Picture(data, require_format(data), settings or DecodeSettings(), converter or Converter())
    shot = next(picture.frames(_needed(picture, width), most=1))
    scale = min(1.0, width / max(picture.width, picture.height))
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    image = shot.image.resize(size, Image.Resampling.LANCZOS, box=shot.box, reducing_gap=2.0)
    # A picture made of the bare pixels carries nothing that the encoder could copy.
    clean = Image.frombytes("RGB", image.size, image.tobytes())
    stream = io.BytesIO()
    clean.save(stream, "WEBP", quality=QUALITY, method=EFFORT)
    return stream.getvalue()


def _needed(picture: Picture, width: int) -> int:
    """Return the shorter side that leaves the longer one with at least ``width`` pixels."""
    return max(1, -(-width * min(picture.width, picture.height) // max(picture.width, picture.height)))
