"""Hostile pictures: where they are, what is to become of each, and what nothing may hold that was made of them."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from opsin.settings import DecodeSettings

if TYPE_CHECKING:
    from tests.odd_pictures import (
        encode,
        jpeg_with_scans,
        jpeg_with_size,
        lying_apng,
        photo,
        png_chunk,
        png_header,
    )
else:
    from odd_pictures import encode, jpeg_with_scans, jpeg_with_size, lying_apng, photo, png_chunk, png_header

MARKER = b"POLYGLOT-MARKER"
CANARY = "EVIL_CANARY_*"
DECODED = DecodeSettings(timeout=60, max_memory=1 << 30, workers=2)
"""No file hangs, and the largest take 9 s on very busy cores: so no verdict depends on the time."""
DECODING = f"""
[plugins.objects]
enabled = false

[decode]
timeout = {DECODED.timeout}
max_memory = {DECODED.max_memory}
workers = {DECODED.workers}
"""
WORKERS_AT_MOST = 2 * 1024 + 256
"""MiB: both workers at their limit, and what they need before the first picture."""


@dataclass
class Memory:
    """What ``process`` and its children hold at most while this looks, in MiB of PSS.

    The kernel walks all pages to tell PSS, and counts RSS anyway: PSS is asked for when RSS is higher than ever before.
    """

    process: str = "self"
    own: int = 0
    children: int = 0
    _own_pages: int = 0
    _children_pages: int = 0

    def look(self) -> None:
        if (pages := resident(self.process)) > self._own_pages:
            self._own_pages = pages
            self.own = max(self.own, pss(self.process))
        children = [child for task in Path(f"/proc/{self.process}/task").iterdir() for child in children_of(task)]
        if (pages := sum(asked(resident, children))) > self._children_pages:
            self._children_pages = pages
            self.children = max(self.children, sum(asked(pss, children)))

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        ended = threading.Event()

        def go_on() -> None:
            while not ended.wait(0.05):
                self.look()

        thread = threading.Thread(target=go_on)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def children_of(task: Path) -> list[str]:
    with contextlib.suppress(OSError):  # a thread that has just ended
        return (task / "children").read_text().split()
    return []


def asked(what: Callable[[str], int], processes: Sequence[str]) -> Iterator[int]:
    for process in processes:
        with contextlib.suppress(OSError):  # it has just ended
            yield what(process)


def resident(process: str) -> int:
    return int(Path(f"/proc/{process}/statm").read_text().split()[1])


def pss(process: str) -> int:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) // 1024


def small_set() -> dict[str, tuple[bytes, str]]:
    """Return a small set of the same kinds, made here: bytes by name, and what is to become of each."""
    jpeg, png = encode(photo(), "JPEG"), encode(photo(), "PNG")
    comment = b"\xff\xfe" + (len(MARKER) + 2).to_bytes(2, "big") + MARKER
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="http://127.0.0.1:9/x"/></svg>'
    kinds = {
        "accept": {
            "whole.jpg": jpeg,
            "comment.jpg": jpeg[:2] + comment + jpeg[2:],
            "at-the-end.png": png + b"<?php " + MARKER,
            "private-chunk.png": png[:33] + png_chunk(b"prVt", MARKER) + png[33:],
            "disguised.png": encode(photo(64, 48), "GIF"),
            "lying-animation.png": lying_apng(2**31 - 1),
            "1x1.png": encode(photo(1, 1), "PNG"),
        },
        "reject": {
            "empty.jpg": b"",
            "magic.jpg": jpeg[:4],
            "truncated.jpg": jpeg[: len(jpeg) // 3],
            "truncated.png": png[: len(png) // 3],
            "not-a-picture.jpg": b"#!/bin/sh\ntouch /tmp/EVIL_CANARY_test\n",
            "drawing.png": svg,
            "huge.png": png_header(2**31 - 1, 2**31 - 1),
            "large.png": png_header(100_000, 100_000),
            "lying.jpg": jpeg_with_size(65_500, 65_500),
            "scans.jpg": jpeg_with_scans(600),
        },
    }
    return {name: (data, expected) for expected, files in kinds.items() for name, data in files.items()}


def shared_set(shared_data: Path) -> tuple[list[Path], dict[Path, str]]:
    """Return the hostile files of the shared data, and what is to become of those where that is firm."""
    root = shared_data / "hostile"
    entries = json.loads((root / "manifest.json").read_text("utf-8"))
    pictures = [entry for entry in entries if entry["expected"] != "n/a"]  # that one lists names, and is no picture
    firm = [entry for entry in pictures if entry["source"] == "generated" and entry["expected"] != "either"]
    return [root / entry["file"] for entry in pictures], {root / entry["file"]: entry["expected"] for entry in firm}


def left_by_hostile_pictures(library: Path) -> list[Path]:
    """Return what should not be there: files made of pictures with a marker inside, and canaries in any likely place."""
    derived = [path for path in library.rglob("*") if path.is_file() and "blobs" not in path.parts]
    found = [path for path in derived if MARKER in path.read_bytes()]
    for folder in (library, Path(os.environ["OPSIN_CACHE"])):
        found += folder.rglob(CANARY)
    temporary = Path(tempfile.gettempdir())
    for folder in {temporary, temporary.parent, Path("/tmp"), Path.cwd(), Path.home()}:
        found += folder.glob(CANARY)
    return found
