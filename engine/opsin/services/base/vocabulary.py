"""The vocabularies of a library: one TOML file each in its folder, shown, checked and changed.

A change is checked before it is written, and written aside, so that a file is always whole; without ``write`` it is only
checked. Who changes a vocabulary scores the library again afterwards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from opsin.catalogue.durable import sync_folder, write_whole
from opsin.errors import SettingError, Taken, UnknownName, Unwritable, reason_of
from opsin.model import Label, Vocabulary
from opsin.plugin.vocabulary import disagreements, parse_vocabulary, read_vocabulary, vocabulary_problems
from opsin.services.base.vocabulary_text import render_vocabulary, with_changes, with_label, without_label
from opsin.settings import Settings

_LONGEST = 100
"""Letters of a name: that of its file has to fit into 255 bytes."""


class VocabularySummary(msgspec.Struct, frozen=True, kw_only=True):
    """A vocabulary without its labels; ``used`` is False where a plugin ships it and the library is without it."""

    name: str
    summary: str
    revision: str
    labels: int
    used: bool


def summaries(folder: Path, settings: Settings) -> tuple[VocabularySummary, ...]:
    """Return the vocabularies in ``folder``, then those that plugins ship besides, each by name."""
    used = load_all(folder)
    names = {each.name for each in used}
    others = [each for name, each in sorted(shipped(settings).items()) if name not in names]
    return tuple(
        VocabularySummary(
            name=each.name,
            summary=each.summary,
            revision=each.revision,
            labels=len(each.labels),
            used=each.name in names,
        )
        for each in (*used, *others)
    )


def load_all(folder: Path) -> list[Vocabulary]:
    """Return the vocabularies of ``folder``, sorted by name.

    :raises SettingError: naming the file, the line and the label of what is wrong.
    """
    found: dict[str, tuple[Path, Vocabulary]] = {}
    for path in _files(folder):
        vocabulary = read_vocabulary(path)
        if vocabulary.name in found:
            msg = f"{path} and {found[vocabulary.name][0]} are both called {vocabulary.name!r}: rename one"
            raise SettingError(msg)
        found[vocabulary.name] = path, vocabulary
    return [vocabulary for _, (_, vocabulary) in sorted(found.items())]


def show(folder: Path, name: str) -> Vocabulary:
    """Return the vocabulary called ``name``.

    :raises UnknownName: naming the vocabularies that there are.
    """
    return read_vocabulary(path_of(folder, name))


def path_of(folder: Path, name: str) -> Path:
    """Return the file of the vocabulary called ``name``; one whose file cannot be read is known by its file's name.

    :raises UnknownName: naming the vocabularies that there are.
    """
    names = {_name_of(path): path for path in _files(folder)}
    if name in names:
        return names[name]
    msg = f"this library has no vocabulary {name!r}; it has {', '.join(sorted(names)) or 'none'}"
    raise UnknownName(msg)


def check(source: Path) -> list[str]:
    """Return what is wrong with a file, or with the files of a folder: each with file, line and reason."""
    problems: list[str] = []
    for path in _files(source) if source.is_dir() else [source]:
        problems += vocabulary_problems(path)
    if source.is_dir() and not problems:
        try:
            load_all(source)
        except SettingError as error:
            problems.append(str(error))
    return problems


def disputed(sources: Sequence[Path]) -> list[str]:
    """Return what these vocabularies, files or folders of them, disagree about; broken ones are passed over."""
    found = []
    for path in (file for source in sources for file in (_files(source) if source.is_dir() else [source])):
        try:
            found.append(read_vocabulary(path))
        except SettingError:
            continue
    return disagreements(sorted(found, key=lambda each: each.name))


def shipped(settings: Settings | None = None) -> dict[str, Vocabulary]:
    """Return the vocabularies that the installed plugins offer, by name; a plugin that fails is logged and left out."""
    from opsin.host import shipped_vocabularies

    return {vocabulary.name: vocabulary for vocabulary in shipped_vocabularies(settings or Settings())}


def add(
    folder: Path, source: str | Path, settings: Settings | None = None, *, files: bool = True, write: bool = True
) -> Vocabulary:
    """Copy a vocabulary into ``folder`` and return it: one that a plugin ships, by name, or, where ``files``, a TOML file.

    :raises UnknownName: where ``source`` is neither.
    :raises Taken: where the library has a vocabulary of that name.
    :raises SettingError: where the file cannot be used.
    """
    path = Path(source)
    if files and (isinstance(source, Path) or path.suffix == ".toml"):
        if not path.is_file():
            msg = f"there is no file {path}"
            raise UnknownName(msg)
        vocabulary, text = read_vocabulary(path), path.read_text("utf-8-sig")
    else:
        offered = shipped(settings)
        if str(source) not in offered:
            there_are = ", ".join(sorted(offered)) + (", or name a .toml file" if files else "")
            msg = f"there is no vocabulary {str(source)[:_LONGEST]!r}; there are {there_are}"
            raise UnknownName(msg)
        vocabulary = offered[str(source)]
        text = render_vocabulary(vocabulary)
    _require_free(folder, vocabulary.name)
    if write:
        _write(folder / f"{vocabulary.name}.toml", text)
    return vocabulary


def create(
    folder: Path, name: str, labels: Sequence[Label] = (), *, summary: str = "", write: bool = True
) -> Vocabulary:
    """Make a vocabulary.

    :raises Taken: where there is a vocabulary of that name.
    :raises SettingError: where the name is not lower_snake_case, or the labels do not fit together.
    """
    if twice := [label for label, times in Counter(each.id for each in labels).items() if times > 1]:
        msg = f"the vocabulary {name[:_LONGEST]!r} has the label {twice[0][:_LONGEST]!r} twice"
        raise SettingError(msg)
    text = render_vocabulary(Vocabulary(name=name, summary=summary, labels=tuple(labels)))
    made = read_vocabulary(text, origin=f"the vocabulary {name[:_LONGEST]!r}")
    _require_free(folder, name)
    if write:
        _write(folder / f"{name}.toml", text)
    return made


def remove(folder: Path, name: str) -> None:
    """Take the vocabulary called ``name`` out of ``folder``.

    :raises UnknownName: naming the vocabularies that there are.
    """
    path_of(folder, name).unlink()
    sync_folder(folder)


def add_label(folder: Path, name: str, label: Label, *, write: bool = True) -> Vocabulary:
    """Add a label to the vocabulary called ``name`` and return the new vocabulary.

    :raises UnknownName: where there is no such vocabulary.
    :raises SettingError: where the label is there already, or does not fit; nothing is written then.
    """
    path = path_of(folder, name)
    return _change(path, with_label(_text(path), label), write=write)


def edit_label(folder: Path, name: str, label: str, changes: Mapping[str, Any], *, write: bool = True) -> Vocabulary:
    """Set fields of a label (None takes a field away) and return the new vocabulary.

    ``changes`` maps the names of :class:`opsin.Label`'s fields to values.

    :raises UnknownName: where there is no such vocabulary, label or field.
    :raises SettingError: where the result cannot be used; nothing is written then.
    """
    path = path_of(folder, name)
    return _change(path, with_changes(_text(path), {label: changes}), write=write)


def remove_label(folder: Path, name: str, label: str, *, write: bool = True) -> Vocabulary:
    """Take a label out of the vocabulary called ``name`` and return the new vocabulary.

    :raises UnknownName: where there is no such vocabulary or label.
    :raises SettingError: where other labels name it as their parent; nothing is written then.
    """
    path = path_of(folder, name)
    return _change(path, without_label(_text(path), label), write=write)


def _change(path: Path, text: str, *, write: bool) -> Vocabulary:
    vocabulary = read_vocabulary(text, origin=f"{path} as it would be")
    if write:
        _write(path, text)
    return vocabulary


def _require_free(folder: Path, name: str) -> None:
    if len(name) > _LONGEST:
        msg = f"the vocabulary's name {name[:_LONGEST]!r}... is longer than {_LONGEST} letters: shorten it"
        raise SettingError(msg)
    if (folder / f"{name}.toml").exists() or any(_name_of(each) == name for each in _files(folder)):
        msg = f"this library has a vocabulary {name!r} already: remove it first, or give this one another name"
        raise Taken(msg)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.toml") if not path.name.startswith("."))


def _name_of(path: Path) -> str:
    try:
        return parse_vocabulary(path).name
    except SettingError:
        return path.stem


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path} cannot be read: {error}"
        raise SettingError(msg) from error


def _write(path: Path, text: str) -> None:
    """Write the file whole: after a crash it is the old one or the new one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text.encode("utf-8"))
    except UnicodeEncodeError as error:
        msg = f"{path.name} would hold half a character, which is no text: leave it out"
        raise SettingError(msg) from error
    except OSError as error:
        msg = f"cannot write {path}: {reason_of(error)}"
        raise Unwritable(msg) from error
