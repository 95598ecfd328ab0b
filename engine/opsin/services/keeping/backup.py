"""Backups: one consistent copy of a library, taken beside its owner, verified, and whole or not there at all.

Holds ``catalogue.sqlite``, ``blobs/``, ``vocabularies/``, ``opsin.toml``, ``index.opsin`` and ``backup.json``, which is
written last and lists every other file with its size and SHA-256. Previews are left out: they are made again. So are
the pictures that the library only refers to: they are not in it.
"""

from __future__ import annotations

import secrets
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from opsin.catalogue.durable import sync_folder
from opsin.catalogue.ids import now
from opsin.catalogue.sqlite import backup as copy_database
from opsin.catalogue.sqlite import meaning_of
from opsin.errors import Damaged, LibraryError, UsageError, reason_of
from opsin.services.base.layout import PRIVATE, Layout
from opsin.services.keeping.backup_files import (
    CATALOGUE,
    FORMAT,
    MANIFEST,
    Entry,
    FolderStore,
    Manifest,
    Missing,
    Reader,
    Store,
    TarStore,
    check_names,
    copy_stream,
    open_backup,
    sync_tree,
)
from opsin.version import VERSION


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """How far it is: files done, and files in all."""

    files: int
    total: int


class BackedUp(msgspec.Struct, frozen=True, kw_only=True):
    """A backup that is whole: where it is, its files without the list, and their bytes."""

    path: str
    files: int
    bytes: int


Progress = Callable[[Step], None]


def back_up(root: Path, target: Path, progress: Progress | None = None) -> BackedUp:
    """Copy the library at ``root`` to ``target``, a folder or, where the name ends in .tar, one file.

    It runs beside the process that owns the library: what is committed meanwhile is in the backup or not, but whole.
    When it ends, every byte has been read back and compared.

    :raises LibraryMissing: where there is no library.
    :raises UsageError: where there is something at ``target``, or it lies inside the library.
    :raises Damaged: where a copied picture is not what the catalogue says.
    :raises LibraryError: where it cannot be written, e.g. on a full disk. Nothing is left behind then.
    """
    layout = Layout(root)
    layout.require()
    if target.resolve().is_relative_to(layout.root.resolve()):
        msg = f"{target} lies inside the library {layout.root}, and would be lost with it: name a place outside"
        raise UsageError(msg)
    if target.exists():
        msg = f"{target} is there already: name another one"
        raise UsageError(msg)
    unfinished = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with tempfile.TemporaryDirectory(prefix=".opsin-backup-", dir=_parent_of(target)) as scratch:
            store: Store = TarStore(unfinished) if target.suffix == ".tar" else FolderStore(unfinished)
            with closing(store):
                _report(_fill(layout, store, Path(scratch)), progress)
        with open_backup(unfinished) as opened:
            manifest = look_over(opened)
            _report(verify(opened, manifest), None)
        unfinished.replace(target)
        sync_folder(_parent_of(target))
    except (OSError, sqlite3.Error) as error:
        reason = reason_of(error) if isinstance(error, OSError) else meaning_of(error)
        msg = f"cannot back up to {target}: {reason}"
        raise LibraryError(msg) from error
    finally:
        _discard(unfinished)
    return BackedUp(
        path=str(target.absolute()), files=len(manifest.files), bytes=sum(entry.size for entry in manifest.files)
    )


def restore(source: Path, root: Path, progress: Progress | None = None) -> None:
    """Make a library at ``root`` from a backup; every file is compared with the backup's list on its way.

    What the list itself gives away is found before anything is written: a file that is missing or has another size, a
    backup without a catalogue. The library appears in one step, when it is whole and durable.

    :raises UsageError: where ``source`` is no backup, there is something at ``root``, or that lies inside the backup.
    :raises Damaged: where a file of the backup is missing or has other bytes. Nothing is left behind then.
    :raises LibraryError: where it cannot be written.
    """
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        msg = f"{root} is there already and not empty: name a new folder with --library"
        raise UsageError(msg)
    if root.resolve().is_relative_to(source.resolve()):
        msg = f"{root} lies inside the backup {source}: name a folder outside with --library"
        raise UsageError(msg)
    unfinished = root.with_name(f".{root.name}.{secrets.token_hex(4)}")
    try:
        with open_backup(source) as opened:
            manifest = look_over(opened)
            made = [folder for folder in root.absolute().parents if not folder.exists()]
            unfinished.mkdir(mode=PRIVATE, parents=True)
            _report(verify(opened, manifest, unfinished), progress)
        _check_whole(manifest, unfinished / CATALOGUE)
        for name in ("blobs", "vocabularies"):
            (unfinished / name).mkdir(exist_ok=True)
        sync_tree(unfinished)
        unfinished.replace(root)  # takes the place of an empty folder, too
        for folder in (_parent_of(root), *(_parent_of(folder) for folder in made)):
            sync_folder(folder)
    except (OSError, sqlite3.Error) as error:
        reason = reason_of(error) if isinstance(error, OSError) else meaning_of(error)
        msg = f"cannot restore to {root}: {reason}"
        raise LibraryError(msg) from error
    finally:
        _discard(unfinished)


