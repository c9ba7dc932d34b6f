"""What an operator can read and do: `/metrics /info /config /breakers /graph /startup`, and `POST /refresh`.

Reading from loopback is free, from elsewhere it needs the token; changing anything always does, and without a token in
the settings it is refused outside development.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import orjson
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from arbiter.management.probes import Probes, is_loopback, presents_token
from arbiter.serving.problems import FieldError, problem
from arbiter.settings.live import ReloadResult

__all__ = ["Operator", "management_app"]

log = structlog.get_logger(__name__)

JsonSource = Callable[[], object]


@dataclasses.dataclass(frozen=True, slots=True)
class Operator:
    """What the management port shows and steers; each field is read when a request comes.

    Attributes:
        probes: the health endpoints.
        metrics: the Prometheus text exposition.
        info: name, version, process, environment, settings generation, telemetry delivery.
        config: the effective settings, secrets masked, each with its source.
        breakers: every circuit breaker with its state.
        graph: the components with what they need; None where there is no container to show.
        startup: the last start with the time of each component; None as above.
        refresh: reload the settings; True means a dry run.
        token: what allows a change; "" where none is set.
        open_writes: whether changes are allowed without a token (development only).
    """

    probes: Probes
    metrics: Callable[[], bytes]
    info: JsonSource
    config: JsonSource
    breakers: JsonSource
    refresh: Callable[[bool], Awaitable[ReloadResult]]
    token: str
    open_writes: bool
    graph: JsonSource | None = None
    startup: JsonSource | None = None


def management_app(operator: Operator) -> Starlette:
    """The ASGI application of the management port."""

    async def metrics(_: Request) -> Response:
        return Response(operator.metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def refresh(request: Request) -> Response:
        dry_run = "dry_run" in request.query_params and request.query_params["dry_run"] not in {"0", "false"}
        result = await operator.refresh(dry_run)
        log.info("config.refresh", who=_who(request), dry_run=dry_run, **_shown(result))
        if result.outcome == "rejected":
            faults = [FieldError(fault.key, str(fault)) for fault in result.problems]
            detail = "The settings on disk cannot be used; those in force stay."
            return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "settings-rejected", detail, errors=faults)
        return _json({**_shown(result), "dry_run": dry_run})

    async def probe(request: Request) -> Response:
        return operator.probes.answer(request)

    return Starlette(
        routes=[
            *(
                Route(path, probe)
                for path in ("/livez", "/readyz", "/startupz", "/healthz", "/health/{group:path}")
            ),
            Route("/metrics", _read(operator, metrics)),
            Route("/info", _read(operator, _shows(operator.info))),
            Route("/config", _read(operator, _shows(operator.config))),
            Route("/breakers", _read(operator, _shows(operator.breakers))),
            *(
                Route(path, _read(operator, _shows(source)))
                for path, source in (("/graph", operator.graph), ("/startup", operator.startup))
                if source is not None
            ),
            Route("/refresh", _write(operator, refresh), methods=["POST"]),
        ],
        exception_handlers={HTTPException: _refused, Exception: _failed},
    )


Endpoint = Callable[[Request], Awaitable[Response]]


def _shows(source: JsonSource) -> Endpoint:
    async def show(_: Request) -> Response:
        return _json(source())

    return show


def _read(operator: Operator, endpoint: Endpoint) -> Endpoint:
    async def guarded(request: Request) -> Response:
        if is_loopback(request) or presents_token(request, operator.token):
            return await endpoint(request)
        return _unauthorised("Reading from another machine needs the management token.")

    return guarded


def _write(operator: Operator, endpoint: Endpoint) -> Endpoint:
    async def guarded(request: Request) -> Response:
        if presents_token(request, operator.token):
            return await endpoint(request)
        if operator.token:
            return _unauthorised("Changing anything needs the management token.")
        if operator.open_writes and is_loopback(request):
            return await endpoint(request)
        return problem(
            HTTPStatus.FORBIDDEN,
            "no-management-token",
            "Changes are refused, since no management token is set.",
            hint="Set management.token in .secrets.local.toml, or ARBITER_MANAGEMENT__TOKEN.",
        )

    return guarded


def _unauthorised(detail: str) -> Response:
    return problem(
        HTTPStatus.UNAUTHORIZED,
        "unauthorised",
        detail,
        hint="Send Authorization: Bearer <management.token>.",
        headers={"WWW-Authenticate": "Bearer"},
    )


def _json(value: object) -> Response:
    body = orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS)
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})


def _shown(result: ReloadResult) -> dict[str, object]:
    return {
        "outcome": result.outcome,
        "generation": result.generation,
        "changed": result.changed,
        "restart_required": result.restart_required,
    }


def _who(request: Request) -> str:
    return f"{request.client.host}:{request.client.port}" if request.client else "unknown"


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  narrows the type that Starlette registers the handler for
    code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    return problem(error.status_code, code, str(error.detail), headers=error.headers)


async def _failed(_: Request, error: Exception) -> Response:
    log.error("management.failed", exc_info=error)
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "The request failed; the log says why.")
