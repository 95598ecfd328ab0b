"""Reads vocabularies from TOML and says what is wrong with them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from opsin.errors import SettingError
from opsin.model import Label, Vocabulary

_ID = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
# Language, optional script, optional region: the part of BCP 47 (RFC 5646) that names of labels need.
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?")
HIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Characters that names do not hold: they do not show, or turn around how others show (controls, ends of lines, overrides)."""
LONGEST_TEXT = 500
"""Characters of one text of a label: encoders read no more of it than its beginning."""
_MOST_TEXTS = 200
_HIGHEST = 1e6
_EXAMPLES = {
    "name": '"hot dog"',
    "group": '"food"',
    "threshold": "{ default = 3.0 }",
    "names": '{ de = "Hund" }',
    **dict.fromkeys(("prompts", "negatives"), '["a photo of a dog"]'),
    **dict.fromkeys(("synonyms", "parents"), '["dog"]'),
    "unseen": '["starter"]',
}
"""How each field of a label is written."""
_SHOWN = 5
# One command reads the same texts several times, and that is most of what opening a library costs; they are few.
_KEPT = 8


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong with a vocabulary; ``label`` is "" where it concerns the whole of it."""

    label: str
    message: str

    def __str__(self) -> str:
        return f"label {self.label!r}: {self.message}" if self.label else self.message


def label_id(text: str) -> str:
    """Return the form in which names are compared, which is the form of ids: ``"Hot-Dog"`` becomes ``hot_dog``."""
    return re.sub(r"[\W_]+", "_", text.strip().casefold()).strip("_")


def read_vocabulary(source: Path | str, *, origin: str = "") -> Vocabulary:
    """Read a vocabulary from a TOML file (a ``Path``) or from TOML text (a ``str``), and check it.

    ``origin`` is how messages call a text. The form of the file is in docs/vocabularies.md.

    :raises SettingError: naming the file, the line and the label of everything that is wrong.
    """
    return _read(*_text_of(source, origin))


@lru_cache(maxsize=_KEPT)
def _read(text: str, origin: str) -> Vocabulary:
    vocabulary = _parse(text, origin)
    if problems := check_vocabulary(vocabulary):
        lines = [_said(text, origin, problem) for problem in problems[:_SHOWN]]
        if more := len(problems) - _SHOWN:
            lines += [f"and {more} more problem{'s' if more > 1 else ''}"] if more > 0 else []
        raise SettingError("\n".join(lines))
    return vocabulary


def vocabulary_problems(path: Path) -> list[str]:
    """Return everything that is wrong with a vocabulary's file: file, line, label and reason; empty where all is well."""
    try:
        text, origin = _text_of(path, "")
        return [_said(text, origin, problem) for problem in check_vocabulary(_parse(text, origin))]
    except SettingError as error:
        return [str(error)]


def parse_vocabulary(source: Path | str, *, origin: str = "") -> Vocabulary:
    """Read as :func:`read_vocabulary` does, but check only the form, not the sense.

    :raises SettingError: where the file is not TOML, or a value has the wrong type.
    """
    return _parse(*_text_of(source, origin))


def check_vocabulary(vocabulary: Vocabulary) -> list[Problem]:
    """Return what is wrong with ``vocabulary``; an empty list means that it can be used."""
    found: list[Problem] = []
    if not _ID.fullmatch(vocabulary.name):
        found.append(Problem("", f"the vocabulary's name {vocabulary.name!r} is not lower_snake_case"))
    for label in vocabulary.labels:
        found += (Problem(label.id, message) for message in _own_problems(label))
    found += _ambiguities(vocabulary.labels)
    found += _family_problems(vocabulary.by_id)
    return found


def ancestors(label: str, labels: Mapping[str, Label]) -> list[str]:
    """Return the ids that ``label`` implies, nearest first, each once; unknown parents and cycles end the walk."""
    found: dict[str, None] = {}
    waiting = list(labels[label].parents) if label in labels else []
    while waiting:
        parent = waiting.pop(0)
        if parent == label or parent in found or parent not in labels:
            continue
        found[parent] = None
        waiting += labels[parent].parents
    return list(found)


def merge_labels(vocabularies: Iterable[Vocabulary]) -> dict[str, Label]:
    """Return the labels of several vocabularies by id; labels of one id become one.

    It implies what any of them implies, has the synonyms of all, and everything else of the first. Of several names in one
    language it has the first; :class:`opsin.services.base.meaning.Meaning` understands all of them.
    """
    merged: dict[str, Label] = {}
    for vocabulary in vocabularies:
        for label in vocabulary.labels:
            first = merged.setdefault(label.id, label)
            if first is not label:
                merged[label.id] = msgspec.structs.replace(
                    first,
                    parents=tuple(dict.fromkeys((*first.parents, *label.parents))),
                    synonyms=tuple(dict.fromkeys((*first.synonyms, *label.synonyms))),
                    names={**label.names, **first.names},
                )
    return merged


