"""XMP sidecars: tags and captions in a small file beside each picture, where photo programs look for them.

``photo.jpg.xmp`` is the name that darktable and digiKam use, and that cannot mean two pictures at once
(https://github.com/KDE/digikam/pull/6; https://docs.darktable.org/usermanual/, "sidecar files"). Lightroom reads no
sidecar of a JPEG whatever its name. Format: ISO 16684-1 (XMP), keywords in ``dc:subject``.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal
from xml.dom import minidom
from xml.parsers.expat import ExpatError
from xml.sax.saxutils import escape

import msgspec

from opsin.errors import reason_of
from opsin.services.base.workspace import Workspace
from opsin.services.finding.filters import Condition
from opsin.services.moving.records import Record, records
from opsin.version import VERSION

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_DC = "http://purl.org/dc/elements/1.1/"
_OWN = "urn:opsin:xmp/1.0/"
_LARGEST = 16 * 1024 * 1024
# What XML 1.0 can hold: everything else is left out (https://www.w3.org/TR/xml/#charsets).
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PACKET = """\
<?xpacket begin="\N{ZERO WIDTH NO-BREAK SPACE}" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Opsin {version}">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/">
{properties}  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
"""

SidecarStatus = Literal["written", "merged", "unchanged", "left", "skipped", "failed"]


class Sidecar(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one picture's sidecar.

    ``left``: another program wrote it, and nothing was done to it; ``skipped``: there is nothing to write, or no place.
    """

    location: str
    status: SidecarStatus
    path: str = ""
    tags: tuple[str, ...] = ()
    reason: str = ""


class SidecarCounts(msgspec.Struct, kw_only=True):
    """How many pictures' sidecars came to what: see :class:`Sidecar`."""

    written: int = 0
    merged: int = 0
    unchanged: int = 0
    left: int = 0
    skipped: int = 0
    failed: int = 0


def write_sidecars(
    workspace: Workspace,
    where: Sequence[Condition],
    *,
    merge: bool = False,
    force: bool = False,
    progress: Callable[[Sidecar], None] | None = None,
) -> SidecarCounts:
    """Write a sidecar beside each picture that is a file; ``progress`` is told what became of each.

    A sidecar that another program wrote is left alone, unless ``merge`` (Opsin's tags are added to it, and taken out
    again when they are no longer true; the rest stays) or ``force`` (it is replaced).
    """
    labels, counts = workspace.meaning.labels, SidecarCounts()
    for record in records(workspace, where):
        picture = Path(record.location)
        named = [labels[tag.label].text if tag.label in labels else tag.label.replace("_", " ") for tag in record.tags]
        tags = tuple(dict.fromkeys(_clean(text) for text in named))
        if record.copied or not picture.is_absolute() or not picture.exists():
            reason = "the picture is not a file beside which something could be written"
            done = Sidecar(location=record.location, status="skipped", reason=reason)
        else:
            done = _write(record, picture.with_name(picture.name + ".xmp"), tags, merge=merge, force=force)
        setattr(counts, done.status, getattr(counts, done.status) + 1)
        if progress is not None:
            progress(done)
    return counts


def _write(record: Record, path: Path, tags: tuple[str, ...], *, merge: bool, force: bool) -> Sidecar:
    location = record.location
    status: SidecarStatus = "written"
    text = render(tags, record.caption)
    try:
        if not path.exists():
            if not tags and not record.caption:
                return Sidecar(location=location, status="skipped", reason="there is no tag")
        else:
            before = path.read_text("utf-8") if path.stat().st_size <= _LARGEST else ""
            if before == text:
                return Sidecar(location=location, status="unchanged", path=str(path), tags=tags)
            if not force and not _is_own(before):
                if not merge:
                    reason = "another program wrote it: --merge adds the tags to it, --force replaces it"
                    return Sidecar(location=location, status="left", path=str(path), reason=reason)
                status, text = "merged", merged(before, tags, record.caption)
                if text == before:
                    return Sidecar(location=location, status="unchanged", path=str(path), tags=tags)
        _replace(path, text)
    except (OSError, UnicodeDecodeError, ValueError, ExpatError) as error:
        reason = reason_of(error) if isinstance(error, OSError) else f"it is no XMP: {error}"
        return Sidecar(location=location, status="failed", path=str(path), reason=reason)
    return Sidecar(location=location, status=status, path=str(path), tags=tags)


