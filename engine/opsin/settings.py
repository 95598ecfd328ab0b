"""What can be set, where it comes from, and the only place that reads the environment.

Settings come from ``opsin.toml`` in the library's folder; ``OPSIN_HOME`` names the library, ``OPSIN_CACHE`` the
cache folder, ``OPSIN_RUNTIME`` forces the runtime of networks.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from opsin.errors import SettingError

MIB = 1024 * 1024

Positive = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]


class DecodeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits on one picture, and the processes that decode (0: one for each core).

    Bytes of the file, pixels of a frame, frames looked at, frames x pixels, bytes of memory, scans of a JPEG, seconds.
    """

    max_bytes: Positive = 100 * MIB
    max_pixels: Positive = 100_000_000
    max_frames: Positive = 16
    max_total_pixels: Positive = 400_000_000
    max_memory: Positive = 1024 * MIB
    max_scans: Positive = 500
    timeout: Seconds = 20.0
    workers: Annotated[int, msgspec.Meta(ge=0)] = 0


class HostSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the host drives plugin objects. Times in seconds, sizes in items; 0 threads means all cores.

    ``extra_plugins`` names importable modules that are plugins without being installed as such.
    """

    batch: Positive = 16
    queue: Positive = 256
    deadline: Seconds = 60.0
    load_deadline: Seconds = 600.0
    threads: Annotated[int, msgspec.Meta(ge=0)] = 0
    runtime: Literal["auto", "openvino", "torch"] = "auto"
    precision: Literal["auto", "bf16", "f32"] = "auto"
    extra_plugins: tuple[str, ...] = ()


class TagSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a label becomes a tag: its fused score is higher than ``threshold``, or than its own entry in ``labels``."""

    threshold: float = 0.5
    labels: Mapping[str, float] = {}


class UrlSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which addresses may be fetched. Times in seconds."""

    allow_private: bool = False
    timeout: float = 30.0
    max_redirects: int = 3


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that can be set in ``opsin.toml``."""

    decode: DecodeSettings = DecodeSettings()
    host: HostSettings = HostSettings()
    tags: TagSettings = TagSettings()
    urls: UrlSettings = UrlSettings()
    plugins: Mapping[str, Mapping[str, Any]] = {}


def load_settings(path: Path) -> Settings:
    """Read ``path`` (TOML); a missing file means the defaults. The environment's ``OPSIN_RUNTIME`` wins.

    :raises SettingError: naming the file and the key that cannot be used.
    """
    try:
        values = tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
        if runtime := os.environ.get("OPSIN_RUNTIME"):
            values.setdefault("host", {})["runtime"] = runtime
        return msgspec.convert(values, Settings)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path} is not valid TOML: {error}"
        raise SettingError(msg) from error
    except msgspec.ValidationError as error:
        msg = f"{path}: {error}"
        raise SettingError(msg) from error
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror or error}"
        raise SettingError(msg) from error


def default_library() -> Path:
    """Return where the library is when nobody says: ``OPSIN_HOME``, else ./opsin-library."""
    return Path(os.environ.get("OPSIN_HOME") or "opsin-library")


def cache_folder() -> Path:
    """Return the folder for things that can be made again: ``OPSIN_CACHE``, else the user's cache folder."""
    if given := os.environ.get("OPSIN_CACHE"):
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "opsin"
