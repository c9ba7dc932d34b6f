"""What an operator can read and do: one table of endpoints, and the application and document made of it.

The probes are open to all, as platforms need them; everything else stands behind the `Gate`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any, Final

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from arbiter.management import openapi
from arbiter.management.access import Act, Gate
from arbiter.management.answers import as_json
from arbiter.management.changes import Changes, maintenance_of
from arbiter.management.operator import JsonSource, Operator
from arbiter.serving.limits import BodyLimit
from arbiter.serving.problems import problem

__all__ = ["management_app"]

log = structlog.get_logger(__name__)

_MAX_BODY_BYTES: Final = 65_536
_PROBES: Final = ("/livez", "/readyz", "/startupz", "/healthz", "/health/{group:path}")


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """One operation: what answers, and how it is described."""

    path: str
    method: str
    act: Act
    words: openapi.Words


def management_app(operator: Operator) -> ASGIApp:
    """The ASGI application of the management port."""
    endpoints = [*_probes(operator), *_readings(operator), *_changes(operator)]
    by_path: dict[str, dict[str, Act]] = {}
    for endpoint in endpoints:
        by_path.setdefault(endpoint.path, {})[endpoint.method] = endpoint.act
    app = Starlette(
        routes=[Route(path, _dispatch(acts), methods=[*acts]) for path, acts in by_path.items()],
        exception_handlers={HTTPException: _refused, Exception: _failed},
    )
    app.router.redirect_slashes = False
    return BodyLimit(app, _MAX_BODY_BYTES)


def _dispatch(acts: dict[str, Act]) -> Act:
    async def answer(request: Request) -> Response:
        return await acts["GET" if request.method == "HEAD" else request.method](request)

    return answer


def _probes(operator: Operator) -> Iterator[_Endpoint]:
    async def probe(request: Request) -> Response:
        return await operator.probes.answer(request)

    for path in _PROBES:
        yield _Endpoint(path, "GET", probe, openapi.PROBES[path])


def _readings(operator: Operator) -> Iterator[_Endpoint]:
    gate = Gate(operator.settings, open_writes=operator.open_writes, events=operator.bus)
    loggers = operator.loggers
    sources: dict[str, JsonSource | None] = {
        "info": operator.info,
        "config": operator.config,
        "breakers": lambda: [asdict(status) for status in operator.breakers.list()],
        "events": operator.events,
        "maintenance": lambda: maintenance_of(operator.health),
        "graph": operator.graph,
        "startup": operator.startup,
        "loggers": None if loggers is None else lambda: {"loggers": loggers.listing()},
        "tasks": operator.tasks,
        "openapi": lambda: _document(operator),
    }
    yield _Endpoint(
        "/metrics", "GET", gate.reading("metrics", _exposition(operator.metrics)), openapi.METRICS
    )
    for name, source in sources.items():
        if source is not None:
            path = "/openapi.json" if name == "openapi" else f"/{name}"
            yield _Endpoint(path, "GET", gate.reading(name, _shows(source)), openapi.READINGS[name])


def _changes(operator: Operator) -> Iterator[_Endpoint]:
    gate, changes = (
        Gate(operator.settings, open_writes=operator.open_writes, events=operator.bus),
        Changes(operator),
    )
    yield _Endpoint("/refresh", "POST", gate.changing("refresh", changes.refresh), openapi.REFRESH)
    yield _Endpoint(
        "/breakers/{name}", "POST", gate.changing("breakers", changes.steer_breaker), openapi.STEER_BREAKER
    )
    yield _Endpoint(
        "/maintenance", "PUT", gate.changing("maintenance", changes.set_maintenance), openapi.MAINTENANCE
    )
    if operator.loggers is not None:
        yield _Endpoint(
            "/loggers/{name}", "POST", gate.changing("loggers", changes.set_level), openapi.SET_LEVEL
        )


def _document(operator: Operator) -> dict[str, Any]:
    endpoints = [*_probes(operator), *_readings(operator), *_changes(operator)]
    return openapi.document((one.method, one.path, one.words) for one in endpoints)


def _shows(source: JsonSource) -> Act:
    async def show(_: Request) -> Response:
        return as_json(source())

    return show


def _exposition(metrics: Callable[[], bytes]) -> Act:
    async def show(_: Request) -> Response:
        return Response(metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return show


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  narrows the type that Starlette registers the handler for
    code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    return problem(error.status_code, code, str(error.detail), headers=error.headers)


async def _failed(_: Request, error: Exception) -> Response:
    log.error("management.failed", exc_info=error)
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "The request failed; the log says why.")
