"""One light ASGI layer: a server span, two metrics and one log line for each request.

The attributes are those of OpenTelemetry's stable HTTP semantic conventions. Of a query only the names are recorded,
and probes leave nothing. What a request pays is counted in single microseconds, hence the shape of this file.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from contextvars import Token
from time import perf_counter
from typing import Any

import structlog
from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import (
    NoOpTracer,
    Span,
    SpanKind,
    StatusCode,
    Tracer,
    get_current_span,
    set_span_in_context,
)

from arbiter.observability.http_metrics import HttpMetrics, Outcome, Requests
from arbiter.observability.lines import remember_span
from arbiter.observability.propagation import W3C
from arbiter.observability.redaction import redacted_query
from arbiter.protocols import Measurement
from arbiter.tracing import record_error

__all__ = ["TelemetryMiddleware", "trace_id"]

log = structlog.get_logger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


def trace_id() -> str:
    """The present trace's id, 32 hexadecimal digits, or "" outside of a trace."""
    context = get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else ""


class TelemetryMiddleware:
    """Put it around the whole application, so that everything inside belongs to the request's trace.

    Args:
        app: the ASGI application.
        tracer: makes the server spans; OpenTelemetry's no-op tracer turns them off.
        silent_paths: paths that leave no span, metric or line; one that ends in "/" means all below it.
        access_log: whether each request leaves one line.
        propagator: reads the caller's trace and baggage from the headers.
    """

    def __init__(
        self,
        app: ASGIApp,
        tracer: Tracer,
        *,
        silent_paths: Sequence[str] = (),
        access_log: bool = True,
        propagator: TextMapPropagator = W3C,
    ) -> None:
        self._app, self._tracer, self._access_log = app, tracer, access_log
        self._traced = not isinstance(tracer, NoOpTracer)
        self._silent = frozenset(silent_paths)
        self._below = tuple(path for path in silent_paths if path.endswith("/"))
        self._propagator = propagator
        self._carried = frozenset(name.encode("latin-1") for name in propagator.fields)
        self._metrics = HttpMetrics()
        self._requests = self._metrics.requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, as ASGI asks."""
        if scope["type"] != "http" or scope["path"] in self._silent or scope["path"].startswith(self._below):
            await self._app(scope, receive, send)
            return
        requests = self._requests.get((scope["method"], scope.get("scheme", "http"))) or self._first(scope)
        root, status, ended = scope.get("root_path", ""), 0, 0.0
        failure: BaseException | None = None

        def watched(message: Message) -> Awaitable[None]:
            nonlocal status, ended
            kind = message["type"]
            if kind == "http.response.start":
                status = message["status"]
            elif kind == "http.response.body" and not message.get("more_body", False):
                ended = perf_counter()
            return send(message)

        requests.active += 1
        begun = perf_counter()
        trace = self._begin(scope, requests) if self._traced else None
        try:
            await self._app(scope, receive, watched)
        except BaseException as error:
            failure = error
            raise
        finally:
            requests.active -= 1
            ended = ended or perf_counter()
            error_type = _error_type(status, failure) if failure is not None or status >= 500 else ""
            if scope.get("root_path", "") == root:  # no mount was passed through
                route = getattr(scope.get("route"), "path", "")
            else:
                route = _route_below(scope, root)
            outcome = status or _unsaid(failure), route, error_type
            requests.record(outcome, ended - begun)
            if self._access_log:
                _log(requests.method, scope["path"], ended - begun, outcome)
            if trace is not None:
                _end(trace, scope, requests.method, outcome, failure, ended)

    def measurements(self) -> Iterable[Measurement]:
        """`http.server.request.duration` and `http.server.active_requests`."""
        return self._metrics.measurements()

    def _first(self, scope: Scope) -> Requests:
        return self._metrics.of(scope["method"], scope.get("scheme", "http"))

    def _begin(self, scope: Scope, requests: Requests) -> tuple[Span, Token[Context]]:
        context = self._callers_context(scope["headers"])
        attributes = {
            "http.request.method": requests.method,
            "url.path": scope["path"],
            "url.scheme": requests.scheme,
        }
        span = self._tracer.start_span(requests.method, context, SpanKind.SERVER, attributes)
        return span, otel_context.attach(set_span_in_context(span, context))

    def _callers_context(self, headers: Iterable[tuple[bytes, bytes]]) -> Context:
        """The caller's trace and baggage on an empty context: nothing of the connection's earlier requests."""
        carried = self._carried
        carrier = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in headers if name in carried
        }
        return self._propagator.extract(carrier, Context()) if carrier else Context()


def _end(
    trace: tuple[Span, Token[Context]],
    scope: Scope,
    method: str,
    outcome: Outcome,
    failure: BaseException | None,
    ended: float,
) -> None:
    span, token = trace
    if failure is not None:
        remember_span(failure, span.get_span_context())
    if span.is_recording():
        _describe(span, scope, method, outcome, failure)
    # Work after the answer's end (background tasks) is not the client's wait.
    span.end(time.time_ns() - int((perf_counter() - ended) * 1e9))
    otel_context.detach(token)


def _log(method: str, path: str, seconds: float, outcome: Outcome) -> None:
    status, route, error_type = outcome
    log.info(
        "http.request",
        method=method,
        path=path,
        route=route,
        status=status or None,
        duration_ms=round(seconds * 1000, 3),
        **({"error_type": error_type} if error_type else {}),
    )


def _unsaid(failure: BaseException | None) -> int:
    """The status where the application sent none: the server answers 500 for it, unless the request was ended."""
    return 500 if isinstance(failure, Exception) else 0


def _error_type(status: int, failure: BaseException | None) -> str:
    """`error.type`: the exception's class, else the status."""
    if failure is None:
        return str(status)
    kind = type(failure)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _route_below(scope: Scope, root: str) -> str:
    """The template that a mounted router matched (`/v1/agents/{id}`), or "" where none did."""
    route, below = scope.get("route"), scope.get("root_path", "")
    template: str = getattr(route, "path", "")
    parameters = scope.get("path_params") or {}
    if any(f"{{{name}" not in template for name in parameters):
        return template  # a mount with parameters: its part of the path is no template
    mounted: str = below.removeprefix(root)
    return mounted if getattr(route, "routes", None) is not None else mounted + template


def _more_attributes(scope: Scope, method: str) -> dict[str, str | int]:
    attributes: dict[str, str | int] = {"network.protocol.version": scope.get("http_version", "1.1")}
    if method != scope["method"]:
        attributes["http.request.method_original"] = scope["method"]
    if query := scope.get("query_string"):
        attributes["url.query"] = redacted_query(query.decode("latin-1"))
    if server := scope.get("server"):
        attributes["server.address"] = server[0]
        if server[1] is not None:
            attributes["server.port"] = server[1]
    if client := scope.get("client"):
        attributes["client.address"] = client[0]
    for name, value in scope["headers"]:
        if name == b"user-agent":
            attributes["user_agent.original"] = value.decode("latin-1")
    return attributes


def _describe(span: Span, scope: Scope, method: str, outcome: Outcome, failure: BaseException | None) -> None:
    status, route, error_type = outcome
    attributes = _more_attributes(scope, method)
    if route:
        span.update_name(f"{method} {route}")
        attributes["http.route"] = route
    if status:
        attributes["http.response.status_code"] = status
    if error_type:
        attributes["error.type"] = error_type
        span.set_status(StatusCode.ERROR)
    span.set_attributes(attributes)  # all at once: each call alone takes a lock
    if failure is not None and not isinstance(failure, asyncio.CancelledError):
        record_error(span, failure)
