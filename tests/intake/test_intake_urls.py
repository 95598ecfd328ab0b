"""Which addresses may be fetched, and that a redirect or a name cannot lead anywhere else."""

from __future__ import annotations

import gzip
import ssl
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

import httpcore
import pytest

from opsin.errors import LimitExceeded, SourceUnavailable
from opsin.intake.addresses import is_public
from opsin.intake.calls import parse
from opsin.intake.calls import resolve as ask_the_system
from opsin.intake.sources import expand
from opsin.intake.urls import Fetcher, is_allowed
from opsin.settings import Settings, UrlSettings

PUBLIC = "93.184.215.14"


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1"),
        *("192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1"),
        *(
            "240.0.0.1",
            "255.255.255.255",
            "192.88.99.1",
            "::",
            "::1",
            "fe80::1",
            "fe80::1%eth0",
            "fc00::1",
            "fd00:ec2::254",
        ),
        *(
            "ff02::1",
            "ff0e::1",
            "fec0::1",
            "2001:db8::1",
            "3fff::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
        ),
        *("64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:808:808::1"),
        *("2001:0:4136:e378:8000:63bf:3fff:fdd2", "100::1", "localhost", "1.2.3", ""),
    ],
)
def test_addresses_that_are_not_public_are_known(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", [PUBLIC, "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_are_known(address: str) -> None:
    assert is_public(address)


class Answers(BaseHTTPRequestHandler):
    """A web server that misbehaves by path."""

    def do_GET(self) -> None:
        seen(self.server).append((self.headers["Host"], self.path))
        action = getattr(self, "answer_" + self.path.strip("/").split("/")[0].split("?")[0], None)
        if action is None:
            self.send_error(404)
        else:
            action()

    def body(self, data: bytes, **headers: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", headers.get("length", str(len(data))))
        self.end_headers()
        self.wfile.write(data)

    def answer_ok(self) -> None:
        self.body(b"a picture")

    def answer_large(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"x" * 5000)

    def answer_announced(self) -> None:
        self.body(b"", length="999999999999")

    def answer_redirect(self) -> None:
        self.send_response(302)
        self.send_header("Location", self.path.partition("?")[2])
        self.send_header("Content-Length", "0")
        self.end_headers()

    def answer_endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"x" * 4096)
        except OSError:
            pass

    def answer_bomb(self) -> None:
        packed = gzip.compress(bytes(10_000_000))
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(packed)))
        self.end_headers()
        self.wfile.write(packed)

    def answer_loop(self) -> None:
        self.send_response(307)
        self.send_header("Location", "/loop")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def answer_drip(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            for _ in range(600):
                self.wfile.write(b"x")
                time.sleep(0.1)
        except OSError:
            pass

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.seen: list[tuple[str, str]] = []

    def handle_error(self, *_: object) -> None:
        """A client that hangs up early is part of the tests."""


def seen(server: object) -> list[tuple[str, str]]:
    assert isinstance(server, Server)
    return server.seen


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


class Detour(httpcore.NetworkBackend):
    """Remembers which address a connection was wanted to, and leads it to the test's server."""

    def __init__(self, port: int) -> None:
        self.wanted: list[tuple[str, int]] = []
        self._port = port

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        self.wanted.append((host, port))
        return httpcore.SyncBackend().connect_tcp("127.0.0.1", self._port, timeout=timeout)


class Names:
    """A name server that may change its mind: each question takes the next answer, the last one stays."""

    def __init__(self, answers: Mapping[str, Sequence[Sequence[str]]]) -> None:
        self._answers = {name: list(found) for name, found in answers.items()}
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        if host not in self._answers:
            if host.endswith(".example"):
                raise OSError("unknown name")
            return ask_the_system(host, port)  # a number in some spelling: no name server is asked
        answers = self._answers[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]


def fetcher(server: Server, names: Names, **settings: Any) -> tuple[Fetcher, Detour]:
    detour = Detour(server.server_address[1])
    return Fetcher(UrlSettings(**settings), resolve=names, backend=detour), detour


def test_the_connection_goes_to_the_address_that_was_checked_and_the_server_hears_the_name(server: Server) -> None:
    names = Names({"photos.example": [[PUBLIC], ["127.0.0.1"]]})
    fetch, detour = fetcher(server, names)
    assert fetch.fetch("http://photos.example/ok", 100) == b"a picture"
    assert names.asked == ["photos.example"]
    assert detour.wanted == [(PUBLIC, 80)]
    assert server.seen == [("photos.example", "/ok")]


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["10.0.0.1"], ["::1"], [PUBLIC, "192.168.0.1"], ["169.254.169.254"]]
)
def test_a_name_that_leads_inside_is_refused_before_any_connection(server: Server, addresses: list[str]) -> None:
    fetch, detour = fetcher(server, Names({"inside.example": [addresses]}))
    with pytest.raises(SourceUnavailable, match=r"not a public address.*urls\.allow_private"):
        fetch.fetch("http://inside.example/ok", 100)
    assert not detour.wanted


