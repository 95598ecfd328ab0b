"""A plugin in its own process: it has the text encoder, its prints go nowhere, and it ends when the host ends."""

from __future__ import annotations

import fcntl
import io
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opsin.host import Host, wire
from opsin.testing import make_frame

MakeHost = Callable[..., Host]


def test_the_fakes_give_the_same_answers_in_a_child_process(make_host: MakeHost) -> None:
    here = make_host()
    there = make_host(plugins={"fake": {"isolate": True}})
    frames = [make_frame("red"), make_frame("blue", "ring")]
    first, second = here.submit(frames).result(60), there.submit(frames).result(60)
    assert [report.status for report in second.reports] == ["ok"]
    for one, other in zip(first.features, second.features, strict=True):
        np.testing.assert_array_equal(one["embedding"], other["embedding"])
    assert first.reports == second.reports
    assert there.revisions() == here.revisions()
    assert there.encoder.revision == "fake-1"
    np.testing.assert_array_equal(there.encoder.encode_texts(["red"]), here.encoder.encode_texts(["red"]))
    assert there.explain("fake", first.features[0], "red") == here.explain("fake", first.features[0], "red")
    fake = next(each for each in there.statuses() if each.name == "fake")
    assert fake.isolated
    assert [item.runtime for item in fake.objects] == ["numpy", ""]


def test_what_an_isolated_plugin_logs_reaches_the_hosts_log(
    make_host: MakeHost, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    with caplog.at_level(logging.WARNING):
        host = make_host(extra=(("misbehaving", "misbehaving_plugin"),))
        host.start()
    pid = (tmp_path / "cache" / "misbehaving" / "pids.txt").read_text().strip()
    assert f"loading in process {pid}" in caplog.text


HOST_THAT_IS_KILLED = """
import sys, time
sys.path[:] = {path}
from pathlib import Path
from opsin.host import Host
from opsin.settings import Settings
from opsin.testing import make_frame
off = {{name: {{"enabled": False}} for name in {built_in}}}
host = Host(
    Settings(plugins={{**off, "holding": {{}}}}),
    cache=Path({cache!r}),
    encoder="fake",
    plugins=[("fake", "opsin.testing.plugin"), ("holding", "holding_plugin")],
)
future = host.submit([make_frame()])
print("under way", flush=True)
future.result()
"""

HOLDING = """
import fcntl
from pathlib import Path
from opsin import Categorizer, Frames, Manifest, Matches, hookimpl

class Holding(Categorizer):
    id, revision, vocabulary, needs = "holding", "1", "any", Frames(min_side=1)

    def load(self, context):
        self.file = open(context.cache / "held", "w")
        fcntl.flock(self.file, fcntl.LOCK_EX)
        (context.cache / "holds").touch()

    def categorize(self, batch):
        import threading
        threading.Event().wait()

@hookimpl
def opsin_manifest():
    return Manifest(name="holding", summary="holds a lock for as long as its process lives")

@hookimpl
def opsin_categorizers(config):
    return [Holding()]
"""


def test_a_killed_host_leaves_no_process_behind(tmp_path: Path) -> None:
    (tmp_path / "holding_plugin.py").write_text(HOLDING)
    cache = tmp_path / "cache"
    built_in = ["starter", "open_clip", "zero_shot", "objects", "colors", "quality"]
    code = HOST_THAT_IS_KILLED.format(path=json.dumps([str(tmp_path), *sys.path]), built_in=built_in, cache=str(cache))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == b"under way\n"
        held = cache / "holding" / "holds"
        while not held.exists():
            assert host.poll() is None
        host.kill()
    with (cache / "holding" / "held").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # waits for the end of the process that holds it


@pytest.mark.parametrize(
    "message",
    [
        {"op": "run", "payloads": [1, "two", None, 3.5, [True]]},
        {"array": np.arange(12, dtype=np.uint8).reshape(2, 2, 3)},
        {"array": np.zeros((0, 5), np.float32)},
        {"arrays": [np.array([1.5], np.float16), np.array(3.0), np.arange(6).reshape(2, 3).T]},
    ],
)
def test_messages_arrive_as_they_were_sent(message: dict[str, Any]) -> None:
    stream = io.BytesIO()
    wire.send(stream, message)
    stream.seek(0)
    np.testing.assert_equal(wire.receive(stream), message)


def test_numpy_numbers_arrive_as_plain_ones() -> None:
    stream = io.BytesIO()
    wire.send(stream, {"score": np.float32(0.5), "count": np.int64(3)})
    stream.seek(0)
    received: Mapping[str, Any] = wire.receive(stream)
    assert received == {"score": 0.5, "count": 3}


@pytest.mark.parametrize("value", [object(), np.array([object()])])
def test_what_has_no_plain_form_is_not_sent(value: object) -> None:
    with pytest.raises(TypeError, match="cannot be sent"):
        wire.send(io.BytesIO(), {"value": value})


@pytest.mark.parametrize(
    "data", [b"", b"hello, this is a print statement", b"opsn" + b"\xff" * 12, b"opsn" + bytes(12)]
)
def test_what_is_not_a_message_is_refused(data: bytes) -> None:
    with pytest.raises(wire.BrokenWireError):
        wire.receive(io.BytesIO(data))
