"""The picture formats that Opsin reads, and the name of whatever else some bytes look like; nothing is decoded."""

from __future__ import annotations

import msgspec

from opsin.errors import UnreadablePicture


class Format(msgspec.Struct, frozen=True):
    """A picture format: ``name`` as stored, its media type, its name for people, and the file name endings it goes by."""

    name: str
    mime: str
    title: str
    endings: tuple[str, ...]


JPEG = Format("jpeg", "image/jpeg", "JPEG", (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"))
PNG = Format("png", "image/png", "PNG", (".png", ".apng"))
WEBP = Format("webp", "image/webp", "WebP", (".webp",))
GIF = Format("gif", "image/gif", "GIF", (".gif",))
AVIF = Format("avif", "image/avif", "AVIF", (".avif", ".avifs"))
HEIF = Format("heif", "image/heif", "HEIC/HEIF", (".heic", ".heif", ".hif", ".heics", ".heifs"))
TIFF = Format("tiff", "image/tiff", "TIFF", (".tif", ".tiff"))
BMP = Format("bmp", "image/bmp", "BMP", (".bmp", ".dib"))

FORMATS = (JPEG, PNG, WEBP, GIF, AVIF, HEIF, TIFF, BMP)
BY_NAME = {entry.name: entry for entry in FORMATS}
ENDINGS = frozenset(ending for entry in FORMATS for ending in entry.endings)
SIDECARS = frozenset({".xmp", ".aae", ".pp3", ".dop"})
"""How the names of files end that other programs lay beside a picture to say something of it."""
READABLE = "JPEG, PNG, WebP, GIF, AVIF, HEIC/HEIF, TIFF and BMP"

_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1"})
# Sizes of the header that follow a BMP's first 14 bytes, as in Windows' wingdi.h and OS/2.
_BMP_HEADERS = frozenset({12, 16, 40, 52, 56, 64, 108, 124})

_STARTS: tuple[tuple[bytes, Format], ...] = (
    (b"\xff\xd8\xff", JPEG),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"II*\0", TIFF),
    (b"MM\0*", TIFF),
    (b"II+\0", TIFF),
    (b"MM\0+", TIFF),
)

_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or office document"),
    (b"\x1f\x8b", "gzip-compressed data"),
    (b"BZh", "bzip2-compressed data"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"\xfd7zXZ\0", "xz-compressed data"),
    (b"\x28\xb5\x2f\xfd", "Zstandard-compressed data"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x7fELF", "a Linux program"),
    (b"MZ", "a Windows program"),
    (b"#!", "a script"),
    (b"<?php", "PHP source"),
    (b"8BPS", "a Photoshop document"),
    (b"\0\0\x01\0", "a Windows icon"),
    (b"\0\0\x02\0", "a Windows cursor"),
    (b"icns", "an Apple icon"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"qoif", "QOI"),
    (b"DDS ", "a DirectDraw texture"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"FUJIFILMCCD-RAW", "a camera's raw file"),
    (b"IIRO", "a camera's raw file"),
    (b"IIU\0", "a camera's raw file"),
    (b"gimp xcf", "a GIMP document"),
    (b"OggS", "Ogg audio or video"),
    (b"ID3", "MP3 audio"),
    (b"fLaC", "FLAC audio"),
    (b"\x1aE\xdf\xa3", "Matroska or WebM video"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"PAR1", "a Parquet file"),
    (b"%!PS", "PostScript"),
)


def sniff(data: bytes) -> Format | None:
    """Return the format that the first bytes of ``data`` announce, else None. A file name is never asked."""
    for start, found in _STARTS:
        if data.startswith(start):
            return found
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return WEBP
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADERS:
        return BMP
    return _sniff_heif(data) if data[4:8] == b"ftyp" else None


def _sniff_heif(data: bytes) -> Format | None:
    """Tell AVIF from HEIF: they share a container, and the brands say what is inside (ISO/IEC 23008-12, 10)."""
    major, *others = _brands(data)
    if major in _AVIF_BRANDS:
        return AVIF
    brands = {major, *others}
    if brands & _AVIF_BRANDS and not brands & (_HEIF_BRANDS - {b"mif1", b"msf1"}):
        return AVIF
    return HEIF if brands & _HEIF_BRANDS else None


def require_format(data: bytes) -> Format:
    """Return the format of ``data``.

    :raises UnreadablePicture: naming what the bytes look like instead.
    """
    found = sniff(data)
    if found is None:
        msg = f"This is {describe(data)}, not a picture that Opsin reads ({READABLE})."
        raise UnreadablePicture(msg)
    return found


def describe(data: bytes) -> str:
    """Return the name, with its article, of what ``data`` looks like where it is none of the readable formats."""
    if not data:
        return "an empty file"
    for start, name in _OTHERS:
        if data.startswith(start):
            return name
    if data[4:8] == b"ftyp":
        return "a camera's raw file" if data[8:11] == b"crx" else "an MP4 or QuickTime video"
    if data[:4] == b"RIFF":
        return {b"WAVE": "WAV audio", b"AVI ": "an AVI video"}.get(data[8:12], "a RIFF file")
    if data[:1] == b"P" and data[1:2] in b"1234567fF" and data[2:3].isspace():
        return "a Netpbm image (PBM, PGM, PPM)"
    return _describe_text(data[:4096])


def _describe_text(head: bytes) -> str:
    """Tell markup and plain text from binary data."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if b"<svg" in text:
        return "an SVG drawing"
    if text.startswith((b"<!doctype html", b"<html")) or b"<html" in text:
        return "an HTML page"
    if text.startswith(b"<?xml"):
        return "an XML document"
    if b"\0" in head:
        return "data of an unknown type"
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character cut at the end of the head does not make it binary.
        if error.start < len(head) - 3:
            return "data of an unknown type"
    return "text"


def _brands(data: bytes) -> list[bytes]:
    """Return the brands of an ISO base media file's first box, the major one first (ISO/IEC 14496-12, 4.3)."""
    size = min(int.from_bytes(data[:4], "big"), len(data), 4096)
    return [data[8:12]] + [data[at : at + 4] for at in range(16, size - 3, 4)]
