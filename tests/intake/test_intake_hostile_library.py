"""Hostile pictures through the whole of `library.add`: each is answered, within time and memory, and leaves nothing."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import opsin

if TYPE_CHECKING:
    from tests.conftest import MakeLibrary
    from tests.intake.intake_pictures import (
        encode,
        jpeg_with_scans,
        jpeg_with_size,
        lying_apng,
        photo,
        png_chunk,
        png_header,
    )
else:
    from intake_pictures import encode, jpeg_with_scans, jpeg_with_size, lying_apng, photo, png_chunk, png_header

MARKER = b"POLYGLOT-MARKER"
CANARY = "EVIL_CANARY_*"
DECODING = "\n[plugins.objects]\nenabled = false\n\n[decode]\ntimeout = 10\nmax_memory = 1_073_741_824\nworkers = 2\n"
WORKERS_AT_MOST = 2 * 1024 + 256
"""MiB: both workers at their limit, and what they need before the first picture."""
GROWTH_AT_MOST = 512
"""MiB, of this process: what is on its way through the queues, and the models' tables."""
SECONDS_AT_MOST = 240
"""A file takes up to 10 s by the setting above; all together some 15 s on two idle cores."""


@dataclass
class Memory:
    """What a process and its children hold at most while this looks, in MiB of PSS."""

    own: int = 0
    children: int = 0

    def look(self) -> None:
        children = 0
        for task in Path("/proc/self/task").iterdir():
            with contextlib.suppress(OSError):  # a thread or child that has just ended
                for child in (task / "children").read_text().split():
                    with contextlib.suppress(OSError):
                        children += pss(child)
        self.own = max(self.own, pss("self"))
        self.children = max(self.children, children)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        ended = threading.Event()

        def go_on() -> None:
            while not ended.wait(0.02):
                self.look()

        thread = threading.Thread(target=go_on)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def pss(process: str) -> int:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) // 1024


@pytest.fixture
def discard_port() -> Iterator[list[str]]:
    """Listen on 127.0.0.1:9, whom some files want to be called; return who called."""
    callers: list[str] = []
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", 9))
        except PermissionError:
            # Without the right to listen there, nobody would hear a call; the trace of system calls in
            # tests/test_nothing_phones_home.py sees those to other machines only.
            yield callers
            return
        listener.listen(16)
        listener.setblocking(False)
        yield callers
        with contextlib.suppress(BlockingIOError):
            while True:
                connection, address = listener.accept()
                connection.close()
                callers.append(str(address))


def answers(library: opsin.Library, files: Sequence[Path]) -> dict[Path, opsin.Added]:
    begun = time.monotonic()
    found = list(library.add_each(*files, copy=True))
    assert time.monotonic() - begun < SECONDS_AT_MOST
    assert len(found) == len(files), "a file has no answer"
    return dict(zip(files, found, strict=True))


def verdict(answer: opsin.Added) -> str:
    """Return accept or reject; anything else is neither a picture's fault nor right."""
    if answer.problem is None:
        assert answer.status in {"added", "known"}, answer
        return "accept"
    assert answer.status == "refused", answer
    assert answer.problem.message
    return "reject"


def check(library: opsin.Library, files: Sequence[Path], callers: list[str]) -> dict[Path, str]:
    """Add the files; return the verdicts, after a look at memory, at derived files and at canaries."""
    memory = Memory()
    memory.look()
    before = memory.own
    with memory.watched():
        found = answers(library, files)
        for answer in found.values():
            if answer.id is not None:
                preview = library.preview(str(answer.id), width=400)
                assert MARKER not in preview, answer.source
    assert memory.children <= WORKERS_AT_MOST
    assert memory.own - before <= GROWTH_AT_MOST
    derived = [path for path in library.path.rglob("*") if path.is_file() and "blobs" not in path.parts]
    assert any("previews" in path.parts for path in derived)
    assert [path for path in derived if MARKER in path.read_bytes()] == []
    cache = Path(os.environ["OPSIN_CACHE"])
    for folder in (library.path, cache):
        assert list(folder.rglob(CANARY)) == []
    for folder in (
        Path(tempfile.gettempdir()),
        Path("/tmp"),
        Path.cwd(),
        Path.home(),
        Path(tempfile.gettempdir()).parent,
    ):
        assert list(folder.glob(CANARY)) == []
    assert callers == []
    return {path: verdict(answer) for path, answer in found.items()}


@pytest.fixture
def small_set(tmp_path: Path) -> dict[Path, str]:
    """Return a small set of the same kinds, made here, with what is to become of each."""
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
    folder = tmp_path / "hostile"
    folder.mkdir()
    expected = {}
    for what, files in kinds.items():
        for name, data in files.items():
            (folder / name).write_bytes(data)
            expected[folder / name] = what
    return expected


def test_hostile_pictures_made_here_are_answered_and_leave_nothing(
    make_library: MakeLibrary, small_set: dict[Path, str], discard_port: list[str]
) -> None:
    library = make_library(settings=DECODING, vocabularies=())
    assert check(library, list(small_set), discard_port) == small_set
    again = make_library("again", settings=DECODING, vocabularies=())
    assert {path: verdict(answer) for path, answer in answers(again, list(small_set)).items()} == small_set


def test_all_hostile_pictures_are_answered_within_time_and_memory_and_leave_nothing(
    make_library: MakeLibrary, shared_data: Path, discard_port: list[str]
) -> None:
    root = shared_data / "hostile"
    entries = {root / entry["file"]: entry for entry in json.loads((root / "manifest.json").read_text("utf-8"))}
    files = [path for path in entries if entries[path]["expected"] != "n/a"]  # that one lists names, and is no picture
    assert len(files) > 1000
    found = check(make_library(settings=DECODING, vocabularies=()), files, discard_port)
    firm = {path: entries[path]["expected"] for path in files if entries[path]["source"] == "generated"}
    wrong = {path.name: found[path] for path, expected in firm.items() if expected not in ("either", found[path])}
    assert wrong == {}
    again = make_library("again", settings=DECODING, vocabularies=())
    assert {path: verdict(answer) for path, answer in answers(again, files).items()} == found
