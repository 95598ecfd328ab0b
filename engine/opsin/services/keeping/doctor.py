"""Looks a library over, without changing anything: what is sound, what is not, and the command that mends it."""

from __future__ import annotations

import platform
import shutil
import sqlite3
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from opsin.catalogue import assets, contents, features
from opsin.errors import OpsinError
from opsin.host import discover, unknown_sections
from opsin.services.base import vocabulary
from opsin.services.base.diagnosis import Finding
from opsin.services.base.keys import Keys
from opsin.services.base.layout import Layout, owner_of
from opsin.services.base.unknown_names import unknown_names
from opsin.services.base.workspace import Workspace
from opsin.services.keeping.deployment import exposed_keys, is_exposed, takes_connections
from opsin.services.keeping.plugins import examine
from opsin.services.keeping.stored import examine_copies, examine_index, examine_originals, examine_tags
from opsin.services.labels.relabel import out_of_use, unneeded
from opsin.settings import cache_folder, load_settings
from opsin.version import VERSION

_LIBRARIES = ("torch", "torchvision", "openvino", "faiss-cpu", "pillow", "sqlalchemy")
_LEAST_FREE = 1_000_000_000
_RESTORE = "restore a backup: opsin restore BACKUP --library NEW"
_UNKNOWN = "mend the name at the place that is named, or take it out"


def examine_library(root: Path, *, quick: bool = False) -> Iterator[Finding]:
    """Yield what is found at ``root``, as it is found. Several things are left out where others are too broken for them.

    ``quick`` leaves out what reads every copied picture, every vector and every report, and what loads models.
    """
    yield from _versions()
    yield from _space(root)
    layout = Layout(root)
    try:
        layout.require()
        yield from _settings(layout)
        yield from _vocabularies(layout)
        workspace = Workspace(root, readonly=True, lenient=True)
    except OpsinError as error:
        yield Finding(area="library", state="problem", message=str(error), remedy=_remedy(error, root))
        return
    try:
        yield _owner(layout)
        yield _keys(layout)
        yield _folder(layout)
        yield from _catalogue(workspace)
        yield from examine_copies(workspace, quick=quick)
        yield from examine_originals(workspace)
        yield from examine_index(workspace, quick=quick)
        if not quick:
            yield from _names(workspace)
            yield from examine_tags(workspace)
            yield from _plugins(workspace)
            yield from _reports(workspace)
    except OpsinError as error:
        yield Finding(area="library", state="problem", message=str(error), remedy=_remedy(error, root))
    finally:
        workspace.close()


def _remedy(error: OpsinError, root: Path) -> str:
    rest = root.is_dir() and any(root.iterdir())  # what `init` would not touch
    known = {
        "library-missing": _RESTORE if rest else f"opsin init --library {root}",
        "setting": "mend the file at the place that is named",
        "damaged": _RESTORE,
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


def _settings(layout: Layout) -> Iterator[Finding]:
    """Look at the file, and at the sections of plugins, of which only the manifests are read."""
    settings = load_settings(layout.settings)
    plugins = discover(settings)
    wrong = [plugin.wrong_settings for plugin in plugins if plugin.wrong_settings]
    for each in wrong:
        remedy = "mend the key at the place that is named, or take it out"
        yield Finding(area="settings", state="problem", message=each, remedy=remedy)
    if not wrong:
        yield Finding(area="settings", state="ok", message=f"{layout.settings} can be used")
    for each in unknown_sections(settings, plugins):
        yield Finding(area="settings", state="warning", message=each, remedy=_UNKNOWN)


def _names(workspace: Workspace) -> Iterator[Finding]:
    """Look for labels and languages that are set and that no plugin in use knows."""
    for each in unknown_names(workspace.settings, workspace.host, workspace.meaning):
        yield Finding(area="settings", state="warning", message=each, remedy=_UNKNOWN)


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
    try:
        Keys(layout).list()
    except OpsinError as error:
        return Finding(
            area="keys", state="problem", message=str(error), remedy=f"rm {layout.keys}; opsin keys create NAME"
        )
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


def _reports(workspace: Workspace) -> Iterator[Finding]:
    """Count the contents that lack an up-to-date report. Loads the categorizers, for their revisions."""
    workspace.ready()
    revisions = workspace.host.revisions()
    with workspace.catalogue.read() as connection:
        found = (
            contents.behind(connection, revisions, missing=True, stale=False),
            contents.behind(connection, revisions, missing=False, stale=True),
            features.missing(connection, workspace.feature_kinds),
            features.outdated(connection, workspace.feature_kinds),
        )
        reasons = contents.failures(connection)
        # what is deleted is asked about when it is brought back
        here = set(workspace.rows.contents_of(connection, workspace.rows.everything(connection)).tolist())
    missing, stale, lacking, outdated = (
        {number: names for number, names in each.items() if number in here} for each in found
    )
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
