"""Fetches a picture from a web address: public addresses only, each connection pinned to an address that was checked."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import httpcore
import httpx

from opsin.errors import SourceUnavailable
from opsin.intake.addresses import is_public
from opsin.intake.source import MissingSource, Source, too_large

if TYPE_CHECKING:
    from opsin.settings import UrlSettings

Resolve = Callable[[str, int], Sequence[str]]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_WEB_PORTS = frozenset({80, 443})
_FIRST_FREE_PORT = 1024
_HEADERS = [("User-Agent", "Opsin"), ("Accept", "image/*,*/*;q=0.5"), ("Accept-Encoding", "identity")]


def resolve(host: str, port: int) -> list[str]:
    """Ask the system for the addresses of ``host``, in its order of preference."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Fetcher:
    """Fetches web addresses under the rules of ``[urls]``.

    A name is resolved once for each hop; unless ``allow_private`` is set, every address that it has must be public,
    and the connection goes to the address that was checked, so that a second answer of the name server changes
    nothing. TLS still checks the name. Redirects are followed by hand, at most ``max_redirects``, each under the same
    rules. ``timeout`` is for everything together. Proxy variables of the environment are not used.
    """

    def __init__(
        self, settings: UrlSettings, *, resolve: Resolve = resolve, backend: httpcore.NetworkBackend | None = None
    ) -> None:
        self._settings = settings
        self._resolve = resolve
        self._backend = backend or httpcore.SyncBackend()
        self._tls: ssl.SSLContext | None = None

    def fetch(self, url: str, limit: int) -> bytes:
        """Return the body behind ``url``, at most ``limit`` bytes.

        :raises SourceUnavailable: where the address is not allowed or does not answer with a body.
        :raises LimitExceeded: where the body is larger than ``limit`` (decode.max_bytes).
        """
        deadline = time.monotonic() + self._settings.timeout
        target = parse(url)
        for _ in range(self._settings.max_redirects + 1):
            try:
                answer = self._get(target, limit, deadline)
            except (httpcore.TimeoutException, TimeoutError) as error:
                msg = f"{target} did not answer within the {self._settings.timeout:g} s of urls.timeout."
                raise SourceUnavailable(msg) from error
            except (httpcore.NetworkError, httpcore.ProtocolError, OSError, UnicodeError) as error:
                msg = f"{target} cannot be fetched: {str(error) or type(error).__name__}."
                raise SourceUnavailable(msg) from error
            if isinstance(answer, bytes):
                return answer
            target = parse(answer)
        msg = f"{url} redirects more often than the {self._settings.max_redirects} times of urls.max_redirects."
        raise SourceUnavailable(msg)

    def _get(self, target: httpx.URL, limit: int, deadline: float) -> bytes | str:
        """Return the body, or where a redirect leads."""
        port = self._check_port(target)
        address = self._check_address(target, port)
        backend = _Pinned(self._backend, address, deadline)
        with (
            httpcore.ConnectionPool(ssl_context=self._context(), network_backend=backend) as pool,
            pool.stream("GET", str(target), headers=[("Host", target.netloc.decode()), *_HEADERS]) as response,
        ):
            if response.status in _REDIRECTS:
                return self._location(target, response)
            if response.status != 200:
                msg = f"{target} answered with status {response.status}."
                raise SourceUnavailable(msg)
            return self._body(target, response, limit)

    def _body(self, target: httpx.URL, response: httpcore.Response, limit: int) -> bytes:
        announced = _header(response, b"content-length")
        if announced.isdigit() and int(announced) > limit:
            raise too_large(str(target), limit)
        body = bytearray()
        for part in response.iter_stream():
            body += part
            if len(body) > limit:
                raise too_large(str(target), limit)
        return bytes(body)

    def _location(self, target: httpx.URL, response: httpcore.Response) -> str:
        location = _header(response, b"location").decode("latin-1")
        try:
            if location:
                return str(target.join(location))
        except httpx.InvalidURL:
            pass
        msg = f"{target} redirects to nowhere (status {response.status}, Location {location!r})."
        raise SourceUnavailable(msg)

    def _check_port(self, target: httpx.URL) -> int:
        port = target.port or (443 if target.scheme == "https" else 80)
        if port in _WEB_PORTS or port >= _FIRST_FREE_PORT or self._settings.allow_private:
            return port
        msg = f"{target} is refused: port {port} belongs to another service (80, 443 and 1024 upwards are allowed)."
        raise SourceUnavailable(msg)

    def _check_address(self, target: httpx.URL, port: int) -> str:
        host = target.raw_host.decode("ascii").strip("[]")
        try:
            addresses = self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            msg = f"{target} cannot be fetched: the name {host} cannot be resolved."
            raise SourceUnavailable(msg) from error
        if not addresses:
            msg = f"{target} cannot be fetched: the name {host} has no address."
            raise SourceUnavailable(msg)
        if not self._settings.allow_private and not all(map(is_public, addresses)):
            msg = f"{target} is refused: {host} is not a public address (urls.allow_private permits it)."
            raise SourceUnavailable(msg)
        return addresses[0]

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = httpx.create_ssl_context(trust_env=False)
        return self._tls


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlSource(Source):
    """A picture behind a web address."""

    fetcher: Fetcher = field(repr=False, compare=False)

    @classmethod
    def of(cls, url: str, fetcher: Fetcher) -> Source:
        """Describe ``url``; nothing is fetched yet."""
        try:
            parsed = parse(url)
        except SourceUnavailable as error:
            return MissingSource.of(url, str(error))
        name = unquote(parsed.path.rstrip("/").rpartition("/")[2], errors="replace")
        return cls(kind="url", location=str(parsed), name=name or parsed.host, fetcher=fetcher)

    def read(self, limit: int) -> bytes:
        return self.fetcher.fetch(self.location, limit)


