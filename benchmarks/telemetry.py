"""What telemetry costs: requests through the ASGI layer beside the stock instrumentation, and one log line.

Requests are driven through the application in this process, so that no socket stands in the figures; both layers have
the same exporter, a batch processor that discards. The endpoint takes and answers a few words of JSON. CPU time of one thread; the exporter's thread is not counted.
"""

from __future__ import annotations

import asyncio
import io
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.trace import NoOpTracer
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from arbiter.observability.asgi import TelemetryMiddleware
from arbiter.observability.logging import configure_logging
from arbiter.observability.settings import ObservabilitySettings
from benchmarks.harness import Row, interleaved

__all__ = ["rows"]

_FACTS_UNIT_NS = 56
"""A bare await on the machine that the limits in microseconds were set on."""


def rows() -> list[Row]:
    """Requests per second beside the stock instrumentation, and the cost of a line beside its limit."""
    return [*_request_rows(), *_line_rows()]


def _request_rows() -> list[Row]:
    cases: dict[str, Any] = {"none": _endpoint(), "off": _ours(None)}
    for name, sampler in (("all", ALWAYS_ON), ("5 %", ParentBased(TraceIdRatioBased(0.05)))):
        cases[f"ours {name}"] = _ours(_provider(sampler))
        cases[f"stock {name}"] = _stock(_provider(sampler))
    cost = interleaved({name: _requests(app) for name, app in cases.items()}, rounds=15, calls=512)
    rate = {name: 1 / seconds for name, seconds in cost.items()}
    unit, stock = "1/s", "stock ASGI instrumentation"
    return [
        Row("requests, all sampled", rate["ours all"], stock, rate["stock all"], unit, ">= 3"),
        Row("requests, 5 % sampled", rate["ours 5 %"], stock, rate["stock 5 %"], unit, ">= 2"),
        Row("requests, tracing off", rate["off"], "no telemetry at all", rate["none"], unit, ">= 0.85"),
    ]


async def _take(request: Request) -> JSONResponse:
    wanted = await request.json()
    return JSONResponse({"id": request.path_params["id"], "taken": wanted["count"], "left": 3})


def _endpoint() -> Starlette:
    return Starlette(routes=[Route("/items/{id}", _take, methods=["POST"])])


def _ours(provider: TracerProvider | None) -> Any:
    tracer = NoOpTracer() if provider is None else provider.get_tracer("benchmark")
    return TelemetryMiddleware(_endpoint(), tracer, access_log=False)


def _stock(provider: TracerProvider) -> Any:
    meters = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    return OpenTelemetryMiddleware(_endpoint(), tracer_provider=provider, meter_provider=meters)


class _Discard(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002  discarded
        return SpanExportResult.SUCCESS


def _provider(sampler: Sampler) -> TracerProvider:
    provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(_Discard()))
    return provider


def _requests(app: Callable[..., Awaitable[None]]) -> Callable[[int], float]:
    return lambda count: asyncio.run(_served(app, count))


async def _served(app: Callable[..., Awaitable[None]], count: int) -> float:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b'{"count": 2, "why": "sale"}', "more_body": False}

    async def send(_: Any) -> None:
        pass

    began = time.thread_time()
    for _ in range(count):
        await app(_scope(), receive, send)
    return time.thread_time() - began


def _scope() -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/items/7",
        "raw_path": b"/items/7",
        "query_string": b"page=2",
        "root_path": "",
        "headers": [(b"host", b"shop.test:3000"), (b"user-agent", b"benchmark/1"), (b"accept", b"*/*")],
        "server": ("127.0.0.1", 3000),
        "client": ("127.0.0.1", 4711),
    }


def _line_rows() -> list[Row]:
    settings = ObservabilitySettings(log_format="json")
    before = structlog.get_config()
    with configure_logging(settings, service="shop", environment="production", stream=_Null()):
        log = structlog.get_logger("benchmark")
        cases = {"bare": _bare, "line": lambda count: _lines(log.info, count)}
        cases["filtered"] = lambda count: _lines(log.debug, count)
        cost = interleaved(cases, rounds=31, calls=2000)
    structlog.configure(**before)
    # The limits hold for a machine whose bare await takes 56 ns; this one's tells how they are to be read here.
    scale = cost["bare"] * 1e9 / _FACTS_UNIT_NS
    return [
        Row("a bare await (1 unit)", cost["bare"] * 1e9, "the facts' machine", _FACTS_UNIT_NS, "ns", "-"),
        Row("log line, JSON, five fields", cost["line"] * 1e6 / scale, "the limit", 8, "us", "<= 8 us"),
        Row("log line, filtered", cost["filtered"] * 1e6 / scale, "the limit", 0.7, "us", "<= 0.7 us"),
    ]


class _Null(io.TextIOWrapper):
    """A stream that takes everything, as quick as a file in memory."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8")


def _lines(say: Callable[..., None], count: int) -> float:
    logging.raiseExceptions = False
    began = time.thread_time()
    for number in range(count):
        say("task.routed", task_id="t-1", agent="ada", score=0.87, explored=False, number=number)
    return time.thread_time() - began


async def _nothing() -> None:
    pass


def _bare(count: int) -> float:
    async def calls() -> float:
        began = time.thread_time()
        for _ in range(count):
            await _nothing()
        return time.thread_time() - began

    return asyncio.run(calls())
