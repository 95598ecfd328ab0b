"""What is said of pictures that are added, and what becomes of each: values, on their way into the catalogue and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from opsin.errors import OpsinError
from opsin.services.assets.following import Following
from opsin.services.base import checked
from opsin.services.base.problem import Problem, fault, problem
from opsin.services.finding.views import AssetView
from opsin.services.looking.analyse import Analysed

if TYPE_CHECKING:
    from opsin.intake.sources import Source

AddStatus = Literal[
    "added",
    "known",
    "unchanged",
    "copied",
    "moved",
    "changed",
    "returned",
    "refused",
    "failed",
    "vanished",
    "unreachable",
]


class AddOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of every picture of one call. ``auto_tag`` is the threshold of its tags, None = as set.

    ``checksum``: what looks unchanged by its size and time is read, too, and so are the copies of what is copied.
    ``categorizers`` are the ids of those that are asked, all where none is named.
    ``public_id`` is the name of the one picture that comes: what has it becomes this picture, unless ``overwrite`` is
    False.
    """

    owner: str | None = None
    tags: tuple[str, ...] = ()
    caption: str | None = None
    context: Mapping[str, Any] | None = None
    copy: bool = False
    checksum: bool = False
    auto_tag: float | None = None
    categorizers: tuple[str, ...] = ()
    public_id: str | None = None
    overwrite: bool = True

    def __post_init__(self) -> None:
        """Check what callers gave.

        :raises UsageError: naming the option that makes no sense.
        """
        checked.said(self.owner, self.caption, self.context)
        if self.auto_tag is not None:
            checked.share(self.auto_tag, "auto_tag")
        if self.public_id is not None:
            checked.public_id(self.public_id)

    @property
    def say_something(self) -> bool:
        """Whether something is said of each picture that an unchanged one has to be told, too."""
        spoken = self.owner or self.tags or self.caption or self.context or self.public_id
        return bool(spoken) or self.auto_tag is not None


class Added(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one source, or of one asset whose picture is not there any more.

    ``source`` is its name, ``location`` its path or address, "" for bytes.
    ``known``: a new name for bytes that were here already; ``unchanged``: the same bytes under the same name;
    ``copied``: the same, of which the library had no copy, or a damaged one; ``moved``: its file was elsewhere before;
    ``changed``: other bytes than before; ``returned``: it had vanished, or was deleted, and is back; ``refused``: the
    picture's fault; ``failed``: a plugin's; ``vanished``: its file is gone; ``unreachable``: ``source`` is a folder that is empty or missing as a whole, with
    assets that are left as they are. ``replaced`` is the id of the asset whose picture was overwritten by this one.
    ``failed_reports`` names the categorizers that failed on a picture that was looked at, with the reason: the picture is
    here, and lacks what they would have said.
    """

    source: str
    location: str = ""
    status: AddStatus
    id: str | None = None
    asset: AssetView | None = None
    problem: Problem | None = None
    replaced: str | None = None
    failed_reports: Mapping[str, str] = {}


class Prepared(msgspec.Struct, frozen=True):
    """One source, ready to commit. ``analysed`` is None where the content was known already.

    ``data`` is None where the source was not even read, because its asset is here and it looks unchanged. ``copied``: the
    content was known, and the library had no copy of it, or a damaged one.
    """

    source: Source
    sha256: bytes
    data: bytes | None
    analysed: Analysed | None
    copied: bool = False


class Batch(msgspec.Struct, frozen=True):
    """Pictures of one caller, ready to commit in this order, and what is said of them."""

    prepared: Sequence[Prepared]
    options: AddOptions
    following: Following


def is_copied(source: Source, options: AddOptions) -> bool:
    """Return whether a source's bytes are kept. Files and buckets are referenced where they are; what has no lasting place is copied."""
    return options.copy or source.kind not in {"file", "object"}


def failed(source: Source, error: OpsinError) -> Added:
    """Return what became of a picture that cannot be committed."""
    return Added(source=source.name, location=source.place, status=fault(error), problem=problem(error))
