"""The one table from errors to application/problem+json (RFC 9457)."""

from __future__ import annotations

import inspect
import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException, ValidationException
from litestar.openapi.datastructures import ResponseSpec
from litestar.types import Send

from opsin import errors
from opsin.errors import LimitExceeded, OpsinError, PluginError, StillUnderWay, TooManyRequests, Unwritable
from opsin.services.base.problem import Problem
from opsin.web.addresses import methods_of, nothing_here, wrong_method
from opsin.web.asked import asked_of
from opsin.web.query import wrong_values

PROBLEM = "application/problem+json"
RETRY_AFTER = 2
"""Seconds after which it makes sense to ask again where a plugin or the service is busy."""
_LONGEST = 1000
"""Characters of a detail: what was asked is quoted in it, and may be a megabyte; the advice stands at the end."""
_UNTOLD = "nothing can be stored just now: an admin key is told why, and so is the log of the service"
_log = logging.getLogger(__name__)


class ProblemDetails(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong: ``code`` is for programs and stays; ``limit`` names the setting of a passed limit.

    ``request_id`` is what the log of the service calls the request.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str = ""
    limit: str | None = None
    request_id: str | None = None


BY_STATUS: Mapping[int, type[OpsinError]] = {
    400: errors.UsageError,
    401: errors.KeyRefused,
    403: errors.AccessRefused,
    404: errors.UnknownName,
    405: errors.WrongMethod,
    408: errors.BodyTooSlow,
    409: errors.LibraryError,
    412: errors.Outdated,
    413: errors.LimitExceeded,
    415: errors.WrongMediaType,
    429: errors.TooManyRequests,
    431: errors.HeadTooLarge,
    503: errors.Overloaded,
}
"""What an error of the web framework is called."""
BY_CODE: Mapping[str, type[OpsinError]] = {
    error.code: error
    for error in vars(errors).values()
    if inspect.isclass(error) and issubclass(error, errors.OpsinError)
}
"""Every error by its code."""
_HEADERS: Mapping[int, Mapping[str, str]] = {
    401: {"WWW-Authenticate": 'Bearer realm="opsin"'},
    408: {"Connection": "close"},
    429: {"Retry-After": str(RETRY_AFTER)},
    503: {"Retry-After": str(RETRY_AFTER)},
}


def details(kind: type[OpsinError], message: str, *, limit: str | None = None) -> ProblemDetails:
    """Return the answer for an error of this kind."""
    return ProblemDetails(
        type=f"urn:opsin:problem:{kind.code}",
        title=kind.title,
        status=kind.http_status,
        code=kind.code,
        detail=message if len(message) <= _LONGEST else f"{message[:300]} [...] {message[-600:]}",
        limit=limit,
    )


def describe(error: Exception, request_id: str, told: str = "") -> ProblemDetails:
    """Return the answer for any error; what nobody foresaw is logged, and its text is kept from the caller.

    ``told`` says what is wrong in better words than the web framework has.
    """
    return msgspec.structs.replace(_described(error, request_id, told), request_id=request_id)


def _described(error: Exception, request_id: str, told: str) -> ProblemDetails:
    if isinstance(error, OpsinError):
        return details(type(error), str(error), limit=error.limit)
    if isinstance(error, HTTPException) and error.status_code in BY_STATUS:
        found = details(BY_STATUS[error.status_code], told or _detail(error))
        return msgspec.structs.replace(found, limit="serve.max_body") if error.status_code == 413 else found
    _log.error(
        "an error that nobody foresaw, in the request %s",
        request_id,
        exc_info=error,
        extra={"opsin": {"request_id": request_id}},
    )
    return details(OpsinError, "this should not happen; the log of the service says more")


def headers_of(found: ProblemDetails, error: Exception | None = None) -> dict[str, str]:
    """Return the headers that belong to an answer."""
    headers = dict(_HEADERS.get(found.status, {}))
    if isinstance(error, StillUnderWay):
        headers["Retry-After"] = str(RETRY_AFTER)
    if isinstance(error, TooManyRequests | PluginError) and error.after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.after)))
    if isinstance(error, MethodNotAllowedException):
        headers["Allow"] = ", ".join(methods_of(error))
    return headers


def answer(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Render an error."""
    asked = asked_of(request.scope)
    found = describe(error, asked.id, _told(request, error))
    if isinstance(error, Unwritable):
        _log.error("%s", error, extra={"opsin": {"request_id": asked.id}})
        if asked.scope != "admin":
            found = msgspec.structs.replace(found, detail=_UNTOLD)
    body, headers = msgspec.json.encode(found), headers_of(found, error)
    return Response(body, status_code=found.status, media_type=PROBLEM, headers=headers)


def _told(request: Request[Any, Any, Any], error: Exception) -> str:
    """Say what is wrong with a request in better words than the web framework has, where there are any."""
    match error:
        case ValidationException():
            return wrong_values(request.route_handler, error)
        case MethodNotAllowedException():
            return wrong_method(error)
        case NotFoundException():
            return nothing_here(request)
        case _:
            return ""


def problem_body(error: OpsinError) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of an answer that is sent outside the framework."""
    found = details(type(error), str(error))
    body = msgspec.json.encode(found)
    return found.status, {"content-type": PROBLEM, "content-length": str(len(body))}, body


async def send_problem(found: ProblemDetails, send: Send) -> None:
    """Answer with a problem outside the framework; the connection ends with it, as its body is not read."""
    body = msgspec.json.encode(found)
    headers = {"content-type": PROBLEM, "content-length": str(len(body)), "connection": "close", **headers_of(found)}
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": found.status, "headers": raw})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def raise_alone(problems: Sequence[Problem | None]) -> None:
    """Raise what is wrong with a picture that came alone; of several, each answers for itself."""
    if len(problems) != 1 or (problem := problems[0]) is None:
        return
    kind = BY_CODE[problem.code]
    if issubclass(kind, LimitExceeded):
        raise kind(problem.message, limit=problem.limit or "")
    error = kind(problem.message, after=problem.after) if issubclass(kind, PluginError) else kind(problem.message)
    error.limit = problem.limit
    raise error


def of_picture(problem: Problem) -> ProblemDetails:
    """Return the answer for a picture that could not be taken."""
    return details(BY_CODE[problem.code], problem.message, limit=problem.limit)


def problem_responses(*statuses: int, body: bool = False) -> dict[int, ResponseSpec]:
    """Return what OpenAPI says of these statuses; who needs a key can ask too often, with a wrong parameter, and in vain.

    A ``body`` can be too large, or of another kind.
    """
    several = {*statuses, 400, 429, 503} if 401 in statuses else {*statuses}
    several |= {413, 415} if body else set()
    return {
        status: ResponseSpec(
            data_container=ProblemDetails,
            description=BY_STATUS[status].title if status in BY_STATUS else "The picture was refused",
            media_type=PROBLEM,
            generate_examples=False,
        )
        for status in sorted(several)
    }


def _detail(error: HTTPException) -> str:
    if error.status_code == 413:
        return "the body is larger than serve.max_body allows"
    return error.detail
