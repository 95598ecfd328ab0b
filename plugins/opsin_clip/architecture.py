"""Finds the description of an architecture (open_clip's JSON) without importing open_clip, which would import torch."""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from opsin.errors import PluginUnavailable, UnknownName
from opsin_clip.cache import cached
from opsin_clip.names import Source

_LIST = "python -c 'import open_clip; print(*open_clip.list_pretrained(), sep=chr(10))'"


class Architecture(msgspec.Struct, frozen=True):
    """``dim``: length of a vector; ``side``: side in pixels of the square picture that the model takes.

    ``model`` is open_clip's ``model_cfg``; ``preprocess`` is its ``preprocess_cfg`` where one stands beside it.
    """

    dim: int
    side: int
    model: Mapping[str, Any]
    preprocess: Mapping[str, Any] = {}

    @property
    def digest(self) -> str:
        text = json.dumps([self.model, self.preprocess], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def architecture(source: Source, extra: Sequence[str]) -> Architecture:
    """Return the architecture of ``source``. ``extra`` are the files and folders of the plugin's ``model_configs``.

    :raises UnknownName: where no model has this name. :raises PluginUnavailable: where its description is not here.
    """
    if source.kind == "folder":
        return _read(Path(source.detail) / "open_clip_config.json")
    if source.kind == "hub":
        found = cached(source.detail, "open_clip_config.json")
        if found is None:
            msg = f"{source.detail} is not on this machine: run `opsin encoders install {source.name}`"
            raise PluginUnavailable(msg)
        return _read(found)
    known = {path.stem: path for path in _shipped(extra)}
    if source.model in known:
        return _read(known[source.model])
    registered = _registered(source.model)
    if registered is not None:
        return _architecture(registered, source.model)
    near = difflib.get_close_matches(source.model, known, n=3, cutoff=0.4)
    told = f"open_clip knows no model {source.model!r}" + (f"; near: {', '.join(near)}" if near else "")
    msg = f"{told}. `opsin encoders` lists those that are recommended, `{_LIST}` all of them, each with its tags"
    raise UnknownName(msg)


def _shipped(extra: Sequence[str]) -> Iterator[Path]:
    spec = importlib.util.find_spec("open_clip")
    if spec is not None and spec.origin is not None:
        yield from sorted((Path(spec.origin).parent / "model_configs").glob("*.json"))
    for entry in extra:
        path = Path(entry).expanduser()
        yield from sorted(path.glob("*.json")) if path.is_dir() else [path]


def _registered(model: str) -> Mapping[str, Any] | None:
    """Return what a program that uses open_clip itself has told it with ``add_model_config``."""
    module = sys.modules.get("open_clip")
    config: Mapping[str, Any] | None = module.get_model_config(model) if module is not None else None
    return config


def _read(path: Path) -> Architecture:
    try:
        return _architecture(json.loads(path.read_text("utf-8")), str(path))
    except FileNotFoundError as error:
        msg = f"{path} does not exist: a folder of open_clip holds open_clip_config.json and the weights"
        raise PluginUnavailable(msg) from error
    except (OSError, ValueError) as error:
        msg = f"{path} cannot be read: {error}"
        raise PluginUnavailable(msg) from error


def _architecture(config: Mapping[str, Any], where: str) -> Architecture:
    model = config.get("model_cfg", config)
    try:
        dim = int(model["embed_dim"])
        side = model["vision_cfg"].get("image_size", 224)
    except (KeyError, TypeError, AttributeError) as error:
        msg = f"{where} does not describe a model of open_clip: {error!r} is missing"
        raise PluginUnavailable(msg) from error
    sides = {side} if isinstance(side, int) else set(side)
    if len(sides) != 1:
        msg = f"{where}: pictures of {side} are not square; Opsin encodes square pictures only"
        raise PluginUnavailable(msg)
    return Architecture(dim=dim, side=sides.pop(), model=model, preprocess=config.get("preprocess_cfg", {}))
