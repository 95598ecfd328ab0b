"""The values that every layer exchanges: frozen, without I/O and without heavy imports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

EventKind = Literal[
    "asset.added",
    "asset.replaced",
    "asset.moved",
    "asset.vanished",
    "asset.returned",
    "asset.updated",
    "asset.tagged",
    "asset.reanalysed",
    "asset.deleted",
    "asset.restored",
    "job.done",
    "job.failed",
    "search.matched",
    "webhook.test",
]
"""What webhooks can be told of (docs/webhooks.md)."""


class Label(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is scored: one entry of a vocabulary.

    ``id`` is lower_snake_case and is also the tag; ``prompts`` are texts that describe the label ("" means the
    default templates around ``name``); ``negatives`` are texts of look-alikes; ``parents`` are implied label ids.
    ``threshold`` maps an encoder's ``space`` (or "default") to the standardised margin that scores 0.5.
    ``unseen`` names the spaces whose encoder cannot see this label: there it is declined, never scored.
    ``names`` maps a language code to the label's name in that language.
    """

    id: str
    name: str = ""
    prompts: tuple[str, ...] = ()
    negatives: tuple[str, ...] = ()
    synonyms: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    threshold: Mapping[str, float] = {}
    unseen: tuple[str, ...] = ()
    names: Mapping[str, str] = {}
    group: str = ""

    @property
    def text(self) -> str:
        """The readable name: ``name``, else the id with spaces."""
        return self.name or self.id.replace("_", " ")


class Vocabulary(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Labels under one name, versioned by their content."""

    name: str
    summary: str = ""
    labels: tuple[Label, ...] = ()

    @property
    def revision(self) -> str:
        """The first 12 hex digits of the SHA-256 of the canonical JSON of this vocabulary."""
        import hashlib  # not on the way of `import opsin`

        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()[:12]

    @property
    def by_id(self) -> dict[str, Label]:
        return {label.id: label for label in self.labels}


class Match(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One label with its score (0..1, 0.5 at the label's threshold), and what the categorizer adds to it.

    ``frame`` says which frame the score comes from; the host sets it: the frame's place among those that were looked at,
    and in a stored report its number in the file, from 0. Plain values make no cycles, so that the garbage collector need
    not walk through the many that a page of hits reads.
    """

    label: str
    score: float
    attributes: Mapping[str, str | float | int | bool | list[str | float] | None] = {}
    frame: int = 0


class Matches(msgspec.Struct, frozen=True):
    """What a categorizer says of one item. Labels that it leaves out count as not seen (score 0)."""

    matches: tuple[Match, ...] = ()


class Declined(msgspec.Struct, frozen=True):
    """The categorizer cannot judge this item, and why. Declined is "unknown", never "not there"."""

    reason: str


ReportStatus = Literal["ok", "declined", "failed"]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What one categorizer, at one revision, said about one content.

    ``family`` names the evidence: reports of one family rest on the same model and do not count twice.
    """

    categorizer: str
    revision: str
    family: str
    status: ReportStatus
    matches: tuple[Match, ...] = ()
    reason: str = ""


class Tag(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A label attached to an asset. ``by`` is "person" or "model"; ``sources`` are categorizer ids.

    ``implied`` is True where the tag follows from a child label alone: models found nothing of its own above the
    threshold, or a person gave the child and not this one, which is then the person's too.
    """

    label: str
    score: float
    by: Literal["person", "model"]
    sources: tuple[str, ...] = ()
    implied: bool = False
    calibrated: bool = False