def render(tags: Sequence[str], caption: str | None) -> str:
    """Return the text of a sidecar with these keywords."""
    properties = ""
    if tags:
        items = "".join(f"     <rdf:li>{escape(_clean(tag))}</rdf:li>\n" for tag in tags)
        properties += f"   <dc:subject>\n    <rdf:Bag>\n{items}    </rdf:Bag>\n   </dc:subject>\n"
    if caption:
        item = f'     <rdf:li xml:lang="x-default">{escape(_clean(caption))}</rdf:li>\n'
        properties += f"   <dc:description>\n    <rdf:Alt>\n{item}    </rdf:Alt>\n   </dc:description>\n"
    return _PACKET.format(version=VERSION, properties=properties)


def merged(text: str, tags: Sequence[str], caption: str | None) -> str:
    """Return another program's sidecar with Opsin's keywords in it; what it already had stays as it was.

    Which keywords are Opsin's is noted in the property ``tags`` of the namespace urn:opsin:xmp/1.0/.

    :raises ValueError: where it is no XMP.
    """
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("it declares a document type")
    document = minidom.parseString(text.encode("utf-8"))  # noqa: S318 - documents that declare entities are refused above
    described = document.getElementsByTagNameNS(_RDF, "Description")
    if not described:
        raise ValueError("it has no rdf:Description")
    holder = next((each for each in described if _property(each, _DC, "subject")), described[0])
    mine = _property(holder, _OWN, "tags")
    former = set(_items(mine))
    others = [item for item in _items(_property(holder, _DC, "subject")) if item not in former]
    added = [tag for tag in tags if tag not in others]
    if former == set(added) and (not caption or any(_property(each, _DC, "description") for each in described)):
        return text
    _set_bag(document, holder, (_DC, "dc", "subject"), [*others, *added])
    _set_bag(document, holder, (_OWN, "opsin", "tags"), added)
    if caption and not any(_property(each, _DC, "description") for each in described):
        _set_bag(document, holder, (_DC, "dc", "description"), [_clean(caption)], kind="Alt")
    return "\n".join(node.toxml() for node in document.childNodes) + "\n"


def _is_own(text: str) -> bool:
    return re.search(r"<x:xmpmeta\s[^>]*x:xmptk=\"Opsin ", text) is not None


def _property(holder: minidom.Element, space: str, name: str) -> minidom.Element | None:
    return next(
        (
            node
            for node in holder.childNodes
            if isinstance(node, minidom.Element) and (node.namespaceURI, node.localName) == (space, name)
        ),
        None,
    )


def _items(holder: minidom.Element | None) -> list[str]:
    if holder is None:
        return []
    found = holder.getElementsByTagNameNS(_RDF, "li")
    return ["".join(node.data for node in item.childNodes if isinstance(node, minidom.Text)) for item in found]


def _set_bag(
    document: minidom.Document,
    holder: minidom.Element,
    name: tuple[str, str, str],
    items: Sequence[str],
    *,
    kind: Literal["Bag", "Alt"] = "Bag",
) -> None:
    space, prefix, local = name
    if (old := _property(holder, space, local)) is not None:
        holder.removeChild(old).unlink()
    if not items:
        return
    made = document.createElementNS(space, f"{prefix}:{local}")
    made.setAttribute(f"xmlns:{prefix}", space)
    bag = document.createElementNS(_RDF, f"rdf:{kind}")
    bag.setAttribute("xmlns:rdf", _RDF)
    for item in items:
        entry = document.createElementNS(_RDF, "rdf:li")
        if kind == "Alt":
            entry.setAttribute("xml:lang", "x-default")
        entry.appendChild(document.createTextNode(item))
        bag.appendChild(entry)
    made.appendChild(bag)
    holder.appendChild(made)


def _replace(path: Path, text: str) -> None:
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        unfinished.write_text(text, "utf-8")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("", text)
