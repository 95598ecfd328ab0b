"""Previews of files that are two things at once, and samples of HEIC and AVIF, through the decoder alone."""

from __future__ import annotations

from pathlib import Path

from opsin.errors import Refused
from opsin.intake.decode import Decoder
from opsin.settings import DecodeSettings

PATIENCE = 250.0
MARKER = b"POLYGLOT-MARKER"
BROKEN = {"corrupted.heic", "corrupted.hif", "empty.heic"}
# Whether these are readable depends on the version of libheif.
EITHER = {"invalid_id.heic", "truncated.heic"}


def verdicts(decoder: Decoder, files: list[Path]) -> list[str]:
    futures = [decoder.submit(path.read_bytes()) for path in files]
    found = []
    for future in futures:
        try:
            decoded = future.result(PATIENCE)
            found.append("accept")
            assert decoded.frames
            assert decoded.width * decoded.height > 0
        except Refused:
            found.append("reject")
    return found


def test_no_preview_of_a_polyglot_holds_its_marker(shared_data: Path) -> None:
    files = sorted((shared_data / "hostile" / "polyglot" / "gen").iterdir())
    made = 0
    with Decoder(DecodeSettings(timeout=60), min_side=64) as decoder:
        for future in [decoder.preview(path.read_bytes(), 400) for path in files]:
            try:
                preview = future.result(PATIENCE)
            except Refused:
                continue
            made += 1
            assert MARKER not in preview
    assert made > 10


def test_samples_of_heic_and_avif_are_decoded(shared_data: Path, decoder: Decoder) -> None:
    files = [path for path in sorted((shared_data / "formats").iterdir()) if path.suffix != ".md"]
    assert verdicts(decoder, [path for path in files if path.name in BROKEN]) == ["reject"] * len(BROKEN)
    whole = [path for path in files if path.name not in BROKEN | EITHER]
    assert verdicts(decoder, whole) == ["accept"] * len(whole)
    assert len(verdicts(decoder, [path for path in files if path.name in EITHER])) == len(EITHER)
    turned = decoder.submit((shared_data / "formats" / "kimono.rotate90.avif").read_bytes()).result(PATIENCE)
    assert (turned.width, turned.height, turned.orientation) == (722, 1024, 6)
