"""What labels mean in an open library: those that there are, the words for them, and who judges which."""

from __future__ import annotations

import difflib
import hashlib
import re
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from opsin.catalogue import Catalogue, get_meta, set_meta
from opsin.errors import UnknownName
from opsin.fusion import ALGORITHM, synonyms_of
from opsin.plugin.vocabulary import label_id

if TYPE_CHECKING:
    from opsin.host import Host, Trial
    from opsin.model import Label
    from opsin.settings import TagSettings

Declines = Mapping[str, Mapping[str, str]]
_DECLINES = "declines"
_ARTICLE = re.compile(r"^(?:an?|the|some)\s+", re.IGNORECASE)
_PLURALS = (("ies", "y"), ("ves", "fe"), ("es", ""), ("s", ""))
"""How English plurals end, and their singulars: "ponies", "knives", "buses", "cats"."""


class Meaning:
    """The labels of one library. What follows from the vocabularies is worked out once, until :meth:`forget`."""

    def __init__(self, host: Callable[[], Host | Trial], catalogue: Catalogue, settings: TagSettings) -> None:
        self._host = host
        self._catalogue = catalogue
        self._settings = settings
        self._lock = threading.RLock()
        self._declines: Declines | None = None
        self.forget()

    def forget(self) -> None:
        """Forget what followed from the former vocabularies."""
        with self._lock:
            self._labels: Mapping[str, Label] | None = None
            self._words: Mapping[str, str] | None = None
            self._scopes: Mapping[str, Collection[str]] | None = None
            self._rules: str | None = None

    @property
    def labels(self) -> Mapping[str, Label]:
        """Every label that a categorizer of this library may answer with."""
        with self._lock:
            if self._labels is None:
                self._labels = self._host().labels
            return self._labels

    def label_of(self, text: str) -> str:
        """Return the label that ``text`` means: an id, a name or a synonym; else the id that it would be.

        Where two vocabularies disagree about a name or a synonym, the first one counts, but an id always means its label.
        Names in other languages count only for ``tags.languages``: a word of one language is often another in the next
        ("gift", "mode"), and nobody asked for its translation.
        """
        key = label_id(text)
        if key in self.labels:
            return key
        with self._lock:
            if self._words is None:
                # not those that were joined, which keep one name a language
                labels = [label for known in self._host().vocabularies.values() for label in known.labels]
                foreign: dict[str, str] = {}
                for label in labels:
                    for code, name in label.names.items():
                        if {code, code.partition("-")[0]} & set(self._settings.languages):
                            foreign.setdefault(label_id(name), label.id)
                self._words = foreign | synonyms_of(labels)
            return self._words.get(key, key)

    def named_by(self, text: str) -> frozenset[str]:
        """Return the labels that a search for ``text`` names, or would: as it stands, without an article, singular."""
        words = _ARTICLE.sub("", text.strip())
        return frozenset(
            self.label_of(form) for word in (text, words) for form in (word, *_singular(word)) if label_id(form)
        )

    @property
    def declines(self) -> Declines:
        """The labels that each categorizer said it cannot see, with the reason, when it was last loaded."""
        with self._lock:
            if self._declines is None:
                with self._catalogue.read() as connection:
                    stored = get_meta(connection, _DECLINES)
                self._declines = msgspec.json.decode(stored or "{}", type=dict[str, dict[str, str]])
            return self._declines

    def note_declines(self, loaded: Declines, *, among: Collection[str], store: bool = True) -> None:
        """Take what the categorizers that are loaded say by now; what the others ``among`` them said before stays.

        It is stored, unless ``store`` is False or the library is open for reading only.
        """
        known = {name: labels for name, labels in self.declines.items() if name in among}
        found = {name: labels for name, labels in {**known, **loaded}.items() if labels}
        if found == self.declines:
            return
        if store and not self._catalogue.readonly:
            with self._catalogue.write() as connection:
                set_meta(connection, _DECLINES, msgspec.json.encode(found).decode())
        with self._lock:
            self._declines, self._scopes, self._rules = found, None, None

    @property
    def scopes(self) -> Mapping[str, Collection[str]]:
        """The labels that each categorizer judges: its silence about one of them says something."""
        with self._lock:
            if self._scopes is None:
                self._scopes = {
                    categorizer: known.by_id.keys() - self.declines.get(categorizer, {}).keys()
                    for categorizer, known in self._host().vocabularies.items()
                }
            return self._scopes

    @property
    def rules(self) -> str:
        """A digest of all that decides, beside the reports and what people said, which tags an asset has."""
        with self._lock:
            if self._rules is None:
                labels = [(each.id, each.text, each.synonyms, each.parents) for each in self.labels.values()]
                scopes = [(name, sorted(scope)) for name, scope in self.scopes.items()]
                everything = ALGORITHM, self._settings, sorted(labels), sorted(scopes)
                self._rules = hashlib.sha256(msgspec.json.encode(everything, order="sorted")).hexdigest()[:16]
            return self._rules


def _singular(word: str) -> Iterator[str]:
    for ending, singular in _PLURALS:
        if word.endswith(ending) and len(word) > len(ending) + 2:
            yield word.removesuffix(ending) + singular


def unknown_label(name: str, known: Collection[str]) -> UnknownName:
    """Return the error for a label that nobody knows."""
    return UnknownName(f"no vocabulary, categorizer or person knows the label {name!r}; {advice(name, known)}")


def advice(name: str, known: Collection[str]) -> str:
    """Return what looks like a label that nobody knows, else what shows the ones that there are."""
    near = difflib.get_close_matches(label_id(name), known, n=3)
    return (
        f"did you mean {' or '.join(near)}?" if near else "`opsin tags` and `opsin vocabulary show` list those that are"
    )
