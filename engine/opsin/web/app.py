"""Puts the service together: controllers, keys, problems, OpenAPI, and the door before all of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from opsin.library import Library
from opsin.version import VERSION
from opsin.web.access import OPEN, Door, key_guard
from opsin.web.analysis import AnalysisController
from opsin.web.assets import AssetsController
from opsin.web.docs import DocsController
from opsin.web.health import HealthController
from opsin.web.problems import answer
from opsin.web.searching import SearchController
from opsin.web.service import Service
from opsin.web.tags import TagsController


def create_app(library: Library) -> Door:
    """Return the ASGI application that serves ``library``, which stays its caller's to close."""
    service = Service(library)

    @asynccontextmanager
    async def serving(_app: Litestar) -> AsyncIterator[None]:
        service.start()
        try:
            yield
        finally:
            service.stop()

    app = Litestar(
        route_handlers=[
            HealthController,
            AnalysisController,
            AssetsController,
            SearchController,
            TagsController,
            DocsController,
        ],
        dependencies={"service": Provide(lambda: service, sync_to_thread=False)},
        guards=[key_guard],
        exception_handlers={Exception: answer},
        lifespan=[serving],
        logging_config=None,
        openapi_config=_openapi(),
        request_max_body_size=service.settings.serve.max_body,
        state=State({"service": service}),
    )
    return Door(app, hosts=service.settings.serve.hosts, origins=service.settings.serve.origins)


def _openapi() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Opsin",
        version=VERSION,
        description="Tags pictures and finds them again by what they show.",
        components=Components(
            security_schemes={
                "bearer": SecurityScheme(type="http", scheme="bearer", description="A key of `opsin keys create`"),
                "key": SecurityScheme(type="apiKey", name="X-Api-Key", security_scheme_in="header"),
            }
        ),
        security=[{"bearer": []}, {"key": []}],
        openapi_router=Router("/v1/openapi.json", route_handlers=[], opt=OPEN, include_in_schema=False),
        render_plugins=[JsonRenderPlugin(path="/")],
        use_handler_docstrings=True,
    )
