"""What may stand behind the ? of an address: what OpenAPI declares there, and nothing else."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from litestar import Litestar
from litestar.connection import ASGIConnection
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
