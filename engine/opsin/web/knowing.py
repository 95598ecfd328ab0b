"""/v1/encoders and /v1/plugins: what sees and what judges, and how it is."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from litestar import Controller, get
from litestar.di import NamedDependency

from opsin.library import PluginView, encoders
from opsin.plugin import EncoderCard
from opsin.web.access import ADMIN, READ
from opsin.web.problems import problem_responses
from opsin.web.service import Service

_PROBLEMS = problem_responses(401, 403)


class Encoders(msgspec.Struct, frozen=True):
    """The encoders that plugins offer; ``used`` is the library's, which never changes."""

    used: str
    encoders: Sequence[EncoderCard]


class Plugins(msgspec.Struct, frozen=True):
    """Every plugin, by name."""

    plugins: Sequence[PluginView]


class EncodersController(Controller):
    """Encoders."""

    path = "/v1/encoders"
    tags = ["plugins"]  # noqa: RUF012
    opt = READ

    @get(responses=_PROBLEMS)
    async def list(self, service: NamedDependency[Service]) -> Encoders:
        """List the encoders with size, licence of the weights, languages, and speed where it was measured here."""
        library = service.library
        return Encoders(library.encoder, await service.run(lambda: encoders(library.path)))


class PluginsController(Controller):
    """Plugins; their settings may hold secrets."""

    path = "/v1/plugins"
    tags = ["plugins"]  # noqa: RUF012
    opt = ADMIN

    @get(responses=_PROBLEMS)
    async def list(self, service: NamedDependency[Service]) -> Plugins:
        """List the plugins with how each of their objects is by now, what went wrong last, and what to do about it."""
        return Plugins(await service.run(service.library.plugins))
