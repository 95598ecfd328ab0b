"""What an encoder's name says: which model, and where its weights come from."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import msgspec

from opsin.errors import UnknownName

FAMILY = "open_clip"
DEFAULT_MODEL, DEFAULT_TAG = "ViT-B-32", "datacomp_xl_s13b_b90k"
FORMS = (
    "open_clip:MODEL/TAG, open_clip:MODEL@/path/to/checkpoint, open_clip:local-dir:/path/to/folder or "
    "open_clip:hf-hub:OWNER/REPOSITORY"
)


class Source(msgspec.Struct, frozen=True):
    """A parsed name.

    ``kind``: "tag" (``model`` and one of its pretrained tags, ``detail``), "file" (``model`` and a checkpoint's path),
    "folder" (an open_clip folder with open_clip_config.json; ``detail`` is its path), "hub" (a repository).
    """

    name: str
    kind: Literal["tag", "file", "folder", "hub"]
    model: str
    detail: str

    @property
    def digest(self) -> str:
        """Sixteen hex digits that stand for the name in file names."""
        return hashlib.sha256(self.name.encode()).hexdigest()[:16]


def parse(name: str) -> Source:
    """Read an encoder's name; ``open_clip`` alone is the default model. Relative paths become absolute.

    :raises UnknownName: where the name has none of the known forms.
    """
    rest = name.partition(":")[2]
    if name == FAMILY or not rest:
        return _tag(DEFAULT_MODEL, DEFAULT_TAG)
    if rest.startswith("local-dir:"):
        folder = _absolute(rest.removeprefix("local-dir:"))
        return Source(f"{FAMILY}:local-dir:{folder}", "folder", folder.name, str(folder))
    if rest.startswith("hf-hub:"):
        repository = rest.removeprefix("hf-hub:")
        if repository.count("/") != 1:
            msg = f"{name!r}: a repository is written OWNER/REPOSITORY"
            raise UnknownName(msg)
        return Source(f"{FAMILY}:hf-hub:{repository}", "hub", repository, repository)
    model, at, path = rest.partition("@")
    if at:
        checkpoint = _absolute(path)
        return Source(f"{FAMILY}:{model}@{checkpoint}", "file", model, str(checkpoint))
    model, slash, tag = rest.partition("/")
    if not (model and slash and tag) or "/" in tag:
        msg = f"{name!r} is not the name of an encoder: write {FORMS}"
        raise UnknownName(msg)
    return _tag(model, tag)


def _tag(model: str, tag: str) -> Source:
    return Source(f"{FAMILY}:{model}/{tag}", "tag", model, tag)


def _absolute(path: str) -> Path:
    return Path(path).expanduser().absolute()
