"""Builds one object of a plugin, again or in another process, from the few words that name it."""

from __future__ import annotations

import msgspec

from opsin.errors import PluginError
from opsin.host.discovery import Plugin
from opsin.host.local import PluginObject, check_object, object_name
from opsin.host.values import ObjectKind
from opsin.model import Vocabulary


class Recipe(msgspec.Struct, frozen=True):
    """Names an object: its kind, the name that it was asked by, and the vocabularies that its hook was given."""

    kind: ObjectKind
    name: str
    vocabularies: tuple[Vocabulary, ...] = ()


def build(plugin: Plugin, recipe: Recipe) -> PluginObject:
    """Build the object from ``plugin``'s hooks.

    :raises PluginError: where a hook fails or no longer returns it.
    :raises ContractBroken: where its attributes break the contract.
    """
    if recipe.kind == "encoder":
        encoder = plugin.hook("opsin_encoder", name=recipe.name)
        if encoder is not None:
            return check_object("encoder", encoder)
    elif recipe.kind == "extractor":
        for item in plugin.sequence("opsin_extractors"):
            if object_name(extractor := check_object("extractor", item)) == recipe.name:
                return extractor
    else:
        for item in plugin.sequence("opsin_categorizers", vocabularies=recipe.vocabularies):
            if object_name(categorizer := check_object("categorizer", item)) == recipe.name:
                return categorizer
    msg = f"the plugin {plugin.name!r} no longer has the {recipe.kind} {recipe.name!r}"
    raise PluginError(msg)
