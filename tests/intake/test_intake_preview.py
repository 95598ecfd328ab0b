"""Previews are small WebP files that hold pixels and nothing else."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from opsin.errors import UnreadablePicture
from opsin.intake.decode import Decoder
from opsin.intake.preview import make_preview

if TYPE_CHECKING:
    from tests import odd_pictures as make
else:
    import odd_pictures as make


@pytest.mark.parametrize(
    ("size", "wanted"), [((1600, 1000), (200, 125)), ((300, 900), (67, 200)), ((50, 40), (50, 40))]
)
def test_a_preview_fits_its_width_and_is_never_enlarged(
    decoder: Decoder, size: tuple[int, int], wanted: tuple[int, int]
) -> None:
    data = decoder.preview(make.encode(make.photo(*size), "JPEG"), 200).result(timeout=60)
    preview = Image.open(io.BytesIO(data))
    assert preview.format == "WEBP"
    assert preview.size == wanted
    shown = np.asarray(preview.convert("RGB").resize((16, 16)), float)
    assert np.abs(shown - np.asarray(make.photo(*size).resize((16, 16)), float)).mean() < 8


def test_a_preview_holds_no_metadata_of_the_original() -> None:
    exif = Image.Exif()
    exif[0x010E] = "POLYGLOT-MARKER"
    options = {"exif": exif, "comment": b"POLYGLOT-MARKER", "xmp": b"<x>POLYGLOT-MARKER</x>"}
    data = make.encode(make.photo(), "JPEG", **options) + b"POLYGLOT-MARKER"
    preview = make_preview(data, 100)
    assert b"POLYGLOT-MARKER" in data
    assert b"POLYGLOT-MARKER" not in preview
    assert not {"exif", "xmp", "icc_profile", "comment"}.intersection(Image.open(io.BytesIO(preview)).info)
    assert not {b"EXIF", b"XMP ", b"ICCP"}.intersection(chunks(preview))


def chunks(webp: bytes) -> set[bytes]:
    found, at = set(), 12
    while at + 8 <= len(webp):
        found.add(webp[at : at + 4])
        at += 8 + (int.from_bytes(webp[at + 4 : at + 8], "little") + 1) // 2 * 2
    return found


def test_a_preview_is_upright(decoder: Decoder) -> None:
    data = decoder.preview(make.with_orientation(make.photo(), 6), 160).result(timeout=60)
    assert Image.open(io.BytesIO(data)).size == (160, 120)


def test_what_is_no_picture_has_no_preview(decoder: Decoder) -> None:
    with pytest.raises(UnreadablePicture):
        decoder.preview(b"not a picture", 100).result(timeout=60)
