"""`opsin encoders install` against a hub on this machine: what it fetches is all that init, add and search need later."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import opsin
from opsin.testing import jpeg_bytes, make_picture

NAME = "open_clip:hf-hub:opsin/tiny"
MAIN = "import sys; sys.argv = ['opsin', *{arguments!r}]; from opsin.cli import main; main()"
COMMIT = "1234567890123456789012345678901234567890"


@dataclass
class Hub:
    """Serves the files of one repository as the Hugging Face hub does, and notes what was fetched whole."""

    files: Mapping[str, bytes]
    address: str = ""
    fetched: list[str] = field(default_factory=list)

    def answer(self, request: BaseHTTPRequestHandler, *, whole: bool) -> None:
        """Answer a request for a file: its commit, its checksum, and, where ``whole``, its bytes."""
        name = request.path.partition("/opsin/tiny/resolve/main/")[2]
        data = self.files.get(name)
        if data is None:
            request.send_response(404)
            known = request.path.startswith("/opsin/tiny/")
            request.send_header("X-Error-Code", "EntryNotFound" if known else "RepoNotFound")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        request.send_response(200)
        request.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        request.send_header("X-Repo-Commit", COMMIT)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        if whole:
            self.fetched.append(name)
            request.wfile.write(data)


@pytest.fixture
def hub(tiny: Path) -> Iterator[Hub]:
    here = Hub({path.name: path.read_bytes() for path in tiny.iterdir() if path.name.startswith("open_clip_")})

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            here.answer(self, whole=False)

        def do_GET(self) -> None:
            here.answer(self, whole=True)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    here.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever).start()
    yield here
    server.shutdown()
    server.server_close()


def run(home: Path, endpoint: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command as a person would whose hub is ``endpoint`` and whose cache is below ``home``."""
    environment = {"HF_HOME": str(home), "HF_ENDPOINT": endpoint}
    command = [sys.executable, "-c", MAIN.format(arguments=[str(each) for each in arguments])]
    environment = os.environ | environment
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=200)


def test_what_was_installed_serves_without_the_hub(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(tmp_path, hub.address, "encoders", "install", NAME)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(hub.fetched) == ["open_clip_config.json", "open_clip_model.safetensors"]
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    home = tmp_path / "library"
    home.mkdir()
    (home / "opsin.toml").write_text("plugins.objects.enabled = false\n", "utf-8")
    with opsin.init(home, encoder=NAME, vocabularies=()) as library:
        library.add(jpeg_bytes(make_picture("red", "circle", 96)), jpeg_bytes(make_picture("blue", "square", 96)))
        assert len(library.search("a red circle").hits) == 2


def test_a_model_that_the_hub_does_not_have_and_a_hub_that_is_not_there_are_said(hub: Hub, tmp_path: Path) -> None:
    unknown = run(tmp_path, hub.address, "encoders", "install", "open_clip:hf-hub:opsin/other")
    assert unknown.returncode == 5
    assert "opsin/other could not be downloaded" in unknown.stderr
    assert "Traceback" not in unknown.stderr
    gone = run(tmp_path, "http://127.0.0.1:9", "encoders", "install", NAME)
    assert gone.returncode == 5
    assert "http://127.0.0.1:9 does not answer" in gone.stderr
    assert hub.fetched == []
