"""One span of OpenTelemetry a request, where its API is installed and somebody set its SDK up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from opsin.version import VERSION
from opsin.web.asked import asked_of, route_of

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer


def traced(app: ASGIApp) -> ASGIApp:
    """Return ``app`` with a span around each request, or as it is where OpenTelemetry is not installed."""
    try:
        from opentelemetry import trace
    except ImportError:
        return app
    return Traced(app, trace.get_tracer("opsin", VERSION))


class Traced:
    """Goes on with the trace of a caller (W3C traceparent). Names follow OpenTelemetry's conventions for HTTP 1.23."""

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        from opentelemetry.propagate import extract
        from opentelemetry.trace import SpanKind, StatusCode

        method = str(scope["method"])
        carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        status = 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with self._tracer.start_as_current_span(method, context=extract(carrier), kind=SpanKind.SERVER) as span:
            await self._app(scope, receive, noted)
            route = route_of(scope)
            span.update_name(f"{method} {route}")
            span.set_attribute("http.request.method", method)
            span.set_attribute("http.route", route)
            span.set_attribute("http.response.status_code", status)
            span.set_attribute("opsin.request_id", asked_of(scope).id)
            if status >= 500:
                span.set_status(StatusCode.ERROR)
