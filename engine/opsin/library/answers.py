"""What only a service answers, as it is said there and read by its client: pages of pictures, and whether it can work."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the service can look at pictures; ``missing`` says what it waits for.

    ``degraded`` names what is out of use of plugins (`opsin plugins` says why): what it would say of new pictures is
    unknown for now. ``unsaved`` vectors are newer than the snapshot of the index, written at ``saved_at``: after a crash they
    are taken from the catalogue again. Both are null until the models are loaded.

    Where several libraries are served, who has no key is told only whether the service is there for all: a library that
    cannot look at pictures is told of to who has a key of it. Why models cannot be loaded is told to admin keys.
    """

    ready: bool
    missing: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()
    unsaved: int | None = None
    saved_at: str | None = None


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """Where a preview is, relative to the service, and its size in pixels."""

    url: str
    width: int
    height: int


class Tile(msgspec.Struct, frozen=True, kw_only=True):
    """One picture of a page. ``text`` is what a screen reader says: the caption, else the name.

    ``previews`` are in the order of their widths, none wider or higher than asked for, nor larger than the picture.
    """

    id: str
    public_id: str | None
    name: str
    caption: str | None
    text: str
    owner: str | None
    width: int
    height: int
    taken_at: str | None
    added_at: str
    score: float
    previews: Sequence[Preview]
    original: str


class TagPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some of the ``total`` assets with a tag. ``cursor`` continues, null at the end."""

    label: str
    name: str
    assets: Sequence[Tile]
    cursor: str | None
    total: int
