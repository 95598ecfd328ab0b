"""The libraries of one server: the key of a request says which of them is asked, and nothing else does."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Sequence

from opsin.errors import OpsinError, SettingError, UsageError
from opsin.library import Key, Library
from opsin.settings import ServeSettings
from opsin.web.service import Service

_OF_THE_SERVER = ("hosts", "origins", "max_body", "body_timeout")
"""Settings that count before anybody knows whose key a request has."""
_log = logging.getLogger(__name__)


class Tenants:
    """The libraries that are served, each with its own keys, threads and limits. One cannot be told from none.

    :raises SettingError: where they differ in what the server does before it knows the key.
    :raises UsageError: where a key opens two of them.
    """

    def __init__(self, libraries: Sequence[Library], loaded: Callable[[], None]) -> None:
        """Make a service of each; ``loaded`` is called whenever the models of one of them are loaded."""
        turn = threading.Lock()  # models are loaded one library after the other: each takes all cores
        self.services = tuple(Service(library, turn=turn, loaded=loaded) for library in libraries)
        for one, other in itertools.combinations(self.services, 2):
            _check_alike(one, other)
            _check_keys(one, other)

    @property
    def serve(self) -> ServeSettings:
        """The settings of the server; of these only what all libraries say alike may be used."""
        return self.services[0].settings.serve

    @property
    def alone(self) -> Service | None:
        """The one library, where there is but one: then it is asked without a key, too, where none is needed."""
        return self.services[0] if len(self.services) == 1 else None

    def of_key(self, secret: str | None) -> tuple[Service, Key] | None:
        """Return the library that a secret opens, and its key there; None where there is none.

        Every library is asked whatever the others say, so that the time does not say which one it was.
        """
        if secret is None:
            return None
        keys = [_key_of(service, secret) for service in self.services]
        found = [(service, key) for service, key in zip(self.services, keys, strict=True) if key is not None]
        if len(found) > 1:
            _log.error("the key %s opens %d libraries, and therefore none: revoke it", found[0][1].id, len(found))
        return found[0] if len(found) == 1 else None

    def start(self) -> None:
        """Begin to load the models, and to deliver what happens."""
        for service in self.services:
            service.start()

    def end(self) -> None:
        """Let answers end that would go on as long as somebody listens."""
        for service in self.services:
            service.ending = True

    def stop(self) -> None:
        """Wait for what is under way, in all libraries."""
        for service in self.services:
            service.stop()


def _key_of(service: Service, secret: str) -> Key | None:
    try:
        return service.keys.find(secret)
    except OpsinError as error:  # what is wrong with one library's keys is nothing that a caller may be told
        _log.error("the keys of %s open nothing: %s", service.library.path, error)
        return None


def _check_alike(one: Service, other: Service) -> None:
    for name in _OF_THE_SERVER:
        first, second = (getattr(each.settings.serve, name) for each in (one, other))
        if first != second:
            msg = (
                f"serve.{name} is {first!r} in {one.library.path} and {second!r} in {other.library.path}, and counts "
                "before the server knows which library is asked: set it alike in both"
            )
            raise SettingError(msg)


def _check_keys(one: Service, other: Service) -> None:
    if shared := one.keys.shared_with(other.keys):
        msg = (
            f"the key {min(shared)} opens both {one.library.path} and {other.library.path}: revoke it in one of them, "
            "`opsin keys revoke`, as the key says which library is asked"
        )
        raise UsageError(msg)
