"""The vocabularies that Opsin ships: one TOML file each, in this folder."""

from importlib.resources import files

from opsin import Vocabulary, read_vocabulary


def shipped() -> list[Vocabulary]:
    """Return the vocabularies of this folder, sorted by file name."""
    found = sorted((entry for entry in files(__name__).iterdir() if entry.name.endswith(".toml")), key=lambda e: e.name)
    return [read_vocabulary(entry.read_text("utf-8"), origin=entry.name) for entry in found]
