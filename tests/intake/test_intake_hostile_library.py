"""Hostile pictures through the whole of `library.add`: each is answered, within time and memory, and leaves nothing."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import opsin
from opsin import View
from opsin.errors import Refused
from opsin.intake.decode import Decoder

if TYPE_CHECKING:
    from tests.conftest import MakeLibrary
    from tests.hostile import (
        DECODED,
        DECODING,
        MARKER,
        WORKERS_AT_MOST,
        Memory,
        left_by_hostile_pictures,
        shared_set,
        small_set,
    )
else:
    from hostile import (
        DECODED,
        DECODING,
        MARKER,
        WORKERS_AT_MOST,
        Memory,
        left_by_hostile_pictures,
        shared_set,
        small_set,
    )

GROWTH_AT_MOST = 512
"""MiB, of this process: what is on its way through the queues, and the models' tables."""
SECONDS_AT_MOST = 240
"""All together take some 15 s on two idle cores."""


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


def decoded(decoder: Decoder, files: Sequence[Path]) -> Iterator[str]:
    """Yield what the decoder says of each, for an encoder that takes a view of the picture."""
    for future in [decoder.submit(path.read_bytes()) for path in files]:
        try:
            picture = future.result(SECONDS_AT_MOST)
        except Refused:
            yield "reject"
        else:
            assert picture.frames
            assert picture.width * picture.height > 0
            yield "accept"


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
    assert any(library.path.rglob("previews/**/*"))
    assert left_by_hostile_pictures(library.path) == []
    assert callers == []
    return {path: verdict(answer) for path, answer in found.items()}


def test_hostile_pictures_made_here_are_answered_and_leave_nothing(
    make_library: MakeLibrary, tmp_path: Path, discard_port: list[str]
) -> None:
    folder = tmp_path / "hostile"
    folder.mkdir()
    expected = {}
    for name, (data, what) in small_set().items():
        (folder / name).write_bytes(data)
        expected[folder / name] = what
    library = make_library(settings=DECODING, vocabularies=())
    assert check(library, list(expected), discard_port) == expected
    again = make_library("again", settings=DECODING, vocabularies=())
    assert {path: verdict(answer) for path, answer in answers(again, list(expected)).items()} == expected


def test_all_hostile_pictures_are_answered_within_time_and_memory_and_leave_nothing(
    make_library: MakeLibrary, shared_data: Path, discard_port: list[str]
) -> None:
    files, firm = shared_set(shared_data)
    assert len(files) > 1000
    found = check(make_library(settings=DECODING, vocabularies=()), files, discard_port)
    assert {path.name: found[path] for path in firm if found[path] != firm[path]} == {}
    with Decoder(DECODED, min_side=297, views=[View(297, 260)]) as decoder:
        assert dict(zip(files, decoded(decoder, files), strict=True)) == found, "the next time, or reduced to a view"
