"""Looks a library over, without changing anything: what is sound, what is not, and the command that mends it."""

from __future__ import annotations

import platform
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from opsin.catalogue import assets, contents, features, tags
from opsin.catalogue.tables import asset
from opsin.errors import OpsinError
from opsin.services import vocabulary
from opsin.services.deployment import exposed_keys, is_exposed, takes_connections
from opsin.services.layout import Layout, owner_of
from opsin.services.plugins import examine
from opsin.services.relabel import out_of_use, unneeded
from opsin.services.tagging import computed
from opsin.services.workspace import Workspace
from opsin.settings import cache_folder, load_settings
from opsin.version import VERSION

if TYPE_CHECKING:
    from opsin_index import Index

State = Literal["ok", "warning", "problem"]
_LIBRARIES = ("torch", "torchvision", "openvino", "faiss-cpu", "pillow", "sqlalchemy")
_LEAST_FREE = 1_000_000_000


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was looked at. ``remedy`` says what to do where ``state`` is not "ok"."""

    area: str
    state: State
    message: str
    remedy: str = ""


def examine_library(root: Path, *, quick: bool = False) -> Iterator[Finding]:
    """Yield what is found at ``root``, as it is found. Several things are left out where others are too broken for them.

    ``quick`` leaves out what reads every copied picture, every vector and every report, and what loads models.
    """
    yield from _versions()
    yield from _space(root)
    layout = Layout(root)
    try:
        layout.require()
        yield _settings(layout)
        yield from _vocabularies(layout)
        workspace = Workspace(root, readonly=True)
    except OpsinError as error:
        yield Finding(area="library", state="problem", message=str(error), remedy=_remedy(error, root))
        return
    try:
        yield _owner(layout)
        yield _keys(layout)
        yield _folder(layout)
        yield from _catalogue(workspace)
        yield from _copies(workspace, quick=quick)
        yield from _originals(workspace)
        yield from _index(workspace, quick=quick)
        if not quick:
            yield from _tags(workspace)
            yield from _plugins(workspace)
            yield from _reports(workspace)
    except OpsinError as error:
        yield Finding(area="library", state="problem", message=str(error), remedy=_remedy(error, root))
    finally:
        workspace.close()


def _remedy(error: OpsinError, root: Path) -> str:
    known = {
        "library-missing": f"opsin init --library {root}",
        "setting": "mend the file at the place that is named",
        "damaged": "restore a backup: opsin restore BACKUP --library NEW",
        "encoder-mismatch": "install the weights that it was made with, or encode anew: docs/encoders.md says how",
    }
    return known.get(error.code, "")


def _versions() -> Iterator[Finding]:
    found, missing = [], []
    for name in _LIBRARIES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    python, sqlite = platform.python_version(), sqlite3.sqlite_version
    told = f"Opsin {VERSION}, Python {python}, SQLite {sqlite}, {', '.join(found)}"
    yield Finding(area="versions", state="ok", message=told)
    if missing:
        remedy = f"pip install {' '.join(missing)}"
        yield Finding(area="versions", state="problem", message=f"not installed: {', '.join(missing)}", remedy=remedy)


def _space(root: Path) -> Iterator[Finding]:
    for name, folder in (("library", root), ("cache", cache_folder())):
        place = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        free = shutil.disk_usage(place).free
        message = f"{free / 1e9:.1f} GB are free where the {name} is ({folder})"
        if free < _LEAST_FREE:
            yield Finding(area="space", state="warning", message=message, remedy="make room before adding pictures")
        else:
            yield Finding(area="space", state="ok", message=message)


def _settings(layout: Layout) -> Finding:
    load_settings(layout.settings)
    return Finding(area="settings", state="ok", message=f"{layout.settings} can be used")


def _vocabularies(layout: Layout) -> Iterator[Finding]:
    problems = vocabulary.check(layout.vocabularies)
    for problem in problems:
        remedy = "mend the file, then `opsin vocabulary check`"
        yield Finding(area="vocabularies", state="problem", message=problem, remedy=remedy)
    if not problems:
        names = ", ".join(f"{each.name} {each.revision}" for each in vocabulary.load_all(layout.vocabularies))
        yield Finding(area="vocabularies", state="ok", message=names or "there is none")


def _owner(layout: Layout) -> Finding:
    owner = owner_of(layout.root)
    if owner is None:
        return Finding(area="owner", state="ok", message="nobody has the library open for writing")
    if Path("/proc").is_dir() and not Path("/proc", owner.process).exists():
        message = (
            f"process {owner.process}, which had the library open, ended without closing it; nothing is lost by that"
        )
        return Finding(area="owner", state="ok", message=message)
    if owner.url is not None and not takes_connections(owner):
        message = (
            f"process {owner.process} has the library open and should serve it at {owner.url}, where nothing answers"
        )
        return Finding(
            area="owner", state="problem", message=message, remedy="look at the service's log; start it again"
        )
    serving = "" if owner.url is None else f", and serves it at {owner.url}"
    return Finding(
        area="owner", state="ok", message=f"process {owner.process} has the library open for writing{serving}"
    )


def _keys(layout: Layout) -> Finding:
    exposed = " ".join(exposed_keys(layout))
    if not exposed:
        return Finding(area="keys", state="ok", message="nobody else can read the keys of the service")
    message = f"others on this machine can read or change {exposed}"
    return Finding(area="keys", state="warning", message=message, remedy=f"chmod 600 {exposed}; opsin keys revoke ID")


def _folder(layout: Layout) -> Finding:
    if not is_exposed(layout):
        return Finding(area="folder", state="ok", message="not everybody on this machine can look into the library")
    message = f"everybody on this machine can look into {layout.root}: at uploads, and at the secrets of webhooks"
    return Finding(area="folder", state="warning", message=message, remedy=f"chmod o= {layout.root}")


def _catalogue(workspace: Workspace) -> Iterator[Finding]:
    with workspace.catalogue.read() as connection:
        verdicts = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA quick_check(5)")]
        orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
        total, vanished = assets.count(connection)
        stored, vectors = contents.count(connection)
    if verdicts != ["ok"] or orphans:
        message = "; ".join(verdicts if verdicts != ["ok"] else [f"{len(orphans)} rows refer to rows that are gone"])
        remedy = "restore a backup: opsin restore BACKUP --library NEW"
        yield Finding(area="catalogue", state="problem", message=message, remedy=remedy)
        return
    message = f"{total} assets ({vanished} vanished), {stored} contents, {vectors} vectors; encoder {workspace.encoder}"
    yield Finding(area="catalogue", state="ok", message=message)


def _copies(workspace: Workspace, *, quick: bool) -> Iterator[Finding]:
    """Compare the copied pictures with their digests."""
    missing, wrong, seen = [], [], set()
    with workspace.catalogue.read() as connection:
        for page in assets.every(connection, (asset.c.copied,)):
            for row in page:
                if row.sha256 in seen:
                    continue
                seen.add(row.sha256)
                told = row.location if Path(row.location).is_absolute() else row.name
                if not workspace.blobs.is_whole(row.sha256, row.bytes):
                    missing.append(told)
                elif not quick and not workspace.blobs.is_sound(row.sha256):
                    wrong.append(told)
    for names, what, options in ((missing, "missing or cut", "--copy"), (wrong, "damaged", "--copy --checksum")):
        if names:
            message = f"{len(names)} copied pictures are {what}, e.g. {names[0]}"
            remedy = f"add the originals again: opsin add FOLDER {options}; or take the copies from a backup: docs/backup.md says how"
            yield Finding(area="copies", state="problem", message=message, remedy=remedy)
    if not missing and not wrong:
        looked = "there" if quick else "there, with the right bytes"
        yield Finding(area="copies", state="ok", message=f"{len(seen)} copied pictures are {looked}")


def _originals(workspace: Workspace) -> Iterator[Finding]:
    """Look for the files that the library refers to."""
    count, gone = 0, []
    with workspace.catalogue.read() as connection:
        for page in assets.every(connection, (~asset.c.copied, asset.c.vanished_at.is_(None))):
            for row in page:
                if Path(row.location).is_absolute():
                    count += 1
                    if not Path(row.location).exists():
                        gone.append(row.location)
    if gone:
        message = f"{len(gone)} of {count} pictures are not where they were, e.g. {gone[0]}"
        remedy = "bring them back, or run `opsin add` on their folder again: it finds moved ones and marks the others"
        yield Finding(area="originals", state="warning", message=message, remedy=remedy)
    else:
        yield Finding(area="originals", state="ok", message=f"{count} pictures are where they were")


def _index(workspace: Workspace, *, quick: bool) -> Iterator[Finding]:
    from opsin_index import Index, VectorIndexError

    path, remedy = workspace.layout.index, "opsin index rebuild"
    with workspace.catalogue.read() as connection:
        _, vectors = contents.count(connection)
    if not path.exists():
        if vectors:
            yield Finding(area="index", state="warning", message="there is none; each search makes one", remedy=remedy)
        else:
            yield Finding(area="index", state="ok", message="there is nothing to hold yet")
        return
    try:
        with closing(Index.open(path, readonly=True)) as index:
            problems = [] if quick else _compared(workspace, index)
            behind = _tail(workspace, index)
            size = len(index)
    except VectorIndexError as error:
        yield Finding(area="index", state="problem", message=str(error), remedy=remedy)
        return
    for problem in problems:
        yield Finding(area="index", state="problem", message=problem, remedy=remedy)
    if not problems:
        tail = f", {behind} came after it was written and are taken in when it is opened" if behind else ""
        yield Finding(area="index", state="ok", message=f"{size} vectors{tail}")


def _tail(workspace: Workspace, index: Index) -> int:
    with workspace.catalogue.read() as connection:
        rows, _ = contents.embedding_map(connection, index.mark)
    return len(rows)


def _compared(workspace: Workspace, index: Index) -> list[str]:
    """Compare the vectors that the snapshot should hold with those of the catalogue."""
    index.verify()
    missing = wrong = expected = 0
    with workspace.catalogue.read() as connection:
        for rows, vectors in contents.vectors_after(connection, 0):
            held = rows <= index.mark
            there = [number for number, row in enumerate(rows) if held[number] and int(row) in index]
            expected += len(there)
            missing += int(held.sum()) - len(there)
            if there:
                wrong += int((abs(index.vectors_of(rows[there]) - vectors[there]).max(axis=1) > 1e-3).sum())
    surplus = len(index) - expected
    found = [(missing, "are missing"), (wrong, "differ from the catalogue"), (surplus, "are not in the catalogue")]
    return [f"{count} vectors {what}" for count, what in found if count > 0]


def _tags(workspace: Workspace) -> Iterator[Finding]:
    """Compare the stored tags with what follows from the reports and from what people said."""
    with workspace.catalogue.read() as connection:
        expected, stored = computed(workspace, connection), tags.all_rows(connection)
    differing = [name for name in expected.keys() | stored.keys() if expected.get(name) != stored.get(name)]
    if differing:
        message = (
            f"{len(differing)} tags are not what follows from the reports, settings and people, e.g. {min(differing)}"
        )
        yield Finding(area="tags", state="warning", message=message, remedy="opsin index rebuild")
    else:
        yield Finding(area="tags", state="ok", message=f"{len(stored)} tags follow from the reports and from people")


def _reports(workspace: Workspace) -> Iterator[Finding]:
    """Count the contents that lack an up-to-date report. Loads the categorizers, for their revisions."""
    workspace.ready()
    revisions = workspace.host.revisions()
    with workspace.catalogue.read() as connection:
        missing = contents.behind(connection, revisions, missing=True, stale=False)
        stale = contents.behind(connection, revisions, missing=False, stale=True)
        lacking = features.missing(connection, workspace.feature_kinds)
        outdated = features.outdated(connection, workspace.feature_kinds)
        reasons = contents.failures(connection)
    for behind, what, option in (
        (missing, "lack a report or have a failed one", "missing"),
        (stale, "have a report of an older revision", "stale"),
    ):
        if behind:
            names = sorted({name for each in behind.values() for name in each})
            told = [f"{name} ({reasons[name]})" if option == "missing" and name in reasons else name for name in names]
            message = f"{len(behind)} contents {what} of {', '.join(told)}"
            yield Finding(area="reports", state="problem", message=message, remedy=f"opsin reanalyse --{option}")
    for behind, what, why, option in (
        (lacking, "lack the features", "a plugin came after them", "missing"),
        (outdated, "have older features", "what extracts these is another revision now", "stale"),
    ):
        if behind:
            names = sorted({name for each in behind.values() for name in each})
            message = f"{len(behind)} contents {what} {', '.join(names)}: {why}"
            yield Finding(area="reports", state="problem", message=message, remedy=f"opsin reanalyse --{option}")
    reporting, left = out_of_use(workspace), unneeded(workspace)
    for name in sorted({*reporting, *left}):
        if name in reporting:
            message = f"there are reports of {name}, which is not in use; the tags still count them"
        else:
            message = f"there are features of {name} that nobody in use needs: {', '.join(left[name])}"
        remedy = f"switch its plugin on again, or drop them: opsin plugins forget {name}"
        yield Finding(area="reports", state="warning", message=message, remedy=remedy)
    if not any((missing, stale, lacking, outdated)):
        yield Finding(area="reports", state="ok", message=f"{len(revisions)} categorizers are up to date")


def _plugins(workspace: Workspace) -> Iterator[Finding]:
    found = examine(workspace.host, workspace.settings)
    for plugin in found:
        if not plugin.sound:
            message = f"{plugin.name} is {plugin.state}: {plugin.reason or plugin.last_error}"
            yield Finding(area="plugins", state="problem", message=message, remedy=plugin.advice)
    working = [plugin.name for plugin in found if plugin.state == "ready"]
    off = [plugin.name for plugin in found if plugin.state == "off" and plugin.sound]
    told = f"{', '.join(working)} work" + (f"; switched off: {', '.join(off)}" if off else "")
    yield Finding(area="plugins", state="ok", message=told)
