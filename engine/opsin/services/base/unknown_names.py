"""Finds what is set in opsin.toml and changes nothing, as the label or language that it names is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsin.services.base.meaning import Meaning, advice
from opsin.settings import Settings, placed

if TYPE_CHECKING:
    from opsin.host import Host


def unknown_names(settings: Settings, host: Host, meaning: Meaning) -> list[str]:
    """Return what has no effect, each with file, line and key. Labels are those of plugins in use; nothing is loaded."""
    return [*_labels(settings, host, meaning), *_languages(settings, host)]


def _labels(settings: Settings, host: Host, meaning: Meaning) -> list[str]:
    if len(host.vocabularies) < len(host.categorizers):  # one may answer with any label
        return []
    found = []
    for name in settings.tags.labels.keys() - meaning.labels.keys():
        label = meaning.label_of(name)
        hint = f"write {label}, which it means" if label in meaning.labels else advice(label, meaning.labels.keys())
        place = placed(settings.source, settings.origin, ("tags", "labels", name))
        found.append(f"{place}: tags.labels.{name}: no vocabulary or categorizer in use knows this label; {hint}")
    return sorted(found)


def _languages(settings: Settings, host: Host) -> list[str]:
    labels = [label for vocabulary in host.vocabularies.values() for label in vocabulary.labels]
    codes = {each for label in labels for code in label.names for each in (code, code.partition("-")[0])}
    place = placed(settings.source, settings.origin, ("tags", "languages"))
    known = ", ".join(sorted(codes)) or "none"
    return [
        f"{place}: tags.languages: no label of this library has a name in {language!r}; there are names in {known}"
        for language in settings.tags.languages
        if language not in codes
    ]
