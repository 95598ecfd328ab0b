"""`opsin serve`: one process owns the library, says where it is, and stops without losing anything."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import opsin
from opsin.errors import LibraryBusy
from opsin.testing import jpeg_bytes, make_picture

if TYPE_CHECKING:
    from tests.web.conftest import Serve

RED = jpeg_bytes(make_picture("red", "square", 96))


def test_it_owns_the_library_says_where_it_is_and_stops_with_everything_written(serve: Serve) -> None:
    service = serve()
    assert service.url.startswith("http://127.0.0.1:")
    with pytest.raises(LibraryBusy):
        opsin.open(service.home)
    added = service.client.post("/v1/assets", files={"file": ("red.jpg", RED)})
    assert added.status_code == 201, added.text
    said = service.stop()
    assert [each["event"] for each in said] == ["stopping", "stopped"]
    assert service.process.returncode == 0
    with opsin.open(service.home) as library:
        assert (library.path / "index.opsin").is_file()
        assert not library.index.verify()


def test_ctrl_c_ends_it_as_a_service_manager_does(serve: Serve) -> None:
    service = serve()
    assert service.client.get("/v1/health/live").status_code == 200
    assert service.stop(signal.SIGINT)[-1]["event"] == "stopped"
    assert service.process.returncode == 0


def test_a_library_whose_keys_are_gone_gets_a_new_admin_key(serve: Serve) -> None:
    first = serve()
    first.stop()
    (first.home / "keys.json").unlink()
    again = serve(first.home)
    with again.client_with((first.home / "admin.key").read_text().strip()) as client:
        assert client.get("/v1/tags").status_code == 200
    assert again.client.get("/v1/tags").status_code in {200, 401}


def test_a_port_that_is_taken_is_one_sentence(serve: Serve) -> None:
    service = serve()
    service.stop()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        words = ["serve", "--library", str(service.home), "--port", str(taken.getsockname()[1])]
        code = f"import sys; sys.argv = ['opsin', *{words!r}]; from opsin.cli import main; main()"
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "choose another --port" in ran.stderr
    assert ran.stderr.count("\n") == 1
