"""The pool of decoding processes outlives pictures that crash, hang or eat memory, and loses no other one."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from opsin.errors import LibraryError, LimitExceeded, UnreadablePicture, UsageError
from opsin.intake.decode import Decoder
from opsin.intake.decoded import Decoded
from opsin.settings import DecodeSettings
from opsin.testing import jpeg_bytes, make_noise

if TYPE_CHECKING:
    from tests import odd_pictures as make
else:
    import odd_pictures as make

PATIENCE = 60.0


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail("waited in vain")
        time.sleep(0.01)


def worker_pid(decoder: Decoder) -> int:
    worker = decoder._lanes[0]._worker
    assert worker is not None
    return worker._process.pid


def picture(width: int) -> bytes:
    return make.encode(make.photo(width, 100), "PNG")


def frozen_with(decoder: Decoder, widths: list[int]) -> tuple[int, list[Future[Decoded]]]:
    """Stop the only worker and give it pictures; return its process and the futures."""
    decoder.submit(picture(100)).result(PATIENCE)
    pid = worker_pid(decoder)
    os.kill(pid, signal.SIGSTOP)
    futures = [decoder.submit(picture(width)) for width in widths]
    wait_until(lambda: len(decoder._lanes[0]._given) > 0)
    return pid, futures


def test_nothing_starts_before_the_first_picture() -> None:
    before = threading.active_count()
    with Decoder(DecodeSettings(), min_side=64) as decoder:
        assert threading.active_count() == before
        assert not decoder._lanes


def test_each_future_gets_its_own_picture_however_many_wait() -> None:
    widths = list(range(100, 180))
    with Decoder(DecodeSettings(workers=3, timeout=PATIENCE), min_side=64) as decoder:
        futures = [decoder.submit(picture(width)) for width in widths]
        assert [future.result(PATIENCE).width for future in futures] == widths


def test_threads_may_share_a_decoder() -> None:
    seen: list[int] = []
    with Decoder(DecodeSettings(workers=2, timeout=PATIENCE), min_side=64) as decoder:

        def work(base: int) -> None:
            seen.extend(decoder.submit(picture(base + n)).result(PATIENCE).width for n in range(10))

        threads = [threading.Thread(target=work, args=(100 + 10 * n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(seen) == list(range(100, 140))


def test_a_crash_refuses_only_the_picture_that_was_being_decoded() -> None:
    with Decoder(DecodeSettings(workers=1, timeout=PATIENCE), min_side=64) as decoder:
        pid, futures = frozen_with(decoder, [101, 102, 103])
        os.kill(pid, signal.SIGSEGV)
        os.kill(pid, signal.SIGCONT)
        with pytest.raises(UnreadablePicture, match="SIGSEGV"):
            futures[0].result(PATIENCE)
        assert [future.result(PATIENCE).width for future in futures[1:]] == [102, 103]


def test_a_worker_that_dies_between_pictures_harms_none() -> None:
    with Decoder(DecodeSettings(workers=1, timeout=PATIENCE), min_side=64) as decoder:
        decoder.submit(picture(100)).result(PATIENCE)
        worker = decoder._lanes[0]._worker
        assert worker is not None
        os.kill(worker._process.pid, signal.SIGKILL)
        worker._process.wait()
        assert decoder.submit(picture(101)).result(PATIENCE).width == 101


def test_a_picture_that_takes_too_long_is_refused_and_the_next_is_not() -> None:
    with Decoder(DecodeSettings(workers=1, timeout=3), min_side=64) as decoder:
        _, futures = frozen_with(decoder, [101, 102])
        with pytest.raises(LimitExceeded, match=r"decode\.timeout") as caught:
            futures[0].result(PATIENCE)
        assert caught.value.limit == "decode.timeout"
        assert futures[1].result(PATIENCE).width == 102


def test_a_worker_is_replaced_after_its_share_of_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opsin.intake.process.PICTURES", 5)
    pids: set[int] = set()
    with Decoder(DecodeSettings(workers=1, timeout=PATIENCE), min_side=64) as decoder:
        for width in range(100, 112):
            assert decoder.submit(picture(width)).result(PATIENCE).width == width
            if (worker := decoder._lanes[0]._worker) is not None:
                pids.add(worker._process.pid)
    assert len(pids) == 3


def test_closing_cancels_what_waits_and_leaves_no_process_thread_or_descriptor() -> None:
    before = threading.active_count(), descriptors()
    decoder = Decoder(DecodeSettings(workers=1, timeout=PATIENCE), min_side=64)
    pid, futures = frozen_with(decoder, [101] * 6)
    decoder.close()
    for future in futures:
        with pytest.raises(CancelledError):
            future.result(PATIENCE)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert (threading.active_count(), descriptors()) == before
    with pytest.raises(UsageError):
        decoder.submit(picture(100))
    decoder.close()


def test_killed_workers_leave_no_descriptor_behind() -> None:
    with Decoder(DecodeSettings(workers=1, timeout=PATIENCE), min_side=64) as decoder:
        decoder.submit(picture(100)).result(PATIENCE)
        before = descriptors()
        for _ in range(3):
            pid, futures = frozen_with(decoder, [101])
            os.kill(pid, signal.SIGKILL)
            with pytest.raises(UnreadablePicture):
                futures[0].result(PATIENCE)
        decoder.submit(picture(100)).result(PATIENCE)
        assert descriptors() == before


@pytest.mark.parametrize("room", [500, 60_000], ids=["for the file", "for its pixels"])
def test_a_slot_without_room_is_no_fault_of_the_picture_and_says_what_to_check(room: int) -> None:
    data = jpeg_bytes(make_noise(1, 200))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    assert 500 < len(data) < 60_000 < 200 * 200 * 3
    with Decoder(DecodeSettings(workers=1), min_side=200) as decoder:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
        try:
            with pytest.raises(LibraryError, match=r"File too large.*ulimit"):
                decoder.submit(data).result()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_future_that_was_cancelled_is_not_decoded() -> None:
    with Decoder(DecodeSettings(workers=1, timeout=PATIENCE), min_side=64) as decoder:
        pid, futures = frozen_with(decoder, [101, 102, 103, 104])
        assert futures[3].cancel()
        os.kill(pid, signal.SIGCONT)
        assert [future.result(PATIENCE).width for future in futures[:3]] == [101, 102, 103]
        assert decoder.submit(picture(105)).result(PATIENCE).width == 105


UNGUARDED = """
    import sys
    from opsin.intake.decode import Decoder
    from opsin.settings import DecodeSettings
    print("main runs")
    with Decoder(DecodeSettings(workers=1), min_side=64) as decoder:
        print(decoder.submit(open(sys.argv[1], "rb").read()).result().width)
