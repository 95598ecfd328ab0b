"""The facade: what the command line, the web layer and Python users call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from opsin.catalogue import assets
from opsin.errors import LibraryError
from opsin.intake.source import path_location
from opsin.plugin import EncoderCard
from opsin.services import backup as backup_service
from opsin.services import checked, filters, people, upkeep
from opsin.services import duplicates as duplicates_service
from opsin.services import explain as explain_service
from opsin.services import reanalyse as reanalyse_service
from opsin.services import search as search_service
from opsin.services.commit import Added
from opsin.services.create import create
from opsin.services.given import Picture, Upload, existing_path, sources_of
from opsin.services.keeping import Keeping
from opsin.services.listing import TagCount, count_assets, label_names, list_assets, tag_counts
from opsin.services.once import Told, place_to_look
from opsin.services.preview import original as read_original
from opsin.services.preview import preview as make_preview
from opsin.services.taking import Taking
from opsin.services.views import AssetView, view_assets
from opsin.services.workspace import Workspace
from opsin.settings import default_library

if TYPE_CHECKING:
    from opsin.intake.sources import LeftOut

Where = Sequence[str]


def init(
    path: str | Path | None = None, *, encoder: str | None = None, vocabularies: Sequence[str] = ("everyday",)
) -> Library:
    """Make a library and open it.

    ``encoder`` is a name that ``opsin encoders`` lists; without it, the best one whose weights are here.

    :raises LibraryError: where there is a library already, or the folder cannot be written.
    :raises UnknownName: for an encoder or vocabulary that there is not.
    """
    root = _place(path)
    create(root, encoder=encoder, vocabularies=vocabularies)
    return Library(root)


def open(path: str | Path | None = None, *, readonly: bool = False, encoder: str | None = None) -> Library:
    """Open the library at ``path``, else at ``OPSIN_HOME``, else at ./opsin-library.

    One process at a time may open it for writing; any number may open it with ``readonly=True`` beside that one.

    :raises LibraryMissing: where there is none.
    :raises LibraryBusy: where another process has it open for writing.
    :raises EncoderMismatch: where ``encoder`` is given and is not the one that it was made with.
    """
    return Library(_place(path), readonly=readonly, encoder=encoder)


def restore(backup: str | Path, path: str | Path | None = None) -> Library:
    """Make a library from a backup, comparing every file with the backup's list, and open it.

    :raises UsageError: where ``backup`` is none, or there is something at ``path``.
    :raises Damaged: where a file of the backup is missing or has other bytes; nothing is left behind then.
    """
    root = _place(path)
    for _ in backup_service.restore(checked.path(backup, "backup"), root):
        pass
    return Library(root)


def analyse(
    *pictures: Picture,
    path: str | Path | None = None,
    encoder: str | None = None,
    auto_tag: float | None = None,
    listed: Iterable[str] = (),
    left_out: Callable[[LeftOut], None] | None = None,
) -> Iterator[Told]:
    """Yield what the plugins say of each picture, in order, without storing anything.

    It is done as in the library at ``path``, else at ``OPSIN_HOME``, else at ./opsin-library; where nobody named one and
    none is there, with the defaults and ``encoder``. The rest as for :meth:`Library.analyse`.

    :raises LibraryMissing: where ``path`` is given and there is none.
    :raises EncoderMismatch: where ``encoder`` is given and is not the one that the library was made with.
    """
    root = None if path is None else _place(path)
    with (
        place_to_look(root, encoder) as (place, readonly),
        Library(place, readonly=readonly, encoder=encoder) as library,
    ):
        yield from library.analyse(*pictures, auto_tag=auto_tag, listed=listed, left_out=left_out)


def _place(path: str | Path | None) -> Path:
    return default_library() if path is None else checked.path(path, "the library's folder")


class Library(Keeping, Taking):
    """An open library: a context manager. Its methods may be called from several threads."""

    def __init__(self, root: Path, *, readonly: bool = False, encoder: str | None = None) -> None:
        self.workspace = Workspace(root, readonly=readonly, encoder=encoder)

    @property
    def path(self) -> Path:
        """The library's folder."""
        return self.workspace.layout.root

    @property
    def encoder(self) -> str:
        """The name of the encoder that the library was made with."""
        return self.workspace.encoder

    def search(
        self,
        text: str | None = None,
        *,
        like: Sequence[Picture | tuple[Picture, float]] = (),
        without: Sequence[str] = (),
        where: Where = (),
        limit: int = 20,
        cursor: str | None = None,
        everything: bool = False,
    ) -> search_service.Page:
        """Find assets by what they show.

        ``text``: words; ``like``: example pictures (file, URL, bytes, or an asset's id), each with a weight if given as
        a pair; ``without``: words that push away; ``where``: conditions such as ``"tag=dog"`` or ``"width>=800"``.
        Results that are no better than what any picture would get are left out, unless ``everything``.
        """
        parts = [search_service.Part("text", text)] if text is not None else []
        parts += [self._example(entry) for entry in like]
        parts += [search_service.Part("text", words, -0.5) for words in checked.texts(without, "without")]
        return self.find(parts, where=where, limit=limit, cursor=cursor, everything=everything)

    def find(
        self,
        parts: Sequence[search_service.Part],
        *,
        where: Where = (),
        limit: int = 20,
        cursor: str | None = None,
        everything: bool = False,
    ) -> search_service.Page:
        """Find assets by any weighted mix of texts, pictures and assets; see :meth:`search`."""
        conditions = filters.read(self.workspace, where)
        query = search_service.Query(
            parts=tuple(parts), where=conditions, limit=limit, cursor=cursor, everything=everything
        )
        return search_service.search(self.workspace, query)

    def _example(self, entry: Picture | tuple[Picture, float]) -> search_service.Part:
        picture, weight = entry if isinstance(entry, tuple) else (entry, 1.0)
        if isinstance(picture, Upload):
            picture = picture.data
        if isinstance(picture, bytes):
            return search_service.Part("picture", picture, weight)
        if existing_path(picture) is None:
            with self.workspace.catalogue.read() as connection:
                known = assets.resolve(connection, str(picture))
            if known:
                return search_service.Part("asset", search_service.one_asset(known, str(picture)).id, weight)
        return search_service.Part("picture", self._read(picture), weight)

    def _read(self, picture: Picture) -> bytes:
        if isinstance(picture, bytes):
            return picture
        source = next(sources_of([picture], self.workspace.settings), None)
        if source is None:
            msg = f"{picture} holds no picture"
            raise LibraryError(msg)
        return source.read(self.workspace.settings.decode.max_bytes)

    def similar(self, asset: str, *, limit: int = 10) -> tuple[search_service.Hit, ...]:
        """Return the assets that look most like ``asset``, best first, itself left out."""
        return search_service.similar(self.workspace, self._row(asset), limit)

    def duplicates(self, *, threshold: float = 0.95) -> Iterator[duplicates_service.Group]:
        """Yield groups of assets that look nearly the same (cosine >= ``threshold``)."""
        return duplicates_service.duplicates(self.workspace, threshold=threshold)

    def get(self, asset: str) -> AssetView:
        """Return one asset. ``asset``: its id, the beginning of its id, its path, URL or file name.

        :raises UnknownName: where there is none, or several.
        """
        return view_assets(self.workspace, [self._row(asset)])[0]

    def list(self, *, where: Where = (), limit: int | None = None, after: str | None = None) -> Iterator[AssetView]:
        """Yield assets in the order in which they were added, those after the asset ``after`` if one is given."""
        first = -1 if after is None else self._row(after).row
        return list_assets(self.workspace, filters.read(self.workspace, where), limit, first)

    def count(self, *, where: Where = ()) -> int:
        """Return how many assets meet the conditions."""
        return count_assets(self.workspace, filters.read(self.workspace, where))

    def tags(self) -> Sequence[TagCount]:
        """Return every tag in use with the number of its assets, most frequent first."""
        return tag_counts(self.workspace)

    def labels(self, beginning: str = "") -> Sequence[str]:
        """Return the labels that can be asked for, sorted: those that plugins know, and the tags that people gave."""
        return label_names(self.workspace, beginning)

    def tag(self, asset: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> people.Labelled:
        """Attach and remove tags as a person: this outlives every re-analysis."""
        self._require_writable()
        return people.tag_by_person(self.workspace, self._row(asset), add=add, remove=remove)

    def explain(self, asset: str, label: str) -> explain_service.Explanation:
        """Return why ``asset`` carries the tag ``label``, or does not."""
        return explain_service.explain(self.workspace, self._row(asset), label)

    def original(self, asset: str) -> bytes:
        """Return the bytes of the picture, from its copy or from where it is.

        :raises SourceUnavailable: where it cannot be read any more, or holds another picture by now.
        """
        return read_original(self.workspace, self._row(asset))

    def preview(self, asset: str, *, width: int = 512) -> bytes:
        """Return a WebP preview at most ``width`` pixels wide, without any metadata; it is kept for the next time."""
        return make_preview(self.workspace, self._row(asset), width)

    def plan_reanalysis(
        self, *, categorizers: Sequence[str] = (), missing: bool = False, stale: bool = False, where: Where = ()
    ) -> reanalyse_service.Plan:
        """Return which contents :meth:`reanalyse` would ask about. Neither ``missing`` nor ``stale`` means all."""
        conditions = filters.read(self.workspace, where)
        return reanalyse_service.plan(
            self.workspace, categorizers=categorizers, missing=missing, stale=stale, where=conditions
        )

    def reanalyse(self, plan: reanalyse_service.Plan | None = None) -> Iterator[reanalyse_service.Reanalysed]:
        """Ask categorizers again and yield each content when its new tags are stored. Without a plan: what is behind."""
        self._require_writable()
        todo = plan if plan is not None else self.plan_reanalysis(missing=True, stale=True)
        return reanalyse_service.reanalyse(self.workspace, todo)

    def index_status(self) -> upkeep.IndexStatus:
        """Return the numbers of the index beside those of the catalogue."""
        return upkeep.index_status(self.workspace)

    def verify_index(self) -> Sequence[str]:
        """Compare the index with the catalogue and return what is wrong; empty means sound."""
        return upkeep.verify_index(self.workspace)

    def rebuild_index(self) -> int:
        """Make the index again from the catalogue and return its number of vectors."""
        self._require_writable()
        return upkeep.rebuild_index(self.workspace)

    def close(self) -> None:
        """Give everything back."""
        self.workspace.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _row(self, asset: str) -> assets.AssetRow:
        with self.workspace.catalogue.read() as connection:
            path = existing_path(asset)
            here = assets.at_location(connection, path_location(path)) if path is not None else None
            return here or search_service.one_asset(assets.resolve(connection, asset), asset)


__all__ = ["Added", "AssetView", "EncoderCard", "Library", "Told", "analyse", "init", "open", "restore"]
