"""What telemetry costs: requests through the ASGI layer beside the stock instrumentation, and one log line.

A process serves a small Starlette endpoint by uvicorn, bare and under each layer; another one sends the requests over eight
connections. A request costs what CPU time the serving process needs for it, the exporter's thread
included: on a machine with other work to do that is what requests a second depend on. Both layers have the same exporter, a
batch processor that discards.
"""

from __future__ import annotations

import asyncio
import io
import logging
import multiprocessing
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection as Pipe
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
from arbiter.observability.telemetry import Telemetry
from arbiter.testing.live import Fixed
from benchmarks.harness import Row, interleaved

__all__ = ["rows"]

_FACTS_UNIT_NS = 56
"""A bare await on the machine that the limits in microseconds were set on."""

_CONNECTIONS = 8
_REQUEST = (
    b"GET /items/7?page=2 HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: benchmark/1\r\nAccept: */*\r\n\r\n"
)


def rows() -> list[Row]:
    """Requests per second beside the stock instrumentation, and the cost of a line beside its limit."""
    return [*_request_rows(), *_line_rows()]


def _request_rows() -> list[Row]:
    with _collector() as collector, ExitStack() as closing:
        cases: dict[str, Callable[[int], float]] = {}
        # One process for what is compared, so that its place in caches and on cores is the same; not for those that
        # export for real, whose threads would be at work while others are measured.
        for names in (tuple(_CASES)[:-2], ("alive",), ("dead",)):
            pipe, ports = closing.enter_context(_serving(names, collector))
            for name, port in ports.items():
                cases[name] = closing.enter_context(_requests(pipe, port))
        cost = interleaved(cases, rounds=15, calls=512)  # as many as make a batch of spans
    rate = {name: 1 / seconds for name, seconds in cost.items()}
    unit, stock = "1/s", "stock ASGI instrumentation"
    return [
        Row("requests, all sampled", rate["ours all"], stock, rate["stock all"], unit, ">= 3"),
        Row("requests, 5 % sampled", rate["ours 5 %"], stock, rate["stock 5 %"], unit, ">= 2"),
        Row("requests, tracing off", rate["off"], "no telemetry at all", rate["none"], unit, ">= 0.85"),
        Row("requests, dead collector", rate["dead"], "one that answers", rate["alive"], unit, ">= 0.95"),
    ]


async def _show(request: Request) -> JSONResponse:
    return JSONResponse({"id": request.path_params["id"], "name": "Tea", "left": 3})


def _endpoint() -> Starlette:
    return Starlette(routes=[Route("/items/{id}", _show)])


def _ours(provider: TracerProvider | None) -> Any:
    tracer = NoOpTracer() if provider is None else provider.get_tracer("benchmark")
    return TelemetryMiddleware(_endpoint(), tracer, access_log=False)


def _stock(provider: TracerProvider) -> Any:
    meters = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    return OpenTelemetryMiddleware(_endpoint(), tracer_provider=provider, meter_provider=meters)


def _exporting(endpoint: str) -> Any:
    settings = ObservabilitySettings(exporter="otlp", otlp_endpoint=endpoint, logs_exported=False)
    telemetry = Telemetry(Fixed(settings), environ={})
    return TelemetryMiddleware(_endpoint(), telemetry.tracer, access_log=False)


class _Discard(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002  discarded
        return SpanExportResult.SUCCESS


def _provider(sampler: Sampler) -> TracerProvider:
    provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(_Discard()))
    return provider


@contextmanager
def _collector() -> Iterator[str]:
    """The address of a collector in a process of its own, so that its work is not the service's."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_collect, args=(there,), daemon=True)
    process.start()
    yield here.recv()
    process.kill()


def _collect(pipe: Pipe) -> None:
    from tests.observability.receiver import receiving

    with receiving() as received:
        pipe.send(received.endpoint)
        time.sleep(3600)


@contextmanager
def _serving(names: Sequence[str], collector: str) -> Iterator[tuple[Pipe, dict[str, int]]]:
    """A process that serves these cases, each on a port of its own; the pipe asks for the CPU time that it has used."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_serve, args=(there, names, collector), daemon=True
    )
    process.start()
    try:
        yield here, here.recv()
    finally:
        process.kill()


