"""What is read from EXIF: which way up a picture is, and when it was taken. Broken EXIF counts as none."""

from __future__ import annotations

import re
import struct
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

ORIENTATION = 0x0112
_DATE_TIME, _EXIF_IFD = 0x0132, 0x8769
# Each date with the tag of its time zone (EXIF 2.32, 4.6.5 F): taken, digitised.
_TAKEN = ((0x9003, 0x9011), (0x9004, 0x9012))
_OFFSET = re.compile(r"[+-]\d\d:\d\d")
_BROKEN = (OSError, ValueError, SyntaxError, RuntimeError, TypeError, LookupError, ArithmeticError, struct.error)


def read_orientation(image: Image.Image) -> int:
    """Return the EXIF orientation 1..8; 1 where there is none or it makes no sense."""
    try:
        value = image.getexif().get(ORIENTATION, 1)
    except _BROKEN:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def read_taken_at(image: Image.Image) -> str | None:
    """Return when the picture was taken as ISO 8601 (with the offset where EXIF has it), else None."""
    try:
        exif = image.getexif()
        details = exif.get_ifd(_EXIF_IFD)
        for date_tag, offset_tag in _TAKEN:
            if found := _iso(details.get(date_tag), details.get(offset_tag)):
                return found
        return _iso(exif.get(_DATE_TIME), details.get(0x9010))
    except _BROKEN:
        return None


def _iso(date: object, offset: object) -> str | None:
    if not isinstance(date, str):
        return None
    try:
        moment = datetime.strptime(date.strip("\0 ")[:19], "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007 - EXIF gives local time
    except ValueError:
        return None
    zone = offset.strip("\0 ") if isinstance(offset, str) else ""
    return moment.isoformat() + (zone if _OFFSET.fullmatch(zone) else "")
