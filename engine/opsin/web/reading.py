"""How the body of a request is read as JSON, for every handler that declares what it takes."""

from __future__ import annotations

from typing import Any

from litestar import Request

from opsin.errors import UsageError


class ReadRequest(Request[Any, Any, Any]):
    """A request whose body is told to be no JSON in the two cases that the web framework takes for its own faults."""

    async def json(self) -> Any:
        """Return the body as plain values.

        :raises UsageError: where it is not UTF-8, or nested deeper than can be read.
        """
        try:
            return await super().json()
        except UnicodeDecodeError as error:
            msg = f"the body is no JSON: {error}"
            raise UsageError(msg) from error
        except RecursionError as error:
            raise UsageError("the body is no JSON that can be read: it is nested too deeply") from error
