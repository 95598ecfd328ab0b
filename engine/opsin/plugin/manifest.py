"""What a plugin and an encoder say about themselves before anything is loaded."""

from __future__ import annotations

from typing import Literal

import msgspec

API_VERSION = 1


class Requirement(msgspec.Struct, frozen=True):
    """An importable module, and what to ``pip install`` where it is missing."""

    module: str
    install: str


class NoConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of a plugin that has none."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Who a plugin is.

    ``config`` is a msgspec Struct type, filled from ``[plugins.<name>]`` of opsin.toml; unknown keys are refused
    where the Struct has ``forbid_unknown_fields=True``. ``isolate`` is the default for running the plugin's objects
    in a child process; None means: isolated unless the plugin is one of Opsin's own.
    """

    name: str
    summary: str
    api: int = API_VERSION
    config: type[msgspec.Struct] = NoConfig
    requires: tuple[Requirement, ...] = ()
    isolate: bool | None = None


class EncoderCard(msgspec.Struct, frozen=True, kw_only=True):
    """What `opsin encoders` shows of an encoder without loading it.

    ``size`` is the weights' size in bytes; ``speed`` is images per second on the machine described in
    ``measured_on``, or None where nobody measured. ``licence`` is that of the weights; ``commercial`` is False where
    it forbids commercial use. ``install`` is the command that fetches the weights where ``installed`` is False.
    """

    name: str
    summary: str
    dim: int
    size: int
    licence: str
    licence_url: str
    commercial: bool
    languages: tuple[str, ...]
    installed: bool
    install: str = ""
    default: bool = False
    speed: float | None = None
    measured_on: str = ""
    runtime: Literal["openvino", "torch", "numpy"] = "openvino"