def _serve(pipe: Pipe, names: Sequence[str], collector: str) -> None:
    import uvicorn

    logging.disable()  # what the exporter has to say of a dead collector

    async def serve() -> None:
        listeners = {name: socket.create_server(("127.0.0.1", 0), backlog=64) for name in names}
        with socket.socket() as refusing:  # bound and not listening
            refusing.bind(("127.0.0.1", 0))
            nobody = f"http://127.0.0.1:{refusing.getsockname()[1]}"
            apps = {name: _CASES[name](collector, nobody) for name in names}
            asyncio.get_running_loop().add_reader(pipe.fileno(), answer)
            pipe.send({name: listener.getsockname()[1] for name, listener in listeners.items()})
            servers = [uvicorn.Server(configured(app)).serve([listeners[name]]) for name, app in apps.items()]
            await asyncio.gather(*servers)

    def configured(app: Any) -> uvicorn.Config:
        return uvicorn.Config(app, lifespan="off", log_config=None, access_log=False)

    def answer() -> None:
        pipe.recv()
        pipe.send(time.process_time())

    with asyncio.Runner(loop_factory=configured(None).get_loop_factory()) as runner:
        runner.run(serve())


_CASES: Mapping[str, Callable[[str, str], Any]] = {
    "none": lambda _, __: _endpoint(),
    "off": lambda _, __: _ours(None),
    "ours all": lambda _, __: _ours(_provider(ALWAYS_ON)),
    "stock all": lambda _, __: _stock(_provider(ALWAYS_ON)),
    "ours 5 %": lambda _, __: _ours(_provider(ParentBased(TraceIdRatioBased(0.05)))),
    "stock 5 %": lambda _, __: _stock(_provider(ParentBased(TraceIdRatioBased(0.05)))),
    "alive": lambda collector, _: _exporting(collector),
    "dead": lambda _, refusing: _exporting(refusing),
}
"""How each case's application is made, given the addresses of a collector and of nobody."""


@contextmanager
def _requests(pipe: Pipe, port: int) -> Iterator[Callable[[int], float]]:
    """Sends so many requests over eight connections, and says what CPU time the serving process needed for them."""

    def cpu_s() -> float:
        pipe.send(None)
        return float(pipe.recv())

    def ask(count: int) -> float:
        began = cpu_s()
        for _ in range(count // _CONNECTIONS):
            for connection in connections:
                connection.sendall(_REQUEST)
            for connection in connections:
                answer = connection.recv(4096)
                while not answer.endswith(b"}"):
                    answer += connection.recv(4096)
                assert answer.startswith(b"HTTP/1.1 200"), answer
        return cpu_s() - began

    with ExitStack() as closing:
        connections = [
            closing.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(_CONNECTIONS)
        ]
        yield ask


def _line_rows() -> list[Row]:
    settings = ObservabilitySettings(log_format="json")
    before = structlog.get_config()
    with configure_logging(settings, service="shop", environment="production", stream=_Null()):
        log = structlog.get_logger("benchmark")
        cases: dict[str, Callable[[int], float]] = {
            "bare": _bare,
            "loop": _loop,
            "line": lambda count: _lines(log.info, count),
            "filtered": lambda count: _lines(log.debug, count),
        }
        cost = interleaved(cases, rounds=31, calls=2000)
    structlog.configure(**before)
    # The limits hold for a machine whose bare await takes 56 ns; this one's tells how they are to be read here.
    scale = cost["bare"] * 1e9 / _FACTS_UNIT_NS
    line, filtered = ((cost[name] - cost["loop"]) * 1e6 for name in ("line", "filtered"))
    return [
        Row("a bare await (1 unit)", cost["bare"] * 1e9, "the facts' machine", _FACTS_UNIT_NS, "ns", "-"),
        Row("log line, JSON, five fields, as measured", line, "the limit there", 8, "us", "-"),
        Row("log line, JSON, five fields", line / scale, "the limit", 8, "us", "<= 8 us"),
        Row("log line, filtered, as measured", filtered, "the limit there", 0.7, "us", "-"),
        Row("log line, filtered", filtered / scale, "the limit", 0.7, "us", "<= 0.7 us"),
    ]


class _Null(io.TextIOWrapper):
    """A stream that takes everything, as quick as a file in memory."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8")


def _loop(count: int) -> float:
    """What the loop around the lines costs is not theirs."""
    began = time.thread_time()
    for _ in range(count):
        pass
    return time.thread_time() - began


def _lines(say: Callable[..., None], count: int) -> float:
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