def test_every_redirect_is_checked_again(server: Server) -> None:
    names = Names({"photos.example": [[PUBLIC], ["127.0.0.1"]], "inside.example": [["10.0.0.1"]]})
    fetch, detour = fetcher(server, names)
    with pytest.raises(SourceUnavailable, match="not a public address"):
        fetch.fetch("http://photos.example/redirect?http://inside.example/ok", 100)
    assert detour.wanted == [(PUBLIC, 80)]
    # A second visit to the same name is resolved and checked anew.
    with pytest.raises(SourceUnavailable, match="not a public address"):
        fetch.fetch("http://photos.example/ok", 100)


def test_a_redirect_leads_to_the_picture(server: Server) -> None:
    fetch, detour = fetcher(server, Names({"photos.example": [[PUBLIC]], "cdn.example": [["8.8.8.8"]]}))
    assert fetch.fetch("http://photos.example/redirect?//cdn.example/ok", 100) == b"a picture"
    assert detour.wanted == [(PUBLIC, 80), ("8.8.8.8", 80)]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("loop", r"urls\.max_redirects"),
        ("redirect?file:///etc/passwd", "only http and https"),
        ("redirect?http://photos.example:22/", "port 22"),
        ("redirect?http://photos.example:70000/", "no port 70000"),
        ("redirect?http://ann:secret@photos.example/", "carries a user name"),
        ("redirect?ftp://photos.example/", "only http and https"),
        ("redirect?gopher://photos.example/", "only http and https"),
        ("redirect?data:image/png;base64,AAAA", "only http and https"),
        ("redirect?", "redirects to nowhere"),
        ("missing", "status 404"),
    ],
)
def test_what_does_not_lead_to_a_picture_is_refused_with_the_reason(server: Server, path: str, reason: str) -> None:
    fetch, _ = fetcher(server, Names({"photos.example": [[PUBLIC]]}))
    with pytest.raises(SourceUnavailable, match=reason):
        fetch.fetch(f"http://photos.example/{path}", 100)


@pytest.mark.parametrize("path", ["large", "announced", "endless"])
def test_a_body_larger_than_the_limit_is_not_read(server: Server, path: str) -> None:
    fetch, _ = fetcher(server, Names({"photos.example": [[PUBLIC]]}))
    with pytest.raises(LimitExceeded, match=r"decode\.max_bytes"):
        fetch.fetch(f"http://photos.example/{path}", 1000)


@pytest.mark.parametrize(
    "host",
    [
        *("10.0.0.1", "172.16.9.9", "192.168.1.1", "169.254.169.254", "100.64.1.1", "127.0.0.1", "0.0.0.0"),
        *("2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0x7f.1", "3232235777", "0xa9fea9fe", "017700000001"),
        *("[::1]", "[::]", "[fd00::1]", "[fc00::1]", "[fe80::1]", "[fec0::1]", "[ff02::1]", "[100::1]"),
        *("[::ffff:10.0.0.1]", "[::ffff:a00:1]", "[::127.0.0.1]", "[2002:7f00:1::]", "[2002:a00:1::]"),
        *("[64:ff9b::10.0.0.1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::1]", "[2001:0:a00:1::1]", "[2001:db8::1]"),
        *("[fe80::1%25lo]", "[fe80::1%25eth0]", "127。0。0。1", "①②⑦.0.0.1"),
    ],
)
def test_no_redirect_leads_to_a_private_address_however_it_is_spelled(server: Server, host: str) -> None:
    fetch, detour = fetcher(server, Names({"photos.example": [[PUBLIC]]}))
    location = quote(f"http://{host}/ok", safe=":/?%[]")
    with pytest.raises(SourceUnavailable):
        fetch.fetch(f"http://photos.example/redirect?{location}", 100)
    assert detour.wanted == [(PUBLIC, 80)]


def test_a_packed_body_is_never_unpacked(server: Server) -> None:
    fetch, _ = fetcher(server, Names({"photos.example": [[PUBLIC]]}))
    assert len(fetch.fetch("http://photos.example/bomb", 100_000)) < 100_000


