"""XMP sidecars: what Opsin writes, what it leaves alone, and how it joins what others wrote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

import opsin
from opsin.services.moving.sidecars import merged, render

DC = "{http://purl.org/dc/elements/1.1/}"
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
FOREIGN = """\
<?xpacket begin="\N{ZERO WIDTH NO-BREAK SPACE}" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <!-- mine -->
  <rdf:Description rdf:about="" xmlns:darktable="http://darktable.sf.net/" xmlns:dc="http://purl.org/dc/elements/1.1/"
    darktable:history_end="7" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4">
   <dc:subject>
    <rdf:Bag>
     <rdf:li>holiday</rdf:li>
     <rdf:li>dog</rdf:li>
    </rdf:Bag>
   </dc:subject>
   <darktable:history><rdf:Seq><rdf:li darktable:operation="exposure" darktable:params="0000a0"/></rdf:Seq></darktable:history>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
"""


def subjects(text: str) -> list[str]:
    root = ET.fromstring(text.encode("utf-8"))
    return [item.text or "" for item in root.findall(f".//{DC}subject/{RDF}Bag/{RDF}li")]


def test_a_sidecar_holds_the_tags_by_their_names_and_the_caption(
    library: opsin.Library, photos: Path, run: Callable[..., Any]
) -> None:
    library.add(photos, caption='A "red" <thing> & more', tags=["night_club"])
    library.close()
    ran = run("export", "--xmp", "--library", library.path)
    assert ran.status == 0
    assert "6 written" in ran.out
    text = (photos / "red-circle.jpg.xmp").read_text("utf-8")
    assert {"red", "night club"} <= set(subjects(text))
    item = ET.fromstring(text.encode("utf-8")).find(f".//{DC}description/{RDF}Alt/{RDF}li")
    assert item is not None
    assert item.text == 'A "red" <thing> & more'


def test_writing_again_changes_nothing_and_a_changed_tag_is_followed(
    home: Path, photos: Path, run: Callable[..., Any]
) -> None:
    run("export", "--xmp")
    assert "6 unchanged" in run("export", "--xmp").out
    run("label", "red-circle.jpg", "--remove", "red")
    ran = run("export", "--xmp", "--json")
    assert [entry["status"] for entry in ran.lines].count("written") == 1
    assert "red" not in subjects((photos / "red-circle.jpg.xmp").read_text("utf-8"))


def test_a_sidecar_of_another_program_is_left_alone_unless_told_otherwise(
    home: Path, photos: Path, run: Callable[..., Any]
) -> None:
    path = photos / "red-circle.jpg.xmp"
    path.write_text(FOREIGN, "utf-8")
    ran = run("export", "--xmp")
    assert ran.status == 1
    assert "--merge" in ran.err
    assert path.read_text("utf-8") == FOREIGN
    assert run("export", "--xmp", "--merge").status == 0
    text = path.read_text("utf-8")
    assert subjects(text)[:2] == ["holiday", "dog"]
    assert "red" in subjects(text)
    for kept in (
        'darktable:params="0000a0"',
        'xmp:Rating="4"',
        "<!-- mine -->",
        "XMP Core 4.4.0-Exiv2",
        "<?xpacket end",
    ):
        assert kept in text
    assert run("export", "--xmp", "--force").status == 0
    assert "darktable" not in path.read_text("utf-8")


def test_merging_again_takes_back_only_what_opsin_gave() -> None:
    once = merged(FOREIGN, ["dog", "red", "round"], "A caption")
    assert subjects(once) == ["holiday", "dog", "red", "round"]
    assert merged(once, ["dog", "red", "round"], "Another") == once
    again = merged(once, ["round", "new"], None)
    assert subjects(again) == ["holiday", "dog", "round", "new"]
    assert subjects(merged(again, [], None)) == ["holiday", "dog"]
    assert again.count("A caption") == 1


@pytest.mark.parametrize(
    "text", ["", "no xml", "<a/>", FOREIGN.replace("<x:xmpmeta", '<!DOCTYPE x [<!ENTITY a "b">]>\n<x:xmpmeta')]
)
def test_a_file_that_is_no_xmp_is_never_touched_by_merging(
    home: Path, photos: Path, run: Callable[..., Any], text: str
) -> None:
    path = photos / "red-circle.jpg.xmp"
    path.write_text(text, "utf-8")
    ran = run("export", "--xmp", "--merge")
    assert ran.status == 1
    assert "red-circle.jpg.xmp" in ran.err
    assert path.read_text("utf-8") == text


def test_characters_that_xml_cannot_hold_are_left_out() -> None:
    text = render(["a\x00b\x0b", "\N{GRINNING FACE}"], "c\ufffe")
    assert subjects(text) == ["ab", "\N{GRINNING FACE}"]


def test_a_copied_picture_has_no_place_for_a_sidecar(
    library: opsin.Library, photos: Path, run: Callable[..., Any]
) -> None:
    library.add(photos / "red-circle.jpg", copy=True)
    library.close()
    ran = run("export", "--xmp", "--json", "--library", library.path)
    assert [entry["status"] for entry in ran.lines] == ["skipped"]
    assert not list(photos.glob("*.xmp"))
