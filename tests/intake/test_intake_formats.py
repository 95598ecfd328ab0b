"""The format of a file is read from its bytes, whatever its name says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from opsin.errors import UnreadablePicture
from opsin.intake.formats import describe, require_format, sniff

if TYPE_CHECKING:
    from tests import odd_pictures as make
else:
    import odd_pictures as make


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("JPEG", "jpeg"),
        ("PNG", "png"),
        ("WEBP", "webp"),
        ("GIF", "gif"),
        ("AVIF", "avif"),
        ("TIFF", "tiff"),
        ("BMP", "bmp"),
    ],
)
def test_a_format_is_known_by_its_bytes(kind: str, name: str) -> None:
    found = sniff(make.encode(make.photo(), kind))
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"", "an empty file"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"PK\x03\x04rest", "a ZIP archive or office document"),
        (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        (b"<!DOCTYPE html><p>hello", "an HTML page"),
        (b"just words\n", "text"),
        ("caf\u00e9".encode(), "text"),
        (b"\x7fELF\x02\x01", "a Linux program"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "an MP4 or QuickTime video"),
        (b"\xff\x0a\x00\x00", "JPEG XL"),
        (b"\0\x01\x02\x03\xfe\xff" * 20, "data of an unknown type"),
        (b"P6\n2 2\n255\n", "a Netpbm image (PBM, PGM, PPM)"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "WAV audio"),
    ],
)
def test_what_is_no_picture_is_refused_with_the_name_of_what_it_looks_like(data: bytes, name: str) -> None:
    assert describe(data) == name
    with pytest.raises(UnreadablePicture, match=name.split(" (", maxsplit=1)[0]):
        require_format(data)


def test_the_brands_of_the_container_tell_avif_from_heic() -> None:
    avif = sniff(b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf")
    heic = sniff(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    assert avif is not None
    assert heic is not None
    assert (avif.name, heic.name) == ("avif", "heif")