def parse(url: str) -> httpx.URL:
    """Return ``url`` without its fragment.

    :raises SourceUnavailable: unless it is an http or https address with a host and without a user name.
    """
    try:
        parsed = httpx.URL(url).copy_with(fragment=None)
    except httpx.InvalidURL as error:
        msg = f"{url!r} is not a web address: {error}."
        raise SourceUnavailable(msg) from error
    if parsed.scheme not in ("http", "https"):
        msg = f"{url!r} is refused: only http and https addresses are fetched."
        raise SourceUnavailable(msg)
    if not parsed.host:
        msg = f"{url!r} names no host."
        raise SourceUnavailable(msg)
    if parsed.userinfo:
        msg = f"The address of {parsed.host} is refused: it carries a user name or password."
        raise SourceUnavailable(msg)
    return parsed


def _header(response: httpcore.Response, name: bytes) -> bytes:
    return next((bytes(value) for key, value in response.headers if key.lower() == name), b"")


class _Pinned(httpcore.NetworkBackend):
    """Connects to one address, whatever name is asked for, and lets nothing take longer than the deadline."""

    def __init__(self, inner: httpcore.NetworkBackend, address: str, deadline: float) -> None:
        self._inner = inner
        self._address = address
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,  # noqa: ARG002 - the name was resolved and checked before
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - what is left of the deadline counts
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._inner.connect_tcp(
            self._address,
            port,
            timeout=_left(self._deadline),
            local_address=local_address,
            socket_options=socket_options,
        )
        return _Hurried(stream, self._deadline)


class _Hurried(httpcore.NetworkStream):
    """A stream whose reads and writes all share one deadline: a server that drips bytes gains no time."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: float) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - the deadline counts
        return self._inner.read(max_bytes, timeout=_left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - the deadline counts
        self._inner.write(buffer, timeout=_left(self._deadline))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - the deadline counts
    ) -> httpcore.NetworkStream:
        stream = self._inner.start_tls(ssl_context, server_hostname, timeout=_left(self._deadline))
        return _Hurried(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("out of time")
    return left
