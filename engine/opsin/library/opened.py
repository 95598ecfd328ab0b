"""An open library: one method a use case, each a few words for a service."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self, Unpack

from opsin.library.exports import Exports
from opsin.library.index import LibraryIndex
from opsin.library.insights import Insights
from opsin.library.jobs import Jobs
from opsin.library.searches import Searches
from opsin.library.vocabularies import Vocabularies
from opsin.library.webhooks import Webhooks
from opsin.model import Report
from opsin.services.assets import deleting, editing, once, people, planning, reanalyse, taking, watching
from opsin.services.assets import preview as previews
from opsin.services.assets.added import Added
from opsin.services.base import checked
from opsin.services.base.answers import Answers
from opsin.services.base.diagnosis import Finding
from opsin.services.base.stages import Stages
from opsin.services.base.workspace import Workspace
from opsin.services.finding import asked, filters, finding, listing, paging, views
from opsin.services.finding import duplicates as look_alikes
from opsin.services.finding import search as searching
from opsin.services.finding.facets import Facet
from opsin.services.finding.query import Part, Query
from opsin.services.keeping import backup, doctor, plugins, standing
from opsin.services.keeping.plugins import PluginView
from opsin.services.labels import explain, relabel
from opsin.services.looking import facts
from opsin.services.looking.given import Picture
from opsin.services.moving import exporting, importing, sidecars
from opsin.services.moving import records as all_records
from opsin.services.moving.records import Record
from opsin.services.telling import matching
from opsin.settings import Settings

if TYPE_CHECKING:
    from opsin.intake.sources import LeftOut
    from opsin.intake.wire import PreviewForm

Where = Sequence[str]
Outcomes = list[Added]  # said here: in the class, `list` is a method


class Library:
    """An open library: a context manager. Its methods may be called from several threads.

    ``where`` are conditions that all have to hold, such as ``"tag=dog"`` or ``"width>=800"``. An ``asset`` is named by
    its id, the beginning of its id, its path, its address, or its file's name where no other asset has it.
    """

    def __init__(
        self, root: Path, *, readonly: bool = False, encoder: str | None = None, beside: Library | None = None
    ) -> None:
        other = None if beside is None else beside._workspace  # noqa: SLF001 - a library's own
        self._workspace: Workspace = Workspace(root, readonly=readonly, encoder=encoder, beside=other)

    @property
    def path(self) -> Path:
        """The library's folder."""
        return self._workspace.layout.root

    @property
    def settings(self) -> Settings:
        """What is set for this library, by its ``opsin.toml`` and the environment."""
        return self._workspace.settings

    @property
    def encoder(self) -> str:
        """The name of the encoder that the library was made with."""
        return self._workspace.encoder

    @property
    def vocabularies(self) -> Vocabularies:
        """The labels that the library tags with."""
        return Vocabularies(self._workspace)

    @property
    def webhooks(self) -> Webhooks:
        """Who is told of what happens."""
        return Webhooks(self._workspace)

    @property
    def searches(self) -> Searches:
        """Queries that are kept, and that each new picture is compared with."""
        return Searches(self._workspace)

    @property
    def jobs(self) -> Jobs:
        """Work that goes on after whoever asked for it was answered."""
        return Jobs(self._workspace)

    @property
    def exports(self) -> Exports:
        """Exports that are kept for a while."""
        return Exports(self._workspace)

    @property
    def insights(self) -> Insights:
        """What the tags say of owners and of time."""
        return Insights(self._workspace)

    @property
    def index(self) -> LibraryIndex:
        """The vector index."""
        return LibraryIndex(self._workspace)

    @property
    def answers(self) -> Answers:
        """The answers of the service that are kept for requests which are sent again."""
        return Answers(self._workspace.catalogue)

    @property
    def stages(self) -> Stages:
        """How long the stages of taking pictures in take, for whoever listens."""
        return self._workspace.stages

    def status(self) -> standing.LibraryStatus:
        """Return how much is under way in this process, and how plugins and index are; loads no model."""
        return standing.status(self._workspace)

    def plugins(self) -> Sequence[PluginView]:
        """Return every plugin, by name, and how its objects are by now. Loads nothing."""
        return plugins.standing(self._workspace)

    def announce(self, url: str) -> None:
        """Let others who would write to this library know that they can ask this process at ``url``."""
        self._workspace.announce(url)

    def check(self) -> None:
        """Check what can be checked without loading a model.

        :raises EncoderMismatch: where no plugin has the encoder that the library was made with.
        """
        self._workspace.check()

    def load(self) -> None:
        """Load the models and start the decoders now, instead of when they are first needed.

        :raises EncoderMismatch: where the weights are not those that the library was made with.
        """
        self._workspace.ready_to_analyse()
        if not self._workspace.readonly:
            matching.to_compare(self._workspace)  # thousands take a second, which the first upload is spared

    def add(
        self,
        *pictures: Picture,
        tags: Iterable[str] = (),
        mark_vanished: bool = False,
        **said: Unpack[taking.Said],
    ) -> Outcomes:
        """Add pictures, wait until all are durable and searchable, and return what became of each.

        ``pictures``: files, folders, globs, URLs (http, s3, ...), data URIs, or the bytes of a picture. Options as for
        :meth:`add_each`.
        """
        return [*self.add_each(*pictures, tags=tags, mark_vanished=mark_vanished, **said)]

    def add_each(
        self,
        *pictures: Picture,
        tags: Iterable[str] = (),
        mark_vanished: bool = False,
        views: bool = True,
        listed: Iterable[str] = (),
        left_out: Callable[[LeftOut], None] | None = None,
        **said: Unpack[taking.Said],
    ) -> Iterator[Added]:
        """Add pictures one after the other; each is durable and searchable when it is yielded.

        Files, folders and buckets are referenced where they are, unless ``copy``; everything else is copied in.
        ``tags`` are attached as a person's; what else may be ``said`` of each: see :class:`opsin.library.Said`. ``listed`` holds the names that "-" stands for, e.g. an open text file, and is read in a thread of its own, so
        that a picture is answered before the next name comes. ``left_out`` is called with each file that is no picture.
        Without ``views``, unchanged assets come as their id alone, which is faster.
        A picture that cannot be added is yielded with its ``problem`` and ends nothing.

        At the end, the assets that the folders, globs and buckets among ``pictures`` cover and whose files are gone are
        marked and yielded as ``vanished``. A folder that is empty or missing as a whole, as where a disk is not mounted,
        is yielded as ``unreachable`` and its assets are left as they are, unless ``mark_vanished``.

        :raises UsageError: for an option that makes no sense.
        :raises LibraryError: where the library is read only, or cannot be written.
        """
        return taking.add_each(
            self._workspace,
            pictures,
            taking.options(self._workspace.writable, tags, said),
            mark_vanished=mark_vanished,
            views=views,
            listed=listed,
            left_out=left_out,
        )

    def count_sources(self, *pictures: Picture) -> int:
        """Return how many sources ``pictures`` name, without reading any."""
        return taking.count(self._workspace, pictures)

    def watch(
        self,
        *folders: str | Path,
        tags: Iterable[str] = (),
        interval: float = 2.0,
        settle: float = 2.0,
        stop: threading.Event | None = None,
        **said: Unpack[taking.Said],
    ) -> Generator[watching.Watched, None, None]:
        """Add what appears or changes in ``folders``, mark what vanishes, and yield each event, until ``stop`` is set.

        At first come the events since the folders were last looked at. A file counts as written when its size and time
        have stayed as they are for ``settle`` seconds; ``interval`` is the time between two looks, in seconds.

        :raises UsageError: where a folder is none, or is the library itself.
        """
        options = taking.options(self._workspace.writable, tags, said)
        places = [checked.path(folder, "a folder") for folder in folders]
        return watching.watch(self._workspace, places, options, interval=interval, settle=settle, stop=stop)

    def analyse(
        self,
        *pictures: Picture,
        auto_tag: float | None = None,
        categorizers: Sequence[str] = (),
        embedding: bool = False,
        listed: Iterable[str] = (),
        left_out: Callable[[LeftOut], None] | None = None,
    ) -> Iterator[once.Told]:
        """Yield what the plugins say of each picture, in order, without storing anything.

        ``auto_tag`` is the score (0..1) that a label must pass to become a tag; ``categorizers`` are those that are
        asked, by id or plugin, all where none is named; ``embedding``: the vector of each picture
        comes, too, by which :meth:`find` finds what looks like it; ``pictures``, ``listed`` and
        ``left_out`` as for :meth:`add_each`. A picture that cannot be read is yielded with its ``problem``.
        """
        return taking.look_each(
            self._workspace,
            pictures,
            auto_tag=auto_tag,
            categorizers=categorizers,
            embedding=embedding,
            listed=listed,
            left_out=left_out,
        )

    def search(
        self,
        text: str | None = None,
        *,
        like: Sequence[asked.Example] = (),
        without: Sequence[str] = (),
        where: Where = (),
        limit: int = 20,
        cursor: str | None = None,
        everything: bool = False,
        hybrid: bool = False,
        explain: bool = False,
        facets: Sequence[Facet] = (),
    ) -> searching.Page:
        """Find assets by what they show.

        ``text``: words; ``like``: example pictures (file, URL, bytes, or an asset), each with a weight if given as a
        pair; ``without``: words that push away. Results that are no better than what any picture would get are left
        out, unless ``everything``. ``hybrid``: also by their names, public ids, captions and tags, joined by rank.
        ``explain``: each hit says where its place comes from. ``facets``: what is found is counted by tag, owner,
        format or the year in which it was taken.
        """
        parts = asked.parts(self._workspace, text, like, without)
        return self.find(
            parts,
            where=where,
            limit=limit,
            cursor=cursor,
            everything=everything,
            hybrid=hybrid,
            explain=explain,
            facets=facets,
        )

    def find(
        self,
        parts: Sequence[Part],
        *,
        where: Where = (),
        limit: int = 20,
        cursor: str | None = None,
        everything: bool = False,
        hybrid: bool = False,
        explain: bool = False,
        facets: Sequence[Facet] = (),
    ) -> searching.Page:
        """Find assets by any weighted mix of texts, pictures, assets and vectors; see :meth:`search`."""
        query = Query(
            parts=tuple(parts),
            where=filters.read(self._workspace, where),
            limit=limit,
            cursor=cursor,
            everything=everything,
            hybrid=hybrid,
            explain=explain,
            facets=tuple(facets),
        )
        return finding.find(self._workspace, query)

    def similar(self, asset: str, *, limit: int = 10) -> tuple[searching.Hit, ...]:
        """Return the assets that look most like ``asset``, best first, itself left out."""
        return searching.similar(self._workspace, asked.asset_named(self._workspace, asset), limit)

    def duplicates(
        self, *, threshold: float = 0.95, progress: Callable[[int], None] | None = None
    ) -> Iterator[look_alikes.Group]:
        """Yield groups of assets that look nearly the same (cosine >= ``threshold``).

        ``progress`` is told from time to time how many pictures were compared with all others; what it raises ends this.
        """
        return look_alikes.duplicates(self._workspace, threshold=threshold, progress=progress)

    def duplicates_of(self, asset: str, *, threshold: float = 0.95, limit: int = 50) -> Sequence[look_alikes.Alike]:
        """Return the assets that look nearly the same as ``asset`` (cosine >= ``threshold``), the nearest first."""
        row = asked.asset_named(self._workspace, asset)
        return look_alikes.duplicates_of(self._workspace, row, threshold=threshold, limit=limit)

    def reports(self, asset: str) -> Sequence[Report]:
        """Return what each categorizer said of an asset's content."""
        return facts.reports(self._workspace, asked.asset_named(self._workspace, asset))

    def palette(self, asset: str) -> Sequence[facts.Colour]:
        """Return the colours that a picture is made of, the largest share first."""
        return facts.palette(self._workspace, asked.asset_named(self._workspace, asset))

    def get(self, asset: str) -> views.AssetView:
        """Return one asset.

        :raises UnknownName: where there is none, or several.
        """
        return views.view_assets(self._workspace, [asked.asset_named(self._workspace, asset)])[0]

    def list(
        self, *, where: Where = (), limit: int | None = None, after: str | None = None
    ) -> Iterator[views.AssetView]:
        """Yield assets in the order in which they were added, those after the asset ``after`` if one is given."""
        first = -1 if after is None else asked.asset_named(self._workspace, after).row
        return listing.list_assets(self._workspace, filters.read(self._workspace, where), limit, first)

    def page(
        self,
        *,
        where: Where = (),
        sort: paging.Sort = "added",
        order: paging.Order = "asc",
        limit: int = 50,
        after: str | None = None,
        cursor: str | None = None,
    ) -> paging.AssetPage:
        """Return a page of assets: ``sort`` is added, updated, name or taken, ``order`` asc or desc.

        ``cursor`` continues; ``after`` begins behind an asset.
        """
        chosen = filters.read(self._workspace, where)
        begin = None if after is None else asked.asset_named(self._workspace, after)
        return paging.page(self._workspace, chosen, sort=sort, order=order, limit=limit, after=begin, cursor=cursor)

    def called(self, public_id: str) -> views.AssetView:
        """Return the asset that has this public id.

        :raises UnknownName: where there is none.
        """
        return views.view_assets(self._workspace, [asked.asset_called(self._workspace, public_id)])[0]

    def count(self, *, where: Where = ()) -> int:
        """Return how many assets meet the conditions."""
        return listing.count_assets(self._workspace, filters.read(self._workspace, where))

    def tags(self) -> Sequence[listing.TagCount]:
        """Return every tag in use with the number of its assets, most frequent first."""
        return listing.tag_counts(self._workspace)

    def tag_details(self, tag: str, *, limit: int = 20) -> listing.TagDetails:
        """Return how many assets carry ``tag``, and up to ``limit`` tags that most of these carry, too.

        :raises UnknownName: where no vocabulary, categorizer or person knows it.
        """
        return listing.tag_details(self._workspace, people.tag_of(self._workspace, tag), limit)

    def labels(self, beginning: str = "") -> Sequence[str]:
        """Return the labels that can be asked for, sorted: those that plugins know, and the tags that people gave."""
        return listing.label_names(self._workspace, beginning)

    def tag(
        self,
        asset: str,
        *,
        add: Sequence[str] = (),
        remove: Sequence[str] = (),
        expected: Collection[str] | None = None,
    ) -> people.Labelled:
        """Attach and remove tags as a person: this outlives every re-analysis; ``expected`` as for :meth:`edit`."""
        return self.edit(asset, add=add, remove=remove, expected=expected)

    def edit(
        self,
        asset: str,
        *,
        add: Sequence[str] = (),
        remove: Sequence[str] = (),
        expected: Collection[str] | None = None,
        **edits: Unpack[editing.Edits],
    ) -> people.Labelled:
        """Change what is said of an asset, all at once; None takes a field away, what is left out stays.

        ``add`` and ``remove`` are tags, as for :meth:`tag`. With ``expected`` it is done only where :meth:`etag` of the
        asset is one of these.

        :raises Outdated: where it is none of them.
        :raises Taken: where another asset has the ``public_id``.
        """
        row = asked.asset_named(self._workspace.writable, asset)
        return editing.edit(self._workspace, row, edits, add=add, remove=remove, expected=expected)

    def etag(self, asset: views.AssetView) -> str:
        """Return a short name of what is shown of an asset, which is another one as soon as anything of that is."""
        return views.etag(asset)

    def delete(self, asset: str, *, at_once: bool = False, expected: Collection[str] | None = None) -> deleting.Deleted:
        """Delete an asset: nothing shows it any more, and after ``assets.undo`` seconds it is erased.

        The file that it refers to is left alone. ``at_once``: it is erased now, and cannot be brought back; where not all
        of it can be taken away just now, the ``problem`` of the answer says why. ``expected``: as for :meth:`edit`.
        """
        row = asked.asset_named(self._workspace.writable, asset)
        return deleting.delete(self._workspace, row, at_once=at_once, expected=expected)

    def undelete(self, asset: str, *, expected: Collection[str] | None = None) -> views.AssetView:
        """Bring a deleted asset back, by its id, public id, location or name; one that is there stays as it is.

        ``expected``: as for :meth:`edit`; a deleted asset is never what is expected.

        :raises UnknownName: where there is none, or it was erased.
        :raises Taken: where another asset has its public id by now.
        """
        return deleting.restore(self._workspace.writable, checked.text(asset, "asset"), expected=expected)

    def erase_deleted(self) -> int:
        """Erase what was deleted more than ``assets.undo`` seconds ago, and return how many assets these were."""
        return deleting.erase_due(self._workspace.writable)

    def tag_of(self, text: str) -> str:
        """Return the tag that ``text`` stands for: the label of that id, name or synonym, else a tag of your own.

        Names in other languages than the vocabularies' own count only for those in ``tags.languages``.

        :raises UsageError: where ``text`` holds no letter or digit.
        """
        return people.tag_of(self._workspace, text)

    def explain(self, asset: str, label: str) -> explain.Explanation:
        """Return why ``asset`` carries the tag ``label``, or does not."""
        return explain.explain(self._workspace, asked.asset_named(self._workspace, asset), label)

    def original(self, asset: str) -> bytes:
        """Return the bytes of the picture, from its copy or from where it is.

        :raises SourceUnavailable: where it cannot be read any more, or holds another picture by now.
        """
        return previews.original(self._workspace, asked.asset_named(self._workspace, asset))

    def preview(self, asset: str, *, width: int = 512, form: PreviewForm = "webp") -> bytes:
        """Return a preview (webp, jpeg or avif) at most ``width`` pixels wide, without any metadata; it is kept for the next time."""
        return previews.preview(self._workspace, asked.asset_named(self._workspace, asset), width, form)

    def plan_reanalysis(
        self, *, categorizers: Sequence[str] = (), missing: bool = False, stale: bool = False, where: Where = ()
    ) -> planning.Plan:
        """Return which contents :meth:`reanalyse` would ask about. Neither ``missing`` nor ``stale`` means all."""
        chosen = filters.read(self._workspace, where)
        return planning.plan(self._workspace, categorizers=categorizers, missing=missing, stale=stale, where=chosen)

    def reanalyse(
        self,
        plan: planning.Plan | None = None,
        *,
        progress: Callable[[reanalyse.Reanalysed], None] | None = None,
    ) -> reanalyse.Reanalysis:
        """Ask categorizers again and return what came of it. Without a plan: what is missing or stale.

        ``progress`` is told of each content when its new tags are stored.
        """
        todo = plan if plan is not None else self.plan_reanalysis(missing=True, stale=True)
        return reanalyse.reanalyse(self._workspace.writable, todo, progress)

    def forget(self, name: str) -> relabel.Forgotten:
        """Drop what a plugin left that is switched off or gone: what it said, the tags that rest on it alone, its features.

        ``name`` is that of the plugin, or of a categorizer, or what stands before the "/" in that. Tags by people stay, and
        features that a categorizer in use needs.

        :raises UsageError: where it is in use.
        :raises UnknownName: where there is nothing of it, naming those of whom there is.
        """
        return relabel.forget(self._workspace.writable, name)

    def records(self, *, where: Where = ()) -> Iterator[Record]:
        """Yield everything that is known of each asset, in the order in which they were added, also of vanished ones.

        Only a condition on ``vanished`` leaves some of these out.
        """
        return all_records.records(self._workspace, filters.read(self._workspace, where))

    def count_records(self, *, where: Where = ()) -> int:
        """Return how many records :meth:`records` yields, and :meth:`export` writes."""
        return all_records.count(self._workspace, filters.read(self._workspace, where))

    def export(
        self,
        out: str | Path | BinaryIO,
        *,
        where: Where = (),
        form: exporting.Format | None = None,
        vectors: exporting.VectorFormat | None = None,
        force: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> exporting.Exported:
        """Write one record an asset to a file or a binary stream, and with ``vectors`` the embeddings beside the file.

        ``form`` is "jsonl" or "parquet", without it what the file's name says; ``vectors`` is "npy" or "parquet";
        ``progress`` is told the number of assets done. Files appear only when they are whole.

        :raises LibraryError: where a file cannot be written.
        :raises UsageError: where a file exists and ``force`` is False, pyarrow is needed and not installed, or
            ``vectors`` have no file to stand beside.
        """
        target = checked.path(out, "out") if isinstance(out, str | Path) else out
        chosen = filters.read(self._workspace, where)
        return exporting.export(
            self._workspace, target, where=chosen, form=form, vectors=vectors, force=force, progress=progress
        )

    def write_sidecars(
        self,
        *,
        where: Where = (),
        merge: bool = False,
        force: bool = False,
        progress: Callable[[sidecars.Sidecar], None] | None = None,
    ) -> sidecars.SidecarCounts:
        """Write the tags of each picture into an XMP file beside it (``photo.jpg.xmp``), and count what became of them.

        A sidecar of another program is left alone, unless ``merge`` (tags are added to it) or ``force`` (replaced).
        ``progress`` is told what became of each.
        """
        chosen = filters.read(self._workspace, where)
        return sidecars.write_sidecars(self._workspace, chosen, merge=merge, force=force, progress=progress)

    def import_records(
        self, lines: Iterable[bytes], *, progress: Callable[[importing.Imported], None] | None = None
    ) -> importing.ImportCounts:
        """Bring owner, caption, context and people's tags from records (JSON, one a line) onto assets that are here.

        An asset is known by its location, else by the SHA-256 of its bytes. Doing it twice changes nothing more.
        ``progress`` is told what became of each, once it is durable.

        :raises UsageError: where it is no text, such as an export to Parquet.
        """
        return importing.import_records(self._workspace.writable, lines, progress)

    def back_up(self, target: str | Path, *, progress: Callable[[backup.Step], None] | None = None) -> backup.BackedUp:
        """Copy the library to a folder, or to one file where the name ends in .tar; ``progress`` is told how far it is.

        It runs while pictures are added, by this process or another. The copy is verified, and there only when whole.

        :raises UsageError: where there is something at ``target``.
        :raises Damaged: where a copied picture is not what the catalogue says.
        :raises LibraryError: where it cannot be written.
        """
        return backup.back_up(self.path, checked.path(target, "target"), progress)

    def examine(self, *, quick: bool = False) -> Iterator[Finding]:
        """Look everything over, without changing anything, and yield what is found; ``quick`` reads and loads less."""
        return doctor.examine_library(self.path, quick=quick)

    def close(self) -> None:
        """Erase what was deleted too long ago to be brought back, and give everything back."""
        try:
            if not self._workspace.readonly and not self._workspace.closed:
                deleting.erase_if_it_can_be(self._workspace)
        finally:
            self._workspace.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