def disagreements(vocabularies: Sequence[Vocabulary]) -> list[str]:
    """Return which words mean one label in one vocabulary and another label in another; nothing is broken by that.

    Names in other languages are compared with those in the same language only.
    """
    meaning = {("", label.id): (label.id, each.name) for each in reversed(vocabularies) for label in each.labels}
    found = []
    for vocabulary in vocabularies:
        for label in vocabulary.labels:
            words = [("", word) for word in (label.text, *label.synonyms)]
            for language, word in dict.fromkeys((*words, *label.names.items())):
                other, owner = meaning.setdefault((language, label_id(word)), (label.id, vocabulary.name))
                if other != label.id and owner != vocabulary.name:
                    called = f"{word!r} ({language})" if language else repr(word)
                    found.append(
                        f"{called} means {other!r} in {owner} and {label.id!r} in {vocabulary.name}: {other!r} counts"
                    )
    return found


def _text_of(source: Path | str, origin: str) -> tuple[str, str]:
    if isinstance(source, str):
        return source, origin or "the vocabulary"
    try:
        return source.read_text("utf-8-sig"), origin or str(source)  # Windows' Notepad writes a mark before the text
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{source} cannot be read as a vocabulary: {error}"
        raise SettingError(msg) from error


@lru_cache(maxsize=_KEPT)
def _parse(text: str, origin: str) -> Vocabulary:
    from opsin.settings import parse_toml, placed, refusal  # not on the way of `import opsin`

    values = parse_toml(text, origin)
    entries = values.pop("labels", {})
    if not isinstance(entries, dict):
        place = placed(text, origin, ("labels",))
        msg = f'{place}: "labels" has to be a table with one entry a label, e.g. [labels.dog]'
        raise SettingError(msg)
    if "name" not in values:
        msg = f'{origin}, line 1: the vocabulary has no name: begin with one, e.g. name = "my_labels"'
        raise SettingError(msg)
    labels = [_label(text, origin, name, entry) for name, entry in entries.items()]
    try:
        return msgspec.convert({**values, "labels": labels}, Vocabulary)
    except msgspec.ValidationError as error:
        raise SettingError(refusal(error, text, origin)) from error


def _label(text: str, origin: str, name: str, entry: Any) -> Label:
    try:
        if not isinstance(entry, dict) or "id" in entry:
            reason = "has to be a table without an id: its key is the id"
            raise SettingError(_said(text, origin, Problem(name, reason)))
        return msgspec.convert({**entry, "id": name}, Label)
    except msgspec.ValidationError as error:
        from opsin.settings import refusal

        said = refusal(error, text, origin, within=("labels", name))
        field = re.search(r"at `\$\.(\w+)", str(error))
        msg = f"{said}, e.g. {field[1]} = {_EXAMPLES[field[1]]}" if field and field[1] in _EXAMPLES else said
        raise SettingError(msg) from error


def _said(text: str, origin: str, problem: Problem) -> str:
    from opsin.settings import placed

    return f"{placed(text, origin, ('labels', problem.label) if problem.label else ('name',))}: {problem}"


def _own_problems(label: Label) -> Iterator[str]:
    if not _ID.fullmatch(label.id):
        yield "an id is lower_snake_case: small letters a-z, digits and single underscores, a letter first"
    yield from _problems_of_texts(label)
    for code in label.names:
        if not _LANGUAGE.fullmatch(code):
            yield f'{code!r} is not a language code such as "de" or "pt-BR"'
    for space, value in label.threshold.items():
        if not abs(value) <= _HIGHEST:
            yield f"the threshold for {space!r} is not a finite number from {-_HIGHEST:,.0f} to {_HIGHEST:,.0f}"
        if space in label.unseen:
            yield f"there is a threshold for {space!r}, but it stands in unseen too"


def _problems_of_texts(label: Label) -> Iterator[str]:
    several = (label.prompts, label.negatives, label.synonyms, label.parents, label.unseen, [*label.names.values()])
    texts = [text for each in several for text in each]
    if any(not text.strip() for text in texts):
        yield "prompts, negatives, synonyms, names and unseen hold no empty text"
    if max(map(len, (label.id, label.name, label.group, *texts))) > LONGEST_TEXT:
        yield f"a text of a label has at most {LONGEST_TEXT} characters"
    if max(map(len, several)) > _MOST_TEXTS:
        yield f"prompts, negatives, synonyms, parents, names and unseen hold at most {_MOST_TEXTS} texts each"
    if any(HIDDEN.search(text) for text in (label.name, label.group, *label.synonyms, *label.names.values())):
        yield "names, synonyms and groups hold no control characters, ends of lines or marks that turn the writing around"


def _ambiguities(labels: Sequence[Label]) -> Iterator[Problem]:
    """Find words that would lead to two labels: an id, a readable name and a synonym each lead to one."""
    for name, count in Counter(label.id for label in labels).items():
        if count > 1:
            yield Problem(name, "this id is used twice")
    owner = {label.id: label.id for label in labels}
    for label in labels:
        words = {label_id(label.text): f"the name {label.text!r}"}
        words |= {label_id(synonym): f"the synonym {synonym!r}" for synonym in label.synonyms}
        for word, called in words.items():
            if (other := owner.setdefault(word, label.id)) != label.id:
                yield Problem(label.id, f"{called} already means the label {other!r}")


def _family_problems(labels: Mapping[str, Label]) -> Iterator[Problem]:
    for label in labels.values():
        for parent in label.parents:
            if parent not in labels:
                yield Problem(label.id, f"its parent {parent!r} is not a label of this vocabulary")
        if label.id in label.parents or any(label.id in labels[up].parents for up in ancestors(label.id, labels)):
            yield Problem(label.id, "it is its own ancestor")
