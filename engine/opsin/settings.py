"""What can be set, where it comes from, and the only place that reads the environment.

Settings come from ``opsin.toml`` in the library's folder; ``OPSIN_HOME`` names the library, ``OPSIN_SERVER`` and
``OPSIN_KEY`` a service to ask instead, ``OPSIN_CACHE`` the cache folder, ``OPSIN_RUNTIME`` forces the runtime of networks.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
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
Addresses = Annotated[str, msgspec.Meta(pattern=r"^(\*|https?://[A-Za-z0-9._-]+(:\d{1,5})?(/[^?#\s\x00-\x1f]*)?)$")]
"""The beginning of web addresses, or "*" for all."""


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

    What is quarantined is tried again after ``backoff``, then after twice as long, and so on, up to ``longest_backoff``.
    ``extra_plugins`` names importable modules that are plugins without being installed as such.
    """

    batch: Items = 8
    queue: Items = 256
    deadline: Seconds = 60.0
    load_deadline: Seconds = 600.0
    backoff: Seconds = 30.0
    longest_backoff: Seconds = 900.0
    threads: Workers = 0
    runtime: Runtime = "auto"
    precision: Literal["auto", "bf16", "f32"] = "auto"
    extra_plugins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.longest_backoff < self.backoff:
            msg = f"longest_backoff ({self.longest_backoff:g}) is shorter than backoff ({self.backoff:g})"
            raise ValueError(msg)


class TagSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a label becomes a tag: its fused score is higher than ``threshold``, or than its own entry in ``labels``.

    ``languages`` are those in which a label's name means that label where a person writes it, beside ids and synonyms.
    """

    threshold: Share = 0.5
    labels: Mapping[str, Share] = {}
    languages: tuple[str, ...] = ()


class AssetSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What becomes of assets. ``undo``: seconds in which a deletion can be undone; then what was deleted is erased."""

    undo: Annotated[float, msgspec.Meta(ge=0, le=3650 * 86_400)] = 7 * 86_400.0


class UrlSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which addresses may be fetched. Times in seconds."""

    allow_private: bool = False
    timeout: Seconds = 30.0
    max_redirects: Annotated[int, msgspec.Meta(ge=0, le=100)] = 3


class ServeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the service answers. ``uploads``: requests with pictures, or large ones, at once; ``max_body``: bytes of one request.

    ``body_timeout``: seconds in which a head, and then a body, has to arrive; ``rate_limit``: requests a minute of one key,
    0 for any number.

    ``hosts`` are names that it may be called by, beside localhost and addresses in numbers; ``origins`` are other sites
    whose pages may ask it; ``urls`` are the beginnings of addresses from which it fetches pictures, "*" for any.
    """

    uploads: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 16
    max_body: Amount = 128 * MIB
    body_timeout: Seconds = 120.0
    rate_limit: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    urls: tuple[Addresses, ...] = ()


class WebhookSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How events go out. Times in seconds.

    A receiver has ``timeout`` to answer. An event that fails is sent again after ``backoff``, then after four times as
    long, and so on, up to a day, and given up after ``attempts``. A webhook of which nothing arrives for ``give_up`` is
    switched off. Events are kept for ``keep`` at most.
    """

    allow_private: bool = False
    timeout: Seconds = 10.0
    backoff: Seconds = 5.0
    attempts: Items = 10
    give_up: Seconds = 259_200.0
    keep: Seconds = 604_800.0


class JobSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For how many seconds a job is shown after it is over, and an export kept; how many may wait that add pictures."""

    keep: Seconds = 604_800.0
    waiting: Items = 1000


class ScheduleSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often, in seconds, a service looks whether something is to be erased, snapshot, swept or asked again."""

    erase: Seconds = 3600.0
    snapshot: Seconds = 3600.0
    sweep: Seconds = 86_400.0
    heal: Seconds = 600.0


class InsightSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether tags are told of by owner and in time, and which. ``days``: what was added before is left out.

    A tag counts where pictures of ``least`` different owners have it. Labels of ``groups``, the ``labels`` named, and what
    implies these are left out: what people are like, and what is moderated.
    """

    enabled: bool = False
    days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 365
    least: Annotated[int, msgspec.Meta(ge=2, le=1_000_000)] = 5
    groups: tuple[str, ...] = ("people",)
    labels: tuple[str, ...] = (
        *("nudity", "violence", "blood", "weapon", "smoking", "cigarette", "syringe", "medicine", "medical", "x_ray"),
        *("wheelchair", "stretcher", "neck_brace", "lingerie", "brassiere", "swimsuit", "bikini", "diaper"),
    )


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that can be set in ``opsin.toml``; ``source`` is the text that it came from, ``origin`` its file: no settings."""

    decode: DecodeSettings = DecodeSettings()
    host: HostSettings = HostSettings()
    tags: TagSettings = TagSettings()
    assets: AssetSettings = AssetSettings()
    urls: UrlSettings = UrlSettings()
    serve: ServeSettings = ServeSettings()
    webhooks: WebhookSettings = WebhookSettings()
    jobs: JobSettings = JobSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    insights: InsightSettings = InsightSettings()
    plugins: Mapping[str, Mapping[str, Any]] = {}
    source: str = ""
    origin: str = "opsin.toml"


def load_settings(path: Path) -> Settings:
    """Read ``path`` (TOML); a missing file means the defaults. The environment's ``OPSIN_RUNTIME`` wins.

    :raises SettingError: naming the file, the line and the key, or the variable, that cannot be used.
    """
    try:
        text = path.read_text("utf-8-sig") if path.exists() else ""  # Windows' Notepad writes a mark before the text
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path} cannot be read: {error}"
        raise SettingError(msg) from error
    values = parse_toml(text, str(path))
    for key in values.keys() & {"source", "origin"}:
        msg = f"{placed(text, str(path), (key,))}: {key}: there is no such key"
        raise SettingError(msg)
    try:
        settings = msgspec.convert(values, Settings)
    except msgspec.ValidationError as error:
        why = _wrong_share(values, text, str(path)) if "tags.labels[" in str(error) else refusal(error, text, str(path))
        msg = f"{why}; mend it, or take the key out"
        raise SettingError(msg) from error
    return _with_environment(msgspec.structs.replace(settings, source=text, origin=str(path)))


def _wrong_share(values: Mapping[str, Any], text: str, origin: str) -> str:
    """Return what is wrong with the first entry of ``tags.labels`` that is no share; msgspec does not name entries."""
    for label, share in values["tags"]["labels"].items():
        try:
            msgspec.convert(share, Share)
        except msgspec.ValidationError as error:
            return refusal(error, text, origin, within=("tags", "labels", label))
    return origin


_KEY = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_KEYS = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_PLACE = re.compile(rf"\s*(?:\[\[?\s*(?P<table>{_KEYS})\s*\]|(?P<key>{_KEYS})\s*=)")


def parse_toml(text: str, origin: str) -> dict[str, Any]:
    """Return the values of a TOML text; ``origin`` is what messages call it.

    :raises SettingError: naming the line.
    """
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        msg = f"{origin}: this is not valid TOML: it is nested too deeply"
        raise SettingError(msg) from error
    except tomllib.TOMLDecodeError as error:
        reason, _, place = str(error).rpartition(" (at ")
        found = re.match(r"line (\d+)", place)
        line = int(found[1]) if found else max(1, len(text.splitlines()))
        twice = ": is there something of that name already?" if "overwrite" in reason or "twice" in reason else ""
        msg = f"{origin}, line {line}: this is not valid TOML: {reason}{twice}"
        raise SettingError(msg) from error


def refusal(error: msgspec.ValidationError, text: str, origin: str, within: Sequence[str] = ()) -> str:
    """Return what is wrong, with file, line and key; ``within`` are the tables that lead to what was converted.

    What a Struct says of itself, in ``__post_init__``, may begin with the name of the field that it is about: ``"field: why"``.
    """
    message, _, path = str(error).partition(" - at ")
    steps = path[path.find("$") + 1 :].rstrip("`").replace("[...]", "") if "$" in path else ""
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", message):
        steps, message = f"{steps}.{unknown[1]}", "there is no such key"
    message = _plainly(message)
    if said := re.fullmatch(r"(\w+): (.*)", message, re.DOTALL):
        steps, message = f"{steps}.{said[1]}", said[2]
    keys = [*within, *re.findall(r"\.([^.\[\]]+)", steps)]
    if not keys:
        return f"{origin}: {message}"
    return f"{placed(text, origin, keys)}: {'.'.join(within)}{steps}: {message}".replace(": .", ": ")


_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}


def _plainly(message: str) -> str:
    """Return what msgspec says in words that do not come from JSON."""
    if missing := re.fullmatch(r"Object missing required field `(.*)`", message):
        return f"the key {missing[1]!r} is missing"
    if wrong := re.fullmatch(r"Expected `([^`]+)`(.*?)(?:, got `([^`]+)`)?", message, re.DOTALL):
        wanted, more, got = wrong.groups()
        return f"has to be {_named(wanted)}{more}" + (f", not {_named(got)}" if got else "")
    return message


def _named(types: str) -> str:
    return " or ".join(_TYPES.get(each, each) for each in types.split(" | ") if each != "null")


def placed(text: str, origin: str, keys: Sequence[str]) -> str:
    """Return ``origin`` with the line where ``keys`` stand in a TOML text, or the table that they belong to."""
    table: tuple[str, ...] = ()
    best, line, inside = 0, 0, False
    for number, each in enumerate(text.splitlines(), 1):
        inside ^= bool((each.count('"""') + each.count("'''")) % 2)
        if inside or (found := _PLACE.match(each)) is None:
            continue
        names = tuple(name.strip("\"'") for name in re.findall(_KEY, found["table"] or found["key"]))
        table, here = (names, names) if found["table"] else (table, (*table, *names))
        same = min(len(here), len(keys))
        if best < same and tuple(keys[:same]) == here[:same]:
            best, line = same, number
    return f"{origin}, line {line}" if line else origin


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


def default_service() -> tuple[str | None, str | None]:
    """Return which service is asked where nobody says, and with which key: ``OPSIN_SERVER`` and ``OPSIN_KEY``."""
    return os.environ.get("OPSIN_SERVER") or None, os.environ.get("OPSIN_KEY") or None


def cache_folder() -> Path:
    """Return the folder for things that can be made again: ``OPSIN_CACHE``, else the user's cache folder."""
    if given := os.environ.get("OPSIN_CACHE"):
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "opsin"