@pytest.mark.parametrize(
    ("url", "allowed", "expected"),
    [
        ("https://a.example/b/c.jpg", ["https://a.example/"], True),
        ("https://a.example/b/c.jpg", ["https://a.example"], True),
        ("https://a.example/b/c.jpg", ["https://a.example/b"], True),
        ("https://a.example:443/b/c.jpg", ["https://a.example/b/"], True),
        ("https://A.example/b/c.jpg?x=../y", ["https://a.example/b/"], True),
        ("https://a.example/b/c.jpg", ["*"], True),
        ("https://a.example/b/c.jpg", [], False),
        ("https://a.example/bb/c.jpg", ["https://a.example/b"], False),
        ("https://a.example/b/../c.jpg", ["https://a.example/b/"], False),
        ("https://a.example/b/%2e%2e/c.jpg", ["https://a.example/b/"], False),
        ("https://a.example/b/%252e%252e/c.jpg", ["https://a.example/b/"], False),
        ("https://a.example/b/..%5cc.jpg", ["https://a.example/b/"], False),
        ("http://a.example/b/c.jpg", ["https://a.example/"], False),
        ("https://a.example:8443/b/c.jpg", ["https://a.example/"], False),
        ("https://a.example.evil.example/", ["https://a.example"], False),
        ("https://a.example./b", ["https://a.example/"], False),
    ],
)
def test_a_list_allows_what_lies_below_its_addresses(url: str, allowed: list[str], expected: bool) -> None:
    assert is_allowed(parse(url), allowed) is expected


def test_a_redirect_does_not_lead_out_of_the_list(server: Server) -> None:
    names = Names({"photos.example": [[PUBLIC]], "cdn.example": [["8.8.8.8"]]})
    detour = Detour(server.server_address[1])
    fetch = Fetcher(UrlSettings(), allowed=["http://photos.example/"], resolve=names, backend=detour)
    assert fetch.fetch("http://photos.example/redirect?/ok", 100) == b"a picture"
    with pytest.raises(SourceUnavailable, match=r"cdn\.example/ok is refused: serve\.urls"):
        fetch.fetch("http://photos.example/redirect?http://cdn.example/ok", 100)
    assert "cdn.example" not in names.asked


@pytest.mark.parametrize("url", ["http://\ud800/", "http://a.example/\ud800", "http://a.example:0/", "//a", ""])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(SourceUnavailable):
        parse(url)


def test_a_server_that_drips_gains_no_time(server: Server) -> None:
    fetch, _ = fetcher(server, Names({"photos.example": [[PUBLIC]]}), timeout=0.5)
    with pytest.raises(SourceUnavailable, match=r"urls\.timeout"):
        fetch.fetch("http://photos.example/drip", 100_000)


def test_private_addresses_and_ports_can_be_allowed(server: Server) -> None:
    settings = Settings(urls=UrlSettings(allow_private=True))
    url = f"http://127.0.0.1:{server.server_address[1]}/ok"
    (source,) = expand([url], settings=settings)
    assert (source.kind, source.location, source.name) == ("url", url, "ok")
    assert source.read(100) == b"a picture"
    (refused,) = expand([url], settings=Settings())
    with pytest.raises(SourceUnavailable, match="not a public address"):
        refused.read(100)


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "[::1]", "[::ffff:127.0.0.1]", "localhost"])
def test_other_spellings_of_the_own_machine_are_refused(host: str) -> None:
    with pytest.raises(SourceUnavailable):
        Fetcher(UrlSettings()).fetch(f"http://{host}:8080/", 100)


class Greeting(httpcore.NetworkStream):
    """Remembers for which name TLS was wanted, and hangs up."""

    def __init__(self) -> None:
        self.name: str | None = None

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        self.name = server_hostname
        assert ssl_context.check_hostname
        assert ssl_context.verify_mode == ssl.CERT_REQUIRED
        raise httpcore.ConnectError("enough")

    def close(self) -> None:
        pass


class Greeter(httpcore.NetworkBackend):
    def __init__(self) -> None:
        self.stream = Greeting()

    def connect_tcp(self, host: str, *_: object, **__: object) -> httpcore.NetworkStream:
        assert host == PUBLIC
        return self.stream


def test_tls_checks_the_name_although_the_connection_is_pinned_to_an_address() -> None:
    greeter = Greeter()
    fetch = Fetcher(UrlSettings(), resolve=Names({"photos.example": [[PUBLIC]]}), backend=greeter)
    with pytest.raises(SourceUnavailable, match="enough"):
        fetch.fetch("https://photos.example/ok", 100)
    assert greeter.stream.name == "photos.example"
