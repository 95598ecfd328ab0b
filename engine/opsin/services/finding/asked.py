"""What people ask with: the asset that a name means, and the parts of a query that words and examples make."""

from __future__ import annotations

from collections.abc import Sequence

from opsin.catalogue import assets
from opsin.catalogue.assets import AssetRow
from opsin.errors import SourceUnavailable, UnknownName
from opsin.intake.source import path_location
from opsin.services.base import checked
from opsin.services.base.workspace import Workspace
from opsin.services.finding.query import Part, one_asset
from opsin.services.looking.given import Address, Picture, Upload, example_of, existing_path

Example = Picture | tuple[Picture, float]


def asset_named(workspace: Workspace, name: str) -> AssetRow:
    """Return the asset of a path, an id, the beginning of an id, an address or a file's name.

    :raises UnknownName: where there is none, or several.
    """
    with workspace.catalogue.read() as connection:
        path = existing_path(name)
        here = assets.at_location(connection, path_location(path)) if path is not None else None
        return here or one_asset(assets.resolve(connection, name), name)


def asset_called(workspace: Workspace, public_id: str) -> AssetRow:
    """Return the asset that has this public id.

    :raises UnknownName: where there is none.
    """
    with workspace.catalogue.read() as connection:
        found = assets.by_public_id(connection, checked.text(public_id, "public_id"))
    if found is None:
        msg = f"no asset has the public_id {public_id!r}"
        raise UnknownName(msg)
    return found


def parts(workspace: Workspace, text: str | None, like: Sequence[Example], without: Sequence[str]) -> tuple[Part, ...]:
    """Return the parts of a query: words, examples, and words that push away at half the weight."""
    words = [Part("text", text)] if text is not None else []
    away = [Part("text", each, -0.5) for each in checked.texts(without, "without")]
    return (*words, *(_example(workspace, entry) for entry in like), *away)


def _example(workspace: Workspace, entry: Example) -> Part:
    picture, weight = entry if isinstance(entry, tuple) else (entry, 1.0)
    if isinstance(picture, Upload):
        picture = picture.data
    if isinstance(picture, bytes | Address):
        return Part("picture", picture, weight)
    here = existing_path(picture) is not None
    if not here:
        with workspace.catalogue.read() as connection:
            known = assets.resolve(connection, str(picture))
        if known:
            return Part("asset", one_asset(known, str(picture)).id, weight)
    source = example_of(picture, workspace.settings)
    try:
        return Part("picture", source.read(workspace.settings.decode.max_bytes), weight)
    except SourceUnavailable as error:
        if here or ":" in str(picture):  # a file that cannot be read, or an address
            raise
        msg = f"{str(picture)!r} is neither a file here nor an asset of this library"
        raise UnknownName(msg) from error
