"""What may stand behind the ? of an address, which is what OpenAPI declares there, and what is wrong with what does."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Literal, get_args, get_origin

import msgspec
from litestar import Litestar
from litestar.connection import ASGIConnection
from litestar.exceptions import ValidationException
from litestar.handlers import BaseRouteHandler
from litestar.openapi.spec import Parameter

from opsin.errors import UsageError


class KnownParameters:
    """Refuses parameters which an address does not know: a mistyped one is told and not ignored."""

    def __init__(self) -> None:
        self._app: Litestar | None = None

    def check(self, connection: ASGIConnection[Any, Any, Any, Any]) -> None:
        """Check the parameters of a request.

        :raises UsageError: naming those that there are.
        """
        if not connection.scope["query_string"]:
            return
        self._app = connection.app
        known = self._known.get((str(connection.scope["path_template"]), str(connection.scope.get("method"))))
        if known is None:
            return
        for name in connection.query_params:
            if name not in known:
                there_are = f"there are {', '.join(sorted(known))}" if known else "it takes none"
                msg = f"this address has no query parameter {name[:100]!r}: {there_are}"
                raise UsageError(msg)

    @cached_property
    def _known(self) -> dict[tuple[str, str], frozenset[str]]:
        """The names by address and method; what OpenAPI does not show is left out."""
        paths = {} if self._app is None else self._app.openapi_schema.paths or {}
        return {
            (path, method.upper()): frozenset(
                each.name
                for each in operation.parameters or []
                if isinstance(each, Parameter) and each.param_in == "query"
            )
            for path, item in paths.items()
            for method in ("get", "post", "put", "patch", "delete")
            if (operation := getattr(item, method)) is not None
        }


def wrong_values(handler: BaseRouteHandler, error: ValidationException) -> str:
    """Say what is wrong with the parameters and the body of a request, by the names that its caller used.

    The web framework calls parameters by the names that they have in Python, and does not say what would be right.
    """
    found = [each for each in error.extra or () if isinstance(each, dict)]
    return "; ".join(_wrong_value(handler, str(each.get("key", "")), str(each.get("message", ""))) for each in found)


def _wrong_value(handler: BaseRouteHandler, key: str, message: str) -> str:
    first, _, rest = key.partition(".")
    known = handler.parsed_fn_signature.parameters
    if first == "data":
        nothing = message == repr("data")
        body = known["data"].annotation
        return (
            "a JSON object is needed as the body, and there is none"
            if nothing
            else f"the body: {of_body(message, body)}"
        )
    parameter, kind = known.get(first), None
    if parameter is not None:
        kind = parameter.annotation
        first = getattr(parameter.kwarg_definition, "name", None) or first
    elif (body := known.get("data")) is not None and issubclass(body.annotation, msgspec.Struct):
        kind = next((each.type for each in msgspec.structs.fields(body.annotation) if each.name == first), None)
    name = ".".join(filter(None, (first, rest)))
    right = ", ".join(map(str, _choices(kind))) if message.startswith("Invalid enum value") else ""
    return f"{name}: {message}" + (f"; there are {right}" if right else "")


def of_body(message: str, kind: Any) -> str:
    """Return what is wrong with a body of a ``kind``, with the fields that it may have where it has another."""
    if "unknown field" not in message or "$." in message:
        return message
    return f"{message}; there are {', '.join(each.encode_name for each in msgspec.structs.fields(kind))}"


def _choices(kind: Any) -> Iterator[Any]:
    """Yield the values that a type names."""
    if get_origin(kind) is Literal:
        yield from get_args(kind)
    else:
        for each in get_args(kind):
            yield from _choices(each)
