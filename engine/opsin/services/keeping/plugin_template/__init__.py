"""Writes a plugin project that can be installed, tested and published as it is: what `opsin plugin new` does."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from importlib import resources
from importlib.util import find_spec
from keyword import iskeyword
from pathlib import Path
from string import Template

import msgspec

from opsin.errors import LibraryError, UsageError, reason_of
from opsin.host import discover

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LONGEST = 40

FILES = {
    "README.md.in": "README.md",
    "LICENSE.in": "LICENSE",
    "pyproject.toml.in": "pyproject.toml",
    "gitignore.in": ".gitignore",
    "ci.yml.in": ".github/workflows/ci.yml",
    "init.py.in": "src/$package/__init__.py",
    "categorizer.py.in": "src/$package/categorizer.py",
    "py.typed.in": "src/$package/py.typed",
    "test.py.in": "tests/test_$name.py",
}
"""Each template, and where it goes; both are filled by ``string.Template``."""


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """A project that was written: its folder, and its files, sorted."""

    folder: Path
    files: tuple[Path, ...]


def project_name(name: str) -> str:
    """Return the project's name on PyPI, which is also that of its folder, e.g. "opsin-warm-light"."""
    return f"opsin-{name.replace('_', '-')}"


def write(name: str, folder: Path) -> list[Path]:
    """Write the project of the plugin ``name`` into ``folder`` and return its files, sorted.

    ``folder`` is the project's own and is made; it may exist where it is empty.

    :raises UsageError: for a name that is not lower_snake_case or that is taken here, and for a folder that holds something.
    :raises LibraryError: where it cannot be written; then nothing of it stays.
    """
    values = _values(name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        msg = f"{folder} exists and is not an empty folder; name another one"
        raise UsageError(msg)
    own = not folder.exists()
    try:
        return sorted(_fill(folder, values))
    except OSError as error:
        _clear(folder)  # so that it can be done again
        if own:
            shutil.rmtree(folder, ignore_errors=True)
        msg = f"cannot write a project to {folder}: {reason_of(error)}"
        raise LibraryError(msg) from error


def _clear(folder: Path) -> None:
    """Take away what was written into a folder that was empty."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _fill(folder: Path, values: Mapping[str, str]) -> list[Path]:
    """Write the files of a project into ``folder`` and return them."""
    templates = resources.files(__package__) / "files"
    written = []
    for template, target in FILES.items():
        path = folder / Template(target).substitute(values)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = Template((templates / template).read_text("utf-8")).substitute(values)
        path.write_text(text, "utf-8", newline="\n")
        written.append(path)
    return written


def _values(name: str) -> dict[str, str]:
    if not _NAME.fullmatch(name) or iskeyword(name) or len(name) > _LONGEST:
        msg = (
            f"{name!r} cannot be a plugin's name: use lower-case letters, digits and single underscores, "
            f"begin with a letter, at most {_LONGEST} characters, e.g. warm_light"
        )
        raise UsageError(msg)
    package = f"opsin_{name}"
    if name == "opsin" or any(plugin.name == name for plugin in discover()):
        msg = f"there is {'Opsin itself' if name == 'opsin' else f'a plugin {name!r}'} already: choose another name"
        raise UsageError(msg)
    if find_spec(package) is not None:
        msg = f"{package}, which its package would be called, is installed here already: choose another name"
        raise UsageError(msg)
    return {
        "name": name,
        "package": package,
        "project": project_name(name),
        "title": name.replace("_", " "),
        "kind": "".join(part.capitalize() for part in name.split("_")),
    }
