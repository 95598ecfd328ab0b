"""Puts the service together: controllers, keys, problems, OpenAPI, and the door before all of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from litestar import Litestar
from litestar.datastructures import MutableScopeHeaders
from litestar.di import Provide
from litestar.types import Message, Scope

from opsin.library import Library
from opsin.web.access import Door, Gate
from opsin.web.addresses import with_head
from opsin.web.admission import Admission
from opsin.web.analysis import AnalysisController
from opsin.web.asked import served_by
from opsin.web.asset import AssetController
from opsin.web.assets import AssetsController
from opsin.web.cors import cors
from opsin.web.docs import DocsController, start
from opsin.web.duplicates import DuplicatesController
from opsin.web.exports import ExportsController
from opsin.web.health import HealthController
from opsin.web.insights import InsightsController
from opsin.web.jobs import JobsController, ReanalysisController
from opsin.web.keys import KeysController
from opsin.web.knowing import EncodersController, PluginsController
from opsin.web.logs import log_request
from opsin.web.metrics import Metrics, MetricsController
from opsin.web.openapi import openapi
from opsin.web.problems import answer
from opsin.web.reading import ReadRequest
from opsin.web.reception import Reception, Seen
from opsin.web.repeats import Repeats
from opsin.web.searches import SearchesController
from opsin.web.searching import SearchController
from opsin.web.service import Service
from opsin.web.tags import TagsController
from opsin.web.tenants import Tenants
from opsin.web.tracing import traced
from opsin.web.vocabularies import LabelsController, VocabulariesController
from opsin.web.webhooks import WebhooksController


def create_app(*libraries: Library, loaded: Callable[[], None] = lambda: None) -> Reception:
    """Return the ASGI application that serves ``libraries``, which stay their caller's to close.

    ``loaded`` is called whenever the models of one of them are loaded.
    """
    tenants = Tenants(libraries, loaded)
    metrics = {service: Metrics(service, of_process=service is tenants.alone) for service in tenants.services}

    @asynccontextmanager
    async def serving(_app: Litestar) -> AsyncIterator[None]:
        tenants.start()
        try:
            yield
        finally:
            await asyncio.to_thread(tenants.stop)

    def service_of(scope: Scope) -> Service:
        return served_by(scope)

    def metrics_of(scope: Scope) -> Metrics:
        return metrics[served_by(scope)]

    def count(seen: Seen) -> None:
        if service := seen.service or tenants.alone:
            metrics[service].note_request(seen)

    serve = tenants.serve
    app = Litestar(
        route_handlers=[
            HealthController,
            MetricsController,
            AnalysisController,
            AssetsController,
            AssetController,
            DuplicatesController,
            SearchController,
            SearchesController,
            TagsController,
            VocabulariesController,
            LabelsController,
            EncodersController,
            PluginsController,
            InsightsController,
            JobsController,
            ReanalysisController,
            ExportsController,
            KeysController,
            WebhooksController,
            DocsController,
            start,
        ],
        before_send=[_say_all_methods],
        cors_config=cors(serve.origins) if serve.origins else None,
        dependencies={
            "tenants": Provide(lambda: tenants, sync_to_thread=False),
            "service": Provide(service_of, sync_to_thread=False),
            "metrics": Provide(metrics_of, sync_to_thread=False),
        },
        middleware=[Gate(tenants), Admission(), Repeats()],
        exception_handlers={Exception: answer},
        lifespan=[serving],
        logging_config=None,
        openapi_config=openapi(),
        request_class=ReadRequest,
        request_max_body_size=serve.max_body,
    )
    door = Door(app, hosts=serve.hosts, origins=serve.origins)
    return Reception(traced(door), patience=serve.body_timeout, observers=[log_request, count], ending=tenants.end)


async def _say_all_methods(message: Message, scope: Scope) -> None:
    """Litestar 2.25 answers OPTIONS with the methods of the handler that it met first."""
    if message["type"] == "http.response.start" and scope.get("method") == "OPTIONS" and "path_template" in scope:
        routes = (route for route in scope["litestar_app"].routes if route.path_format == scope["path_template"])
        methods = {str(method) for route in routes for method in route.methods}
        MutableScopeHeaders.from_message(message)["Allow"] = ", ".join(with_head(methods))