"""


def test_a_script_without_a_main_guard_is_not_run_again_by_the_workers(tmp_path: Path) -> None:
    script, file = tmp_path / "script.py", tmp_path / "a.png"
    script.write_text(textwrap.dedent(UNGUARDED))
    file.write_bytes(picture(123))
    run = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", script, file], capture_output=True, text=True, check=True
    )
    assert run.stdout.split("\n") == ["main runs", "123", ""]
    assert run.stderr == ""


OWNER = """
    import sys, time
    from opsin.intake.decode import Decoder
    from opsin.settings import DecodeSettings
    decoder = Decoder(DecodeSettings(workers=1, timeout=600, max_scans=10**6, max_bytes=2**31), min_side=64)
    decoder.submit(open(sys.argv[1], "rb").read()).result()
    future = decoder.submit(open(sys.argv[2], "rb").read())
    while not decoder._lanes[0]._given and not future.done():
        time.sleep(0.01)
    time.sleep(0.5)
    print(decoder._lanes[0]._worker._process.pid, future.done(), flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("busy", [False, True])
def test_no_worker_outlives_an_owner_that_was_killed(tmp_path: Path, busy: bool) -> None:
    script, first, second = tmp_path / "script.py", tmp_path / "a.png", tmp_path / "b.jpg"
    script.write_text(textwrap.dedent(OWNER))
    first.write_bytes(picture(100))
    second.write_bytes(make.jpeg_with_scans(8_000, 2000, 1500) if busy else picture(100))
    before = shared_memory()
    with subprocess.Popen([sys.executable, script, first, second], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pid, done = owner.stdout.readline().split()
        assert done == str(not busy)
        owner.kill()
        owner.wait()
    wait_until(lambda: not runs(int(pid)))
    assert not {name for name in shared_memory() - before if "opsin" in name or "psm_" in name}


def shared_memory() -> set[str]:
    folder = Path("/dev/shm")
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def descriptors() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())


def runs(pid: int) -> bool:
    """Whether a process runs; one that ended but that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
