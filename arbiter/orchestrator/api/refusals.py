"""Every error of the API becomes a problem document (RFC 9457): the input's faults by field, refusals by their type.

What nobody foresaw is logged with its traceback and answered with 500 and nothing of the inside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from opentelemetry import trace
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from arbiter.errors import ArbiterError
from arbiter.orchestrator.api.wire import is_json
from arbiter.orchestrator.storage.errors import StorageUnavailable
from arbiter.serving.problems import FieldError, problem, problem_of
from arbiter.tracing import record_error

__all__ = ["Unforeseen", "answer", "install"]

_MOST_FAULTS = 50
_LONGEST_FIELD = 200

log = structlog.get_logger(__name__)


def install(app: FastAPI) -> None:
    """Let `app` answer each error with a problem."""
    for expected in (RequestValidationError, HTTPException, ArbiterError):
        app.add_exception_handler(expected, answer)
    app.add_middleware(Unforeseen)


async def answer(request: Request, error: Exception) -> Response:
    """The problem document that `error` deserves."""
    match error:
        case RequestValidationError():
            return _invalid(request, error)
        case HTTPException():
            return _http(request, error)
        case StorageUnavailable():
            return _away()
        case ArbiterError():
            answered = problem_of(error)
            if answered.status_code == HTTPStatus.INTERNAL_SERVER_ERROR:
                _tell(request.scope, error)
            return answered
        case _:
            _tell(request.scope, error)
            return problem(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                "internal",
                "The request failed; the log says why, by trace id.",
            )


class Unforeseen:
    """An ASGI layer that ends the journey of an unexpected exception: logged once, answered once.

    FastAPI's own place for this answers and then raises again, so that the server would log it a second time,
    without the trace id.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, as ASGI asks."""
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if started or scope["type"] != "http":
                raise  # half an answer is out: only closing the connection tells the client
            await (await answer(Request(scope), error))(scope, receive, send)


def _away() -> Response:
    # Not an `Unavailable` of its own: to a circuit breaker a database that is away is a failure and no answer.
    return problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "storage-unavailable",
        "The database does not answer; nothing was changed, as far as is known.",
        hint="Ask again later; the health of the service says more.",
        headers={"Retry-After": "1"},
    )


def _tell(scope: Scope, error: Exception) -> None:
    record_error(trace.get_current_span(), error)
    log.error("request failed", method=scope.get("method"), route=_template(scope), exc_info=error)


def _template(scope: Scope) -> str:
    return str(getattr(scope.get("route"), "path", ""))


def _invalid(request: Request, error: RequestValidationError) -> Response:
    found = error.errors()
    if found and found[0]["type"] == "json_invalid":
        return _malformed(found[0])
    if isinstance(error.body, bytes) and not is_json(request):
        return problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            "The field body must be JSON, and say so.",
            hint="Send the header Content-Type: application/json.",
            errors=[FieldError("body", "is not declared as JSON")],
        )
    faults = [FieldError(_field(fault["loc"]), _words(fault)) for fault in found[:_MOST_FAULTS]]
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", _summary(faults, len(found)), errors=faults)


def _malformed(fault: Mapping[str, Any]) -> Response:
    # orjson counts the position in characters from 0; people count from 1.
    where = f"character {fault['loc'][-1] + 1}: {fault['ctx']['error']}"
    return problem(
        HTTPStatus.BAD_REQUEST,
        "malformed-json",
        f"The field body is not JSON, at {where}.",
        errors=[FieldError("body", where)],
    )


def _field(location: Sequence[str | int]) -> str:
    """A dotted path without the place it came from: `("body", "capabilities", "languages", 0)` is shortened."""
    path = location[1:] or location
    return ".".join(map(str, path))[:_LONGEST_FIELD]


def _words(fault: Mapping[str, Any]) -> str:
    match fault["type"]:
        case "extra_forbidden":
            return "is not a known field"
        case "missing":
            return "is required"
        case _:
            return str(fault["msg"]).removeprefix("Value error, ")


def _summary(faults: Sequence[FieldError], count: int) -> str:
    first = f"{faults[0].field}: {faults[0].message}" if faults else "The input cannot be accepted."
    return f"{first} (and {count - 1} more)" if count > 1 else first


def _http(request: Request, error: HTTPException) -> Response:
    status = HTTPStatus(error.status_code)
    match status:
        case HTTPStatus.NOT_FOUND:
            return problem(
                status, "route-not-found", f"Nothing is served at {request.url.path[:_LONGEST_FIELD]}."
            )
        case HTTPStatus.METHOD_NOT_ALLOWED:
            allowed = ", ".join(sorted(_methods(request)))
            detail = f"{request.method} is not served here, but {allowed}."
            return problem(status, "method-not-allowed", detail, headers={"Allow": allowed})
        case _:
            code = status.phrase.lower().replace(" ", "-")
            return problem(status, code, str(error.detail), headers=error.headers)


def _methods(request: Request) -> set[str]:
    """All methods of the path; the framework's own Allow names those of the first route that fits."""
    routes: Sequence[BaseRoute] = request.app.router.routes
    fitting = [route for route in routes if route.matches(request.scope)[0] is Match.PARTIAL]
    return set().union(*(getattr(route, "methods", None) or () for route in fitting))
