"""What the service says of itself in OpenAPI 3.1, for programs and for its own page."""

from __future__ import annotations

from typing import Any

from litestar import Request, Router
from litestar.exceptions import NotFoundException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from opsin.version import VERSION
from opsin.web.access import OPEN


def openapi() -> OpenAPIConfig:
    """Return how the schema is made, and where it is."""
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
        openapi_router=Router(
            "/v1/openapi.json", route_handlers=[], opt=OPEN, before_request=_only_the_schema, include_in_schema=False
        ),
        render_plugins=[_Rendering(path="/")],
        use_handler_docstrings=True,
    )


class _Rendering(JsonRenderPlugin):
    """Says that unions are anyOf: for Litestar they are oneOf, which 1 is not where numbers and integers may stand."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return super().render(request, _with_any_of(openapi_schema))


def _with_any_of(part: Any) -> Any:
    if isinstance(part, dict):
        return {"anyOf" if key == "oneOf" else key: _with_any_of(value) for key, value in part.items()}
    return [_with_any_of(each) for each in part] if isinstance(part, list) else part


def _only_the_schema(request: Request[Any, Any, Any]) -> None:
    """Litestar answers what lies below the schema's address with a page of HTML of its own."""
    if request.path_params:
        raise NotFoundException
