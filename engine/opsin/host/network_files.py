"""The compiled networks in the cache folder: each is written whole or not at all, and checked when it is read."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import shutil
import tempfile
from pathlib import Path
from typing import Any

import msgspec

log = logging.getLogger(__name__)


class _Manifest(msgspec.Struct, frozen=True):
    """SHA-256 of the files of a compiled network, and the key that they stand for."""

    key: str
    xml: str
    bin: str


def write(ov: Any, model: Any, folder: Path, key: str) -> None:
    """Put the model into ``folder`` whole or not at all: written aside, then renamed. One that is whole there stays."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=".new-ir-", dir=folder.parent))
    try:
        ov.save_model(model, aside / "model.xml", compress_to_fp16=False)
        manifest = _Manifest(key, _sha256(aside / "model.xml"), _sha256(aside / "model.bin"))
        (aside / "manifest.json").write_bytes(msgspec.json.encode(manifest))
        with contextlib.suppress(OSError):
            if _is_whole(folder, key):
                log.debug("another process wrote %s first, and may be reading it", folder)
                return
        if folder.exists():
            old = Path(tempfile.mkdtemp(prefix=".old-ir-", dir=folder.parent))
            with contextlib.suppress(FileNotFoundError):
                folder.rename(old / "ir")
            shutil.rmtree(old, ignore_errors=True)
        try:
            aside.rename(folder)
        except OSError:
            if not folder.exists():
                raise
            log.debug("another process wrote %s first", folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def read(core: Any, folder: Path, key: str) -> Any:
    """Return the model in ``folder``, or None where it is missing, damaged or another one."""
    try:
        if _is_whole(folder, key):
            return core.read_model(folder / "model.xml")
        reason = "it is damaged"
    except FileNotFoundError:
        return None
    except (OSError, RuntimeError) as error:
        reason = str(error)
    log.warning("the compiled network in %s cannot be read (%s); it is made again", folder, reason)
    return None


def _is_whole(folder: Path, key: str) -> bool:
    """Return whether ``folder`` holds the model of ``key`` just as it was written.

    :raises OSError: where a file of it is missing or cannot be read.
    """
    said = (folder / "manifest.json").read_bytes()
    found = _Manifest(key, _sha256(folder / "model.xml"), _sha256(folder / "model.bin"))
    try:
        return msgspec.json.decode(said, type=_Manifest) == found
    except msgspec.MsgspecError:
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