def look_over(opened: Reader) -> Manifest:
    """Return the list of an opened backup, after comparing it with the files that are there, without reading these.

    :raises Damaged: naming the first file that is missing, has another size, or belongs to no library.
    """
    manifest = opened.manifest()
    check_names(manifest)
    for entry in manifest.files:
        try:
            size = opened.size(entry.path)
        except Missing as error:
            raise _missing(entry) from error
        if size != entry.size:
            msg = f"the backup is damaged: {entry.path} has {size} bytes, not the {entry.size} that it was written with"
            raise Damaged(msg)
    return manifest


def verify(opened: Reader, manifest: Manifest, target: Path | None = None) -> Iterator[Step]:
    """Compare every file of an opened backup with its list, and copy it below ``target`` where that is given.

    :raises Damaged: naming the first file that is missing or has other bytes.
    """
    for number, entry in enumerate(manifest.files, 1):
        copy = None if target is None else target / entry.path
        if copy is not None:
            copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            with opened.read(entry.path) as stream:
                found = copy_stream(stream, copy)
        except (Missing, tarfile.TarError) as error:
            raise _missing(entry) from error
        if found != (entry.size, entry.sha256):
            msg = f"the backup is damaged: {entry.path} has other bytes than it was written with"
            raise Damaged(msg)
        yield Step(files=number, total=len(manifest.files))


def _report(steps: Iterator[Step], progress: Progress | None) -> None:
    for step in steps:
        if progress is not None:
            progress(step)


def _missing(entry: Entry) -> Damaged:
    return Damaged(f"the backup is damaged: {entry.path} is missing, cut short, or a link")


def _check_whole(manifest: Manifest, catalogue: Path) -> None:
    """Check that every copied picture that the catalogue names is in the backup.

    :raises Damaged: where one is not.
    """
    names = {entry.path for entry in manifest.files}
    for digest in _check_catalogue(catalogue):
        if (name := _blob(digest)) not in names:
            msg = f"the backup is damaged: its catalogue names the copied picture {name}, which is not in it"
            raise Damaged(msg)


def _blob(digest: str) -> str:
    return f"blobs/{digest[:2]}/{digest}"


def _fill(layout: Layout, store: Store, scratch: Path) -> Iterator[Step]:
    """Put everything into ``store``: the index before the catalogue, so that it never holds a vector that this lacks."""
    entries: list[Entry] = []
    if layout.index.exists():
        entries.append(_put(store, layout.index, "index.opsin", scratch))
    catalogue = scratch / CATALOGUE
    copy_database(layout.catalogue, catalogue)
    digests = _check_catalogue(catalogue)
    entries.append(_put(store, catalogue, CATALOGUE))
    settings = [(layout.settings, "opsin.toml")] if layout.settings.exists() else []
    words = [(path, f"vocabularies/{path.name}") for path in sorted(layout.vocabularies.glob("*.toml"))]
    small = [*settings, *words]
    total = len(entries) + len(small) + len(digests)
    for path, name in small:
        entries.append(_put(store, path, name, scratch))
        yield Step(files=len(entries), total=total)
    for digest in digests:
        name = _blob(digest)
        try:
            entry = _put(store, layout.root / name, name)
        except FileNotFoundError as error:
            msg = f"the copied picture {layout.root / name} is missing: `opsin doctor` says what to do"
            raise Damaged(msg) from error
        if entry.sha256 != digest:
            msg = f"the copied picture {layout.root / name} has other bytes than were added: `opsin doctor` says what to do"
            raise Damaged(msg)
        entries.append(entry)
        yield Step(files=len(entries), total=total)
    made = Manifest(
        format=FORMAT, opsin=VERSION, made_at=now(), library=str(layout.root.absolute()), files=tuple(entries)
    )
    manifest = scratch / MANIFEST
    manifest.write_bytes(msgspec.json.format(msgspec.json.encode(made), indent=1))
    store.put(manifest, MANIFEST)


def _put(store: Store, path: Path, name: str, scratch: Path | None = None) -> Entry:
    """Put one file into the store. One that may be replaced meanwhile is copied to ``scratch`` first."""
    if scratch is not None:
        still = scratch / "still"
        shutil.copyfile(path, still)
        path = still
    return store.put(path, name)


def _check_catalogue(path: Path) -> list[str]:
    """Return the digests, in hex, of the contents that are copied into the library.

    :raises Damaged: where SQLite finds the database damaged.
    """
    with closing(sqlite3.connect(path)) as connection:
        verdict = connection.execute("PRAGMA quick_check").fetchone()[0]
        if verdict != "ok":
            msg = f"the catalogue is damaged: {verdict}"
            raise Damaged(msg)
        query = (
            "SELECT DISTINCT hex(content.sha256) FROM asset JOIN content ON content.id = asset.content_id"
            " WHERE asset.copied ORDER BY 1"
        )
        return [digest.lower() for (digest,) in connection.execute(query)]


def _discard(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _parent_of(path: Path) -> Path:
    return path.absolute().parent
