"""Makes the small picture that pages show instead of the original, without any metadata."""

from __future__ import annotations

import io
from collections.abc import Mapping

from PIL import Image

from opsin.intake.colour import Converter
from opsin.intake.formats import require_format
from opsin.intake.picture import Picture
from opsin.intake.wire import PreviewForm
from opsin.settings import DecodeSettings

_HOW: Mapping[PreviewForm, Mapping[str, int]] = {
    "webp": {"quality": 80, "method": 2},  # libwebp's 0..6: 6 is slowest
    "jpeg": {"quality": 80, "optimize": 1},
    "avif": {"quality": 60, "speed": 8, "max_threads": 1},  # libavif's 0..10: 10 is fastest; its 60 looks like their 80
}


def make_preview(
    data: bytes,
    width: int,
    *,
    form: PreviewForm = "webp",
    settings: DecodeSettings | None = None,
    converter: Converter | None = None,
) -> bytes:
    """Return a lossy WebP, JPEG or AVIF of the first frame, upright sRGB, that fits into ``width`` x ``width`` pixels.

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
    clean.save(stream, form.upper(), **_HOW[form])
    return stream.getvalue()


def _needed(picture: Picture, width: int) -> int:
    """Return the shorter side that leaves the longer one with at least ``width`` pixels."""
    return max(1, -(-width * min(picture.width, picture.height) // max(picture.width, picture.height)))
