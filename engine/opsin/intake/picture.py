"""Opens one picture within its limits and yields its frames upright in sRGB; runs in the worker process."""

from __future__ import annotations

import importlib
import io
from collections.abc import Iterator
from typing import NamedTuple

from PIL import Image

from opsin.errors import LimitExceeded, UnreadablePicture
from opsin.intake.animation import count_frames, spread
from opsin.intake.colour import Converter
from opsin.intake.exif import read_orientation, read_taken_at
from opsin.intake.formats import AVIF, HEIF, JPEG, TIFF, Format
from opsin.settings import DecodeSettings

_PLUGINS = {"webp": "WebPImagePlugin", "avif": "AvifImagePlugin", "tiff": "TiffImagePlugin"}
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

Box = tuple[float, float, float, float]


class Shot(NamedTuple):
    """One frame: mode RGB, upright. ``box`` is the part of ``image`` that the original covers, at a reduced scale."""

    image: Image.Image
    box: Box
    number: int
    transparent: bool


class Picture:
    """An opened picture: its facts, and its frames on demand. ``width`` and ``height`` are upright."""

    def __init__(self, data: bytes, kind: Format, settings: DecodeSettings, converter: Converter) -> None:
        self._kind = kind
        self._converter = converter
        self._settings = settings
        self._check_scans(data)
        self._image = _open(data, kind)
        self._check_pixels(self._image.size)
        self.orientation = read_orientation(self._image)
        self.frame_count = max(1, getattr(self._image, "n_frames", 1)) if kind == AVIF else count_frames(data, kind)
        self._check_total()
        self._size = self._image.size

    @property
    def width(self) -> int:
        return self._size[1] if self._turns else self._size[0]

    @property
    def height(self) -> int:
        return self._size[0] if self._turns else self._size[1]

    @property
    def taken_at(self) -> str | None:
        return read_taken_at(self._image)

    @property
    def _turns(self) -> bool:
        return self._to_apply >= 5

    @property
    def _to_apply(self) -> int:
        """The turn that is still to be made: Pillow turns TIFF, and libheif HEIF, while decoding."""
        return 1 if self._kind in (TIFF, HEIF) else self.orientation

    def frames(self, min_side: int, *, most: int) -> Iterator[Shot]:
        """Yield at most ``most`` frames, spread over the length, whose shorter side has at least ``min_side`` pixels.

        The first frame must load; an animation that breaks off later ends with its last good frame.
        """
        numbers = spread(self.frame_count, most)
        yield self._frame(0, min_side)
        for number in numbers[1:]:
            try:
                self._image.seek(number)
                shot = self._frame(number, min_side)
            except (EOFError, OSError, ValueError, SyntaxError, IndexError):
                return
            yield shot

    def _frame(self, number: int, min_side: int) -> Shot:
        image = self._image
        if self._kind == JPEG and number == 0:
            image.draft(None, (min_side, min_side))
            width, height = image.size
            scale = max(1, -(-max(self._size) // max(image.size)))
            pads = width - self._size[0] / scale, height - self._size[1] / scale
            image.load()
        else:
            image.load()
            pads = 0.0, 0.0
            if number == 0:
                # Some decoders learn the true size late; PNG may keep its EXIF behind the pixels.
                self._check_pixels(image.size)
                self._size = image.size
                self.orientation = read_orientation(image) if self.orientation == 1 else self.orientation
        rgb, transparent = self._converter.to_rgb(image)
        if (turn := _TURNS.get(self._to_apply)) is not None:
            rgb = rgb.transpose(turn)
        return Shot(rgb, _box(rgb.size, pads, self._to_apply), number, transparent)

    def _check_pixels(self, size: tuple[int, int]) -> None:
        width, height = size
        if width < 1 or height < 1:
            msg = f"The picture says that it is {width} x {height} pixels large."
            raise UnreadablePicture(msg)
        if width * height > self._settings.max_pixels:
            msg = (
                f"The picture has {width} x {height} = {width * height:,} pixels; "
                f"decode.max_pixels allows {self._settings.max_pixels:,}."
            )
            raise LimitExceeded(msg, limit="decode.max_pixels")

    def _check_total(self) -> None:
        width, height = self._image.size
        if self.frame_count > 1 and self.frame_count * width * height > self._settings.max_total_pixels:
            msg = (
                f"The animation has {self.frame_count:,} frames of {width} x {height} pixels; "
                f"decode.max_total_pixels allows {self._settings.max_total_pixels:,} pixels together."
            )
            raise LimitExceeded(msg, limit="decode.max_total_pixels")

    def _check_scans(self, data: bytes) -> None:
        """Refuse a progressive JPEG of thousands of scans, each of which makes libjpeg pass over the whole picture."""
        if self._kind == JPEG and (scans := data.count(b"\xff\xda")) > self._settings.max_scans:
            msg = f"The JPEG has {scans:,} scans; decode.max_scans allows {self._settings.max_scans:,}."
            raise LimitExceeded(msg, limit="decode.max_scans")


def _open(data: bytes, kind: Format) -> Image.Image:
    """Open with the one Pillow plugin that the bytes announce, so that no other parser ever sees them."""
    if kind == JPEG:
        # Not through Image.open, which would turn a phone's multi-picture file into another class.
        from PIL.JpegImagePlugin import JpegImageFile

        return JpegImageFile(io.BytesIO(data))
    if kind == HEIF and "HEIF" not in Image.OPEN:
        import pillow_heif

        # An embedded thumbnail may show something else than the picture; it is never looked at.
        pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)
    elif kind.name in _PLUGINS:
        importlib.import_module(f"PIL.{_PLUGINS[kind.name]}")
    return Image.open(io.BytesIO(data), formats=(kind.name,))


def _box(size: tuple[int, int], pads: tuple[float, float], orientation: int) -> Box:
    """Return the part of an upright picture that the original covers.

    A reduced-scale decode rounds the size up; ``pads`` is by how much, at the right and bottom before turning.
    """
    width, height = size
    across, down = (pads[1], pads[0]) if orientation >= 5 else pads
    left = across if orientation in (2, 3, 6, 7) else 0.0
    top = down if orientation in (3, 4, 7, 8) else 0.0
    return left, top, width - (across - left), height - (down - top)
