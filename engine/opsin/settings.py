"""What can be set, where it comes from, and the only place that reads the environment.

Settings come from ``opsin.toml`` in the library's folder; ``OPSIN_HOME`` names the library, ``OPSIN_CACHE`` the
cache folder, ``OPSIN_RUNTIME`` forces the runtime of networks.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec

from opsin.errors import SettingError

MIB = 1024 * 1024

Amount = Annotated[int, msgspec.Meta(ge=1, le=2**48)]
"""Bytes or pixels."""
Items = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Workers = Annotated[int, msgspec.Meta(ge=0, le=1024)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=7 * 86_400)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Runtime = Literal["auto", "openvino", "torch"]


class DecodeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits on one picture, and the processes that decode (0: one for each core).

    Bytes of the file, pixels of a frame, frames looked at, frames x pixels, bytes of memory, scans of a JPEG, seconds.
    """

    max_bytes: Amount = 100 * MIB
    max_pixels: Amount = 100_000_000
    max_frames: Items = 16
    max_total_pixels: Amount = 400_000_000
    max_memory: Amount = 1024 * MIB
    max_scans: Items = 500
    timeout: Seconds = 20.0
    workers: Workers = 0


class HostSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the host drives plugin objects. Times in seconds, sizes in items; 0 threads means all cores.

    ``extra_plugins`` names importable modules that are plugins without being installed as such.
    """

    batch: Items = 16
    queue: Items = 256
    deadline: Seconds = 60.0
    load_deadline: Seconds = 600.0
    threads: Workers = 0
    runtime: Runtime = "auto"
    precision: Literal["auto", "bf16", "f32"] = "auto"
    extra_plugins: tuple[str, ...] = ()


class TagSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a label becomes a tag: its fused score is higher than ``threshold``, or than its own entry in ``labels``."""

    threshold: Share = 0.5
    labels: Mapping[str, Share] = {}


class UrlSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which addresses may be fetched. Times in seconds."""

    allow_private: bool = False
    timeout: Seconds = 30.0
    max_redirects: Annotated[int, msgspec.Meta(ge=0, le=100)] = 3


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that can be set in ``opsin.toml``."""

    decode: DecodeSettings = DecodeSettings()
    host: HostSettings = HostSettings()
    tags: TagSettings = TagSettings()
    urls: UrlSettings = UrlSettings()
    plugins: Mapping[str, Mapping[str, Any]] = {}


def load_settings(path: Path) -> Settings:
    """Read ``path`` (TOML); a missing file means the defaults. The environment's ``OPSIN_RUNTIME`` wins.

    :raises SettingError: naming the file and the key, or the variable, that cannot be used.
    """
    try:
        values = tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
        settings = msgspec.convert(values, Settings)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f"{path} is not valid TOML: {error}"
        raise SettingError(msg) from error
    except msgspec.ValidationError as error:
        msg = f"{path}: {error}; mend it, or take the key out"
        raise SettingError(msg) from error
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror or error}"
        raise SettingError(msg) from error
    return _with_environment(settings)


def _with_environment(settings: Settings) -> Settings:
    runtime: Any = os.environ.get("OPSIN_RUNTIME")
    if not runtime:
        return settings
    if runtime not in get_args(Runtime):
        msg = f"OPSIN_RUNTIME is {runtime!r}: set it to {', '.join(get_args(Runtime))}, or unset it"
        raise SettingError(msg)
    return msgspec.structs.replace(settings, host=msgspec.structs.replace(settings.host, runtime=runtime))


def default_library() -> Path:
    """Return where the library is when nobody says: ``OPSIN_HOME``, else ./opsin-library."""
    return Path(os.environ.get("OPSIN_HOME") or "opsin-library")


def cache_folder() -> Path:
    """Return the folder for things that can be made again: ``OPSIN_CACHE``, else the user's cache folder."""
    if given := os.environ.get("OPSIN_CACHE"):
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "opsin"
