"""The part of the facade that takes pictures in: adding them, and looking at them without storing anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from opsin.services import checked, once, people
from opsin.services.add import add
from opsin.services.commit import Added, AddOptions
from opsin.services.given import Picture, sources_of
from opsin.services.promptly import promptly
from opsin.services.vanished import Sweep

if TYPE_CHECKING:
    from opsin.intake.sources import LeftOut
    from opsin.services.workspace import Workspace


class Taking:
    """What :class:`opsin.Library` inherits; its methods may be called from several threads."""

    workspace: Workspace

    if TYPE_CHECKING:

        def _require_writable(self) -> None: ...

    def load(self) -> None:
        """Load the models and start the decoders now, instead of when they are first needed.

        :raises EncoderMismatch: where the weights are not those that the library was made with.
        """
        self.workspace.ready_to_analyse()

    def add(
        self,
        *pictures: Picture,
        owner: str | None = None,
        tags: Iterable[str] = (),
        caption: str | None = None,
        context: Mapping[str, Any] | None = None,
        copy: bool = False,
        auto_tag: float | None = None,
        mark_vanished: bool = False,
    ) -> list[Added]:
        """Add pictures, wait until all are durable and searchable, and return what became of each.

        ``pictures``: files, folders, globs, URLs (http, s3, ...), data URIs, or the bytes of a picture. Options as for
        :meth:`add_each`.
        """
        outcomes = self.add_each(
            *pictures,
            owner=owner,
            tags=tags,
            caption=caption,
            context=context,
            copy=copy,
            auto_tag=auto_tag,
            mark_vanished=mark_vanished,
        )
        return list(outcomes)

    def add_each(
        self,
        *pictures: Picture,
        owner: str | None = None,
        tags: Iterable[str] = (),
        caption: str | None = None,
        context: Mapping[str, Any] | None = None,
        copy: bool = False,
        auto_tag: float | None = None,
        mark_vanished: bool = False,
        views: bool = True,
        listed: Iterable[str] = (),
        left_out: Callable[[LeftOut], None] | None = None,
    ) -> Iterator[Added]:
        """Add pictures one after the other; each is durable and searchable when it is yielded.

        Files, folders and buckets are referenced where they are, unless ``copy``; everything else is copied in.
        ``tags`` are attached as a person's; ``auto_tag`` is the score (0..1) that a label must pass to become a tag.
        ``listed`` holds the names that "-" stands for, e.g. an open text file, and is read in a thread of its own, so
        that a picture is answered before the next name comes. ``left_out`` is called with each file that is no picture.
        Without ``views``, unchanged assets come as their id alone, which is faster.
        A picture that cannot be added is yielded with its ``problem`` and ends nothing.

        At the end, the assets that the folders, globs and buckets among ``pictures`` cover and whose files are gone are
        marked and yielded as ``vanished``. A folder that is empty or missing as a whole, as where a disk is not mounted, is
        yielded as ``unreachable`` and its assets are left as they are, unless ``mark_vanished``.

        :raises UsageError: for an option that makes no sense.
        :raises LibraryError: where the library is read only, or cannot be written.
        """
        self._require_writable()
        options = AddOptions(
            owner=owner,
            tags=tuple(people.tag_of(self.workspace, tag) for tag in checked.texts(tags, "tags")),
            caption=caption,
            context={} if context is None else checked.facts(context),
            copy=copy,
            auto_tag=auto_tag,
        )
        sweep = Sweep(self.workspace)
        settings = self.workspace.settings
        named = sources_of(pictures, settings, listed=listed, left_out=left_out, scopes=sweep.scopes, owner=owner)
        sources = sweep.without_the_missing(named)
        coming = promptly(sources) if "-" in pictures else sources
        yield from add(self.workspace, coming, options, sweep=sweep, views=views)
        yield from sweep.finish(confirmed=mark_vanished, views=views)

    def count_sources(self, *pictures: Picture) -> int:
        """Return how many sources ``pictures`` name, without reading any."""
        return sum(1 for _ in sources_of(pictures, self.workspace.settings))

    def analyse(
        self,
        *pictures: Picture,
        auto_tag: float | None = None,
        listed: Iterable[str] = (),
        left_out: Callable[[LeftOut], None] | None = None,
    ) -> Iterator[once.Told]:
        """Yield what the plugins say of each picture, in order, without storing anything.

        ``auto_tag`` is the score (0..1) that a label must pass to become a tag; ``pictures``, ``listed`` and ``left_out``
        as for :meth:`add_each`. A picture that cannot be read is yielded with its ``problem`` and ends nothing.
        """
        if auto_tag is not None:
            checked.share(auto_tag, "auto_tag")
        sources = sources_of(pictures, self.workspace.settings, listed=listed, left_out=left_out)
        coming = promptly(sources) if "-" in pictures else sources
        return once.look(self.workspace, coming, auto_tag)
