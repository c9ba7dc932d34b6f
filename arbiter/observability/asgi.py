"""One light ASGI layer: a server span, two metrics and one log line for each request.

The attributes are those of OpenTelemetry's stable HTTP semantic conventions. Queries are never recorded, and
probes leave nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from typing import Any

import structlog
from opentelemetry import context as otel_context
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace import (
    INVALID_SPAN,
    NoOpTracer,
    Span,
    SpanKind,
    StatusCode,
    Tracer,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from arbiter.observability.http_metrics import HttpMetrics
from arbiter.observability.lines import remember_span
from arbiter.protocols import Measurement

__all__ = ["TelemetryMiddleware", "trace_id"]

log = structlog.get_logger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})
_CARRIED = frozenset({b"traceparent", b"tracestate", b"baggage"})
_PROPAGATOR = CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()])


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
    """

    def __init__(
        self, app: ASGIApp, tracer: Tracer, *, silent_paths: Sequence[str] = (), access_log: bool = True
    ) -> None:
        self._app, self._tracer, self._access_log = app, tracer, access_log
        self._traced = not isinstance(tracer, NoOpTracer)
        self._silent = frozenset(silent_paths)
        self._silent_below = tuple(path for path in silent_paths if path.endswith("/"))
        self._metrics = HttpMetrics()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, as ASGI asks."""
        if scope["type"] != "http" or self._is_silent(scope["path"]):
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, send)
        span = self._begin_span(scope, exchange)
        token = otel_context.attach(set_span_in_context(span, exchange.context)) if self._traced else None
        self._metrics.begin(exchange.method, exchange.scheme)
        try:
            await self._app(scope, receive, exchange.send)
        except BaseException as error:
            exchange.error = error
            remember_span(error, span.get_span_context())
            raise
        finally:
            self._finish(exchange, span)
            if token is not None:
                otel_context.detach(token)

    def measurements(self) -> Iterable[Measurement]:
        """`http.server.request.duration` and `http.server.active_requests`."""
        return self._metrics.measurements()

    def _is_silent(self, path: str) -> bool:
        return path in self._silent or (bool(self._silent_below) and path.startswith(self._silent_below))

    def _begin_span(self, scope: Scope, exchange: _Exchange) -> Span:
        if not self._traced:
            return INVALID_SPAN
        span = self._tracer.start_span(
            exchange.method,
            exchange.context,
            SpanKind.SERVER,
            {
                "http.request.method": exchange.method,
                "url.path": scope["path"],
                "url.scheme": exchange.scheme,
            },
        )
        if span.is_recording():
            span.set_attributes(_more_attributes(scope, exchange.method))
        return span

    def _finish(self, exchange: _Exchange, span: Span) -> None:
        duration_s = exchange.duration_s()
        status, route, error_type = exchange.status_code(), exchange.route(), exchange.error_type()
        method = exchange.method
        self._metrics.end(method, exchange.scheme)
        key = method, exchange.scheme, str(status) if status else "", route, error_type
        self._metrics.record(key, duration_s)
        if span.is_recording():
            _describe(span, exchange, status, route, error_type)
        if self._access_log:
            log.info(
                "http.request",
                method=method,
                path=exchange.path,
                route=route,
                status=status,
                duration_ms=round(duration_s * 1000, 3),
                **({"error_type": error_type} if error_type else {}),
            )
        if self._traced:
            span.end(exchange.ended_ns())


class _Exchange:
    """One request and what became of it."""

    __slots__ = (
        "_begun",
        "_ended",
        "_root",
        "_scope",
        "_send",
        "context",
        "error",
        "method",
        "path",
        "scheme",
        "status",
    )

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope, self._send = scope, send
        self._root: str = scope.get("root_path", "")
        self._begun = time.perf_counter()
        self._ended = 0.0
        method = scope["method"]
        self.method: str = method if method in _METHODS else "_OTHER"
        self.path: str = scope["path"]
        self.scheme: str = scope.get("scheme", "http")
        self.context = _callers_context(scope["headers"])
        self.status = 0
        self.error: BaseException | None = None

    async def send(self, message: Message) -> None:
        """Pass a message on, and note the status and the answer's end."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self._ended = time.perf_counter()

    def status_code(self) -> int | None:
        """What the client got; 500 where the server answers for a failed application; None if nothing."""
        if self.status:
            return self.status
        return 500 if isinstance(self.error, Exception) else None

    def error_type(self) -> str:
        """`error.type`: the exception's class, else the status where that is a server's error, else ""."""
        if self.error is not None:
            kind = type(self.error)
            return (
                kind.__qualname__
                if kind.__module__ == "builtins"
                else f"{kind.__module__}.{kind.__qualname__}"
            )
        return str(self.status) if self.status >= 500 else ""

    def duration_s(self) -> float:
        """Seconds until the last byte was handed over, or until now if it never was."""
        return (self._ended or time.perf_counter()) - self._begun

    def ended_ns(self) -> int:
        """The answer's end as a time of day; work after it (background tasks) is not the client's wait."""
        since_ns = int((time.perf_counter() - self._ended) * 1e9) if self._ended else 0
        return time.time_ns() - since_ns

    def route(self) -> str:
        """The template that the router matched (`/v1/agents/{id}`), or "" where none did."""
        route = self._scope.get("route")
        template = getattr(route, "path", "")
        mounted = str(self._scope.get("root_path", "")).removeprefix(self._root)
        parameters = self._scope.get("path_params") or {}
        if not mounted or any(f"{{{name}" not in template for name in parameters):
            return template  # a mount with parameters: its part of the path is no template
        return mounted if getattr(route, "routes", None) is not None else mounted + template


def _callers_context(headers: Iterable[tuple[bytes, bytes]]) -> Context:
    """The caller's trace and baggage on an empty context: nothing of the connection's earlier requests."""
    carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers if name in _CARRIED}
    return _PROPAGATOR.extract(carrier, Context()) if carrier else Context()


def _more_attributes(scope: Scope, method: str) -> dict[str, str | int]:
    attributes: dict[str, str | int] = {"network.protocol.version": scope.get("http_version", "1.1")}
    if method == "_OTHER":
        attributes["http.request.method_original"] = scope["method"]
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


def _describe(span: Span, exchange: _Exchange, status: int | None, route: str, error_type: str) -> None:
    if route:
        span.update_name(f"{exchange.method} {route}")
        span.set_attribute("http.route", route)
    if status:
        span.set_attribute("http.response.status_code", status)
    if not error_type:
        return
    span.set_attribute("error.type", error_type)
    if exchange.error is not None and not isinstance(exchange.error, asyncio.CancelledError):
        span.record_exception(exchange.error)
    span.set_status(StatusCode.ERROR)
