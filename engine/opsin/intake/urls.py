"""Fetches a picture from a web address, redirects included, and knows which addresses a list allows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

import httpcore
import httpx

from opsin.errors import SourceUnavailable
from opsin.intake.calls import Caller, Resolve, header, parse, resolve
from opsin.intake.source import MissingSource, Source, too_large

if TYPE_CHECKING:
    from opsin.settings import UrlSettings

ANY = "*"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = {"Accept": "image/*,*/*;q=0.5", "Accept-Encoding": "identity"}


class Fetcher:
    """Fetches web addresses under the rules of ``[urls]``.

    Each hop is called as :class:`Caller` does. Redirects are followed by hand, at most ``max_redirects``, each under the
    same rules. ``timeout`` is for everything together. ``allowed``, where it is given, are the only addresses that may
    be fetched, also by a redirect: see :func:`is_allowed`. A body is taken as it comes, never unpacked.
    """

    def __init__(
        self,
        settings: UrlSettings,
        *,
        allowed: Sequence[str] | None = None,
        resolve: Resolve = resolve,
        backend: httpcore.NetworkBackend | None = None,
    ) -> None:
        self._settings = settings
        self._allowed = allowed
        self._caller = Caller(
            allow_private=settings.allow_private, setting="urls.allow_private", resolve=resolve, backend=backend
        )

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
        if self._allowed is not None and not is_allowed(target, self._allowed):
            msg = f"{target} is refused: serve.urls does not name it among the addresses that are fetched here."
            raise SourceUnavailable(msg)
        with self._caller.call("GET", target, headers=_HEADERS, deadline=deadline) as response:
            if response.status in _REDIRECTS:
                return self._location(target, response)
            if response.status != 200:
                msg = f"{target} answered with status {response.status}."
                raise SourceUnavailable(msg)
            return self._body(target, response, limit)

    def _body(self, target: httpx.URL, response: httpcore.Response, limit: int) -> bytes:
        announced = header(response, b"content-length")
        if announced.isdigit() and int(announced) > limit:
            raise too_large(str(target), limit)
        body = bytearray()
        for part in response.iter_stream():
            body += part
            if len(body) > limit:
                raise too_large(str(target), limit)
        return bytes(body)

    def _location(self, target: httpx.URL, response: httpcore.Response) -> str:
        location = header(response, b"location").decode("latin-1")
        try:
            if location:
                return str(target.join(location))
        except httpx.InvalidURL:
            pass
        msg = f"{target} redirects to nowhere (status {response.status}, Location {location!r})."
        raise SourceUnavailable(msg)


def is_allowed(target: httpx.URL, allowed: Sequence[str]) -> bool:
    """Return whether an address is one of ``allowed``: of the same scheme, host and port, at or below the same path.

    "*" allows every address. A path with a step upwards, also an escaped one, is below nothing: who knows what the
    server takes it for.
    """
    steps = unquote(unquote(target.path)).replace("\\", "/").split("/")
    for each in allowed:
        if each == ANY:
            return True
        base = httpx.URL(each)
        same = (target.scheme, target.raw_host, target.port) == (base.scheme, base.raw_host, base.port)
        if same and ".." not in steps and f"{target.path}/".startswith(f"{base.path.rstrip('/')}/"):
            return True
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlSource(Source):
    """A picture behind a web address."""

    url: str
    fetcher: Fetcher = field(repr=False, compare=False)

    @classmethod
    def of(cls, url: str, fetcher: Fetcher, *, place: str = "") -> Source:
        """Describe ``url``; nothing is fetched yet. ``place`` goes before the address in the location."""
        try:
            parsed = parse(url)
        except SourceUnavailable as error:
            return MissingSource.of(url, str(error))
        name = unquote(parsed.path.rstrip("/").rpartition("/")[2], errors="replace")
        return cls(kind="url", location=f"{place}{parsed}", name=name or parsed.host, url=str(parsed), fetcher=fetcher)

    def read(self, limit: int) -> bytes:
        return self.fetcher.fetch(self.url, limit)
