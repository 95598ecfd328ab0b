"""What the service says of itself in OpenAPI 3.1, for programs and for its own page."""

from __future__ import annotations

import re
from typing import Any

from litestar import Request, Router
from litestar.exceptions import NotFoundException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme, Tag

from opsin.version import VERSION
from opsin.web.access import OPEN
from opsin.web.parameters import describe_parameters

_TAGS = {
    "analyse": "What a picture shows; nothing is stored.",
    "assets": "Pictures with what is known of them.",
    "search": "Find pictures by words, by example, or both.",
    "tags": "What pictures carry, counted, and ready for a page.",
    "searches": "Searches that are kept; each new picture is compared with them.",
    "webhooks": "Programs that are told of what happens.",
    "jobs": "Work that goes on after its request was answered.",
    "exports": "All that is known of pictures, written by a job and kept for a while.",
    "vocabularies": "The labels that a library tags with.",
    "insights": "What the tags say of owners and of time, where it is switched on.",
    "plugins": "What sees and what judges.",
    "keys": "Who may ask.",
    "health": "Whether all is well, for those who run the service.",
}
"""The groups of the documentation page, in the order in which somebody comes to need them."""
_INTRODUCTION = """\
Tags pictures and finds them again by what they show.

Requests need a key: as a bearer token or as `X-Api-Key`, one of the two is enough. The first one, which may do everything,
lies in the file `admin.key` in the folder of the library; `opsin keys create NAME --scope read|write|admin` makes more.
"""
_A_KEY = (
    "What `admin.key` in the library's folder holds, or a key of `opsin keys create`; one way to send it is enough."
)
_SENTENCE = re.compile(r"(.+?)\.(?:\s|$)", re.DOTALL)


def openapi() -> OpenAPIConfig:
    """Return how the schema is made, and where it is."""
    return OpenAPIConfig(
        title="Opsin",
        version=VERSION,
        description=_INTRODUCTION,
        servers=[],
        components=Components(
            security_schemes={
                "bearer": SecurityScheme(type="http", scheme="bearer", description=_A_KEY),
                "key": SecurityScheme(type="apiKey", name="X-Api-Key", security_scheme_in="header", description=_A_KEY),
            }
        ),
        tags=[Tag(name=name, description=told) for name, told in _TAGS.items()],
        security=[{"bearer": []}, {"key": []}],
        openapi_router=Router(
            "/v1/openapi.json", route_handlers=[], opt=OPEN, before_request=_only_the_schema, include_in_schema=False
        ),
        render_plugins=[_Rendering(path="/")],
        use_handler_docstrings=True,
    )


class _Rendering(JsonRenderPlugin):
    """Says that unions are anyOf: for Litestar they are oneOf, which 1 is not where numbers and integers may stand.

    Operations are called by the first sentence of what is said of them; Litestar would call them by their functions.
    """

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        shown = _with_any_of(openapi_schema)
        for item in shown["paths"].values():
            for operation in item.values():
                operation.update(_told(operation.get("description", "")))
                describe_parameters(operation)
        return super().render(request, shown)


def _with_any_of(part: Any) -> Any:
    if isinstance(part, dict):
        return {"anyOf" if key == "oneOf" else key: _with_any_of(value) for key, value in part.items()}
    return [_with_any_of(each) for each in part] if isinstance(part, list) else part


def _told(docstring: str) -> dict[str, str]:
    """Return the first sentence of a docstring, as plain text without its full stop, and all of it, as Markdown."""
    text = docstring.replace("``", "`")
    found = _SENTENCE.match(text)
    summary = " ".join((found[1] if found else text).replace("`", "").split())
    return {"summary": summary, "description": text}


def _only_the_schema(request: Request[Any, Any, Any]) -> None:
    """Litestar answers what lies below the schema's address with a page of HTML of its own."""
    if request.path_params:
        raise NotFoundException
