"""`opsin serve`: one process owns the library, says where it is, and stops without losing anything."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from click.testing import CliRunner

import opsin
from opsin.cli.serving import serve as serve_command
from opsin.errors import LibraryBusy, LibraryMissing, UsageError
from opsin.testing import jpeg_bytes, make_picture
from opsin.web.server import listen
from opsin.web.tls import Certificate

if TYPE_CHECKING:
    from tests.conftest import Lacking
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
    assert service.process.status == 0
    with opsin.open(service.home) as library:
        assert (library.path / "index.opsin").is_file()
        assert not library.index.verify()


def test_ctrl_c_ends_it_as_a_service_manager_does(serve: Serve) -> None:
    service = serve()
    assert service.client.get("/v1/health/live").status_code == 200
    assert service.stop(signal.SIGINT)[-1]["event"] == "stopped"
    assert service.process.status == 0


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


def test_what_it_sends_does_not_wait_for_more() -> None:
    with listen("127.0.0.1", 0) as place, socket.create_connection(place.getsockname()):
        accepted, _ = place.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_connection_is_kept_for_longer_than_clients_keep_theirs(serve: Serve) -> None:
    service = serve()
    with closing(HTTPConnection(service.url.removeprefix("http://"))) as connection:
        connection.connect()
        connection.auto_open = 0  # it shall not connect anew
        for pause in (5.5, 0):  # httpx and uvicorn both keep one for 5 s where nobody says otherwise
            connection.request("GET", "/v1/health/live")
            assert connection.getresponse().read() == b'{"status":"live"}'
            time.sleep(pause)
    service.stop()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, lacking: Lacking) -> tuple[Path, Path]:
    """Return a certificate for localhost that was made just now, and its key."""
    if shutil.which("openssl") is None:
        lacking("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost"
    more = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run([*make.split(), *more], cwd=folder, check=True, capture_output=True)
    subprocess.run(["openssl", "genrsa", "-out", "other.pem", "2048"], cwd=folder, check=True, capture_output=True)
    encrypt = ["openssl", "pkey", "-in", "key.pem", "-aes256", "-passout", "pass:x", "-out", "locked.pem"]
    subprocess.run(encrypt, cwd=folder, check=True, capture_output=True)
    (folder / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    (folder / "cert.der").write_bytes(b"\x30\x82\xff\xff")
    return folder / "cert.pem", folder / "key.pem"


def test_it_speaks_https_with_a_certificate_and_its_key(serve: Serve, pair: tuple[Path, Path]) -> None:
    service = serve(None, "--tls-cert", str(pair[0]), "--tls-key", str(pair[1]))
    assert service.url.startswith("https://")
    with httpx.Client(verify=ssl.create_default_context(cafile=pair[0])) as client:
        assert client.get(f"{service.url}/v1/version", headers={"Origin": service.url}).status_code == 200
    with pytest.raises(httpx.ConnectError):
        service.client.get("/v1/version")
    service.stop()


@pytest.mark.parametrize(
    ("cert", "key", "told"),
    [
        ("nothing.pem", "key.pem", "No such file"),
        (".", "key.pem", "Is a directory"),
        ("cert.der", "key.pem", "openssl x509 -inform der"),
        ("cert.pem", "other.pem", "does not belong to the certificate"),
        ("cert.pem", "cert.pem", "its private key, both as PEM"),
        ("broken.pem", "key.pem", "both as PEM"),
        ("cert.pem", "locked.pem", "openssl pkey -in"),
    ],
)
def test_a_certificate_that_cannot_be_used_is_told_with_what_to_do(
    pair: tuple[Path, Path], cert: str, key: str, told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        Certificate(pair[0].with_name(cert) if cert != "." else pair[0].parent, pair[1].with_name(key)).check()


def test_a_certificate_without_its_key_is_wrong_usage() -> None:
    ran = CliRunner().invoke(serve_command, ["--tls-cert", "cert.pem"])
    assert ran.exit_code == 2
    assert "go together" in ran.output


def test_it_answers_what_is_under_way_writes_the_index_and_says_so_on_standard_error(serve: Serve) -> None:
    service = serve()
    service.wait_until_ready()
    host, port = service.url.removeprefix("http://").split(":")
    head = f"POST /v1/assets HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {service.key}\r\n"
    with socket.create_connection((host, int(port)), timeout=60) as line:
        line.sendall(f"{head}Content-Type: image/jpeg\r\nContent-Length: {len(RED)}\r\n\r\n".encode() + RED[:100])
        while service.client.get("/v1/version").status_code != 200:
            pass
        service.process.send(signal.SIGTERM)
        assert json.loads(service.process.wait_for_line(1)) == {"event": "stopping"}
        line.sendall(RED[100:])
        assert line.recv(1000).startswith(b"HTTP/1.1 201 ")
    service.stop()
    said = [json.loads(line)["message"] for line in (service.home / "log").read_text().splitlines()]
    steps = (
        "stopping: 1 request",
        "stopped listening: 0 requests",
        "the index is written to disk, complete up to row 1",
    )
    places = [next(place for place, message in enumerate(said) if step in message) for step in steps]
    assert places == sorted(places)


def test_a_library_is_made_at_the_first_start_where_that_is_asked_for(tmp_path: Path) -> None:
    home = tmp_path / "library"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        arguments = ["--library", str(home), "--port", str(taken.getsockname()[1])]
        assert isinstance(CliRunner().invoke(serve_command, arguments).exception, LibraryMissing)
        assert not home.exists()
        for _ in range(2):  # the second time it is opened
            assert isinstance(CliRunner().invoke(serve_command, [*arguments, "--init"]).exception, UsageError)
            assert (home / "admin.key").is_file()
