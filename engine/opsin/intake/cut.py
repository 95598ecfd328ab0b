"""Says of a file that cannot be decoded whether its end is missing, as after a copy or download that broke off."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from opsin.intake.formats import AVIF, BMP, GIF, HEIF, JPEG, PNG, TIFF, WEBP, Format


def is_cut_short(data: bytes, kind: Format) -> bool:
    """Return whether the container of a picture goes on behind its last byte; where that cannot be told, it does not."""
    return _CHECKS[kind.name](data)


def _jpeg(data: bytes) -> bool:
    """Look for the end (EOI) that each scan (SOS) has behind it (ISO/IEC 10918-1, B.2.1)."""
    return data.rfind(b"\xff\xd9") <= data.rfind(b"\xff\xda")


def _png(data: bytes) -> bool:
    """Walk the chunks up to the last one (PNG, third edition, 5.3)."""
    at = 8
    while at + 12 <= len(data):
        if data[at + 4 : at + 8] == b"IEND":
            return False
        at += int.from_bytes(data[at : at + 4], "big") + 12
    return True


def _webp(data: bytes) -> bool:
    """Read how long the outermost chunk is (WebP container specification)."""
    return int.from_bytes(data[4:8], "little") + 8 > len(data)


def _gif(data: bytes) -> bool:
    """Look for the trailer (GIF89a specification, section 27)."""
    return not data.rstrip(b"\0").endswith(b";")


def _boxes(data: bytes) -> bool:
    """Walk the outermost boxes (ISO/IEC 14496-12, 4.2)."""
    at = 0
    while at + 8 <= len(data):
        size, header = int.from_bytes(data[at : at + 4], "big"), 8
        if size == 1:
            size, header = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        if size < header:  # 0: up to the end, wherever that is
            return False
        at += size
    return at != len(data)


def _tiff(data: bytes) -> bool:
    """Look where the first directory is, which often stands last (TIFF 6.0, section 2)."""
    return int.from_bytes(data[4:8], "little" if data[:2] == b"II" else "big") >= len(data)


def _bmp(data: bytes) -> bool:
    """Read how long the file is (BITMAPFILEHEADER, wingdi.h)."""
    return int.from_bytes(data[2:6], "little") > len(data)


_CHECKS: Mapping[str, Callable[[bytes], bool]] = {
    JPEG.name: _jpeg,
    PNG.name: _png,
    WEBP.name: _webp,
    GIF.name: _gif,
    AVIF.name: _boxes,
    HEIF.name: _boxes,
    TIFF.name: _tiff,
    BMP.name: _bmp,
}
