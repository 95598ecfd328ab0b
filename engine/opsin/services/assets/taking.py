"""Taking in what people name: its sources are found, the pictures added, and what is gone is told of at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypedDict

from opsin.errors import UsageError
from opsin.services.assets import once, people
from opsin.services.assets.add import add
from opsin.services.assets.added import Added, AddOptions
from opsin.services.assets.vanished import Sweep
from opsin.services.base import checked
from opsin.services.base.promptly import promptly
from opsin.services.base.workspace import Workspace
from opsin.services.looking.chosen import chosen
from opsin.services.looking.given import Picture, sources_of

if TYPE_CHECKING:
    from opsin.intake.sources import LeftOut, Source


class Said(TypedDict, total=False):
    """What may be said of pictures that are added, besides tags.

    ``copy`` copies also what would be referenced where it is; ``checksum`` reads also files that look unchanged by their
    size and time, and with ``copy`` the copies that there are: those that are damaged are written anew. ``auto_tag`` is the
    score (0..1) that a label must pass to become a tag. ``categorizers`` are those that are asked, by id or for all of a
    plugin by its name, all where none is named; the others can be asked later. ``public_id`` names the picture, of which
    there may be one: what has that name becomes the picture in its
    next version, unless ``overwrite`` is False.
    """

    owner: str | None
    caption: str | None
    context: Mapping[str, Any] | None
    copy: bool
    checksum: bool
    auto_tag: float | None
    categorizers: Sequence[str]
    public_id: str | None
    overwrite: bool


def require_known(said: Mapping[str, Any]) -> None:
    """Check that nothing else is said of pictures than what :class:`Said` has.

    :raises UsageError: naming what is not known.
    """
    if unknown := sorted(said.keys() - Said.__annotations__.keys()):
        told = "; a job that adds pictures while nobody waits is what `jobs.add` makes" if "wait" in unknown else ""
        msg = (
            f"nothing can be said of pictures by {', '.join(unknown)}, only by {', '.join(Said.__annotations__)}{told}"
        )
        raise UsageError(msg)


def options(workspace: Workspace, tags: Iterable[str], said: Said) -> AddOptions:
    """Return what is said of each picture, checked; words that name a label stand for it.

    :raises UsageError: for what makes no sense.
    :raises UnknownName: for a categorizer that there is not.
    """
    require_known(said)
    meant = tuple(people.tag_of(workspace, tag) for tag in checked.texts(tags, "tags", checked.MOST_TAGS))
    rest: dict[str, Any] = {**said, "categorizers": chosen(workspace, said.get("categorizers", ()))}
    return AddOptions(tags=meant, **rest)


def add_each(
    workspace: Workspace,
    pictures: Sequence[Picture],
    said: AddOptions,
    *,
    mark_vanished: bool = False,
    views: bool = True,
    listed: Iterable[str] = (),
    left_out: Callable[[LeftOut], None] | None = None,
) -> Iterator[Added]:
    """Add pictures and yield what became of each; then what they cover and was not found again: see :class:`Sweep`."""
    sweep = Sweep(workspace)
    named = sources_of(
        pictures,
        workspace.settings,
        listed=listed,
        left_out=left_out,
        scopes=sweep.scopes,
        mounts=sweep.mounts,
        owner=said.owner,
        public_id=said.public_id,
    )
    sources = sweep.without_the_missing(named if said.public_id is None else _alone(named))
    coming = promptly(sources) if "-" in pictures else sources
    yield from add(workspace, coming, said, sweep=sweep, views=views)
    yield from sweep.finish(confirmed=mark_vanished, views=views)


def _alone(sources: Iterator[Source]) -> Iterator[Source]:
    """Yield the one source that there may be where it gets a name.

    :raises UsageError: where there are several.
    """
    first = list(islice(sources, 2))
    if len(first) > 1:
        raise UsageError("a public_id names one picture, and there are several: add them one by one")
    return iter(first)


def look_each(
    workspace: Workspace,
    pictures: Sequence[Picture],
    *,
    auto_tag: float | None = None,
    categorizers: Sequence[str] = (),
    embedding: bool = False,
    listed: Iterable[str] = (),
    left_out: Callable[[LeftOut], None] | None = None,
) -> Iterator[once.Told]:
    """Yield what the plugins say of each picture, in order, without storing anything.

    :raises UsageError: for a threshold outside 0..1.
    :raises UnknownName: for a categorizer that there is not.
    """
    if auto_tag is not None:
        checked.share(auto_tag, "auto_tag")
    asked = chosen(workspace, categorizers)
    sources = sources_of(pictures, workspace.settings, listed=listed, left_out=left_out)
    coming = promptly(sources) if "-" in pictures else sources
    return once.look(workspace, coming, auto_tag, categorizers=asked, embedding=embedding)


def count(workspace: Workspace, pictures: Sequence[Picture]) -> int:
    """Return how many sources ``pictures`` name, without reading any."""
    return sum(1 for _ in sources_of(pictures, workspace.settings))
