"""Calls web addresses: public ones only, each connection pinned to the address that was checked."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import httpcore
import httpx

from opsin.errors import SourceUnavailable
from opsin.intake.addresses import is_public

Resolve = Callable[[str, int], Sequence[str]]

_WEB_PORTS = frozenset({80, 443})
_FIRST_FREE_PORT = 1024


def resolve(host: str, port: int) -> list[str]:
    """Ask the system for the addresses of ``host``, in its order of preference."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Caller:
    """Sends one request after the other, and follows nothing.

    A name is resolved once for each request; unless ``allow_private``, every address that it has must be public, and the
    connection goes to the address that was checked, so that a second answer of the name server changes nothing. TLS
    still checks the name. Proxy variables of the environment are not used. ``setting`` is the key that messages name.
    """

    def __init__(
        self,
        *,
        allow_private: bool,
        setting: str,
        resolve: Resolve = resolve,
        backend: httpcore.NetworkBackend | None = None,
    ) -> None:
        self._allow_private = allow_private
        self._setting = setting
        self._resolve = resolve
        self._backend = backend or httpcore.SyncBackend()
        self._tls: ssl.SSLContext | None = None

    @contextmanager
    def call(
        self,
        method: str,
        target: httpx.URL,
        *,
        headers: Mapping[str, str],
        deadline: float,
        body: bytes | None = None,
    ) -> Generator[httpcore.Response]:
        """Send a request and yield the answer, whose body is not read yet; all of it ends at ``deadline`` (monotonic).

        :raises SourceUnavailable: where the address may not be called; nothing was connected to then.
        :raises httpcore.NetworkError: and its like, where the other side does not answer as it should.
        """
        port = self._check_port(target)
        backend = _Pinned(self._backend, self._check_address(target, port), deadline)
        said = [("Host", target.netloc.decode()), ("User-Agent", "Opsin"), *headers.items()]
        with (
            httpcore.ConnectionPool(ssl_context=self._context(), network_backend=backend) as pool,
            pool.stream(method, str(target), headers=said, content=body) as response,
        ):
            yield response

    def _check_port(self, target: httpx.URL) -> int:
        port = target.port or (443 if target.scheme == "https" else 80)
        if port in _WEB_PORTS or port >= _FIRST_FREE_PORT or self._allow_private:
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
        if not self._allow_private and not all(map(is_public, addresses)):
            msg = f"{target} is refused: {host} is not a public address ({self._setting} permits it)."
            raise SourceUnavailable(msg)
        return addresses[0]

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = httpx.create_ssl_context(trust_env=False)
        return self._tls


def parse(url: str) -> httpx.URL:
    """Return ``url`` without its fragment.

    :raises SourceUnavailable: unless it is an http or https address with a host and without a user name.
    """
    try:
        parsed = httpx.URL(url).copy_with(fragment=None)
    except (httpx.InvalidURL, UnicodeError) as error:
        msg = f"{url[:200]!a} is not a web address: {error}."
        raise SourceUnavailable(msg) from error
    if parsed.scheme not in ("http", "https"):
        msg = f"{url[:200]!a} is refused: only http and https addresses are fetched."
        raise SourceUnavailable(msg)
    if not parsed.host:
        msg = f"{url[:200]!a} names no host."
        raise SourceUnavailable(msg)
    if parsed.port is not None and not 0 < parsed.port < 65536:
        msg = f"The address of {parsed.host} is refused: there is no port {parsed.port}."
        raise SourceUnavailable(msg)
    if parsed.userinfo:
        msg = f"The address of {parsed.host} is refused: it carries a user name or password."
        raise SourceUnavailable(msg)
    return parsed


def header(response: httpcore.Response, name: bytes) -> bytes:
    """Return a header of an answer, ``name`` in lower case; empty where there is none."""
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
