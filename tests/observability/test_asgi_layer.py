"""The ASGI layer: one span, two metrics and one line for each request."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import structlog
from opentelemetry import baggage, trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NoOpTracer, SpanKind, StatusCode
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from arbiter.observability.asgi import TelemetryMiddleware, trace_id
from arbiter.observability.logging import configure_logging
from arbiter.observability.settings import ObservabilitySettings

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@dataclass
class Bench:
    """An application behind the layer, and everything it leaves."""

    layer: TelemetryMiddleware
    memory: InMemorySpanExporter
    stream: io.StringIO

    async def get(
        self, path: str, *, method: str = "GET", headers: dict[str, str] | None = None, query: str = ""
    ) -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []
        messages = [{"type": "http.request", "body": b""}]

        async def receive() -> dict[str, Any]:
            if not messages:
                await asyncio.Event().wait()  # the client stays and says no more
            return messages.pop()

        async def send(message: Any) -> None:
            sent.append(dict(message))

        await self.layer(scope(path, method=method, headers=headers, query=query), receive, send)
        return sent

    @property
    def span(self) -> ReadableSpan:
        (span,) = self.memory.get_finished_spans()
        return span

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().split("\n")[:-1]]

    def durations(self) -> list[dict[str, str]]:
        found = (m for m in self.layer.measurements() if m.name == "http.server.request.duration")
        return [dict(measurement.attributes) for measurement in found]


def scope(
    path: str, *, method: str = "GET", headers: dict[str, str] | None = None, query: str = ""
) -> dict[str, Any]:
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in (headers or {}).items()],
        "http_version": "1.1",
        "scheme": "http",
        "server": ("shop.test", 3000),
        "client": ("10.0.0.7", 4711),
        "root_path": "",
    }


async def show(request: Request) -> Response:
    structlog.get_logger("shop").info("showing")
    await asyncio.to_thread(logging.getLogger("old").info, "from a thread")
    return PlainTextResponse(f"{trace_id()} {baggage.get_baggage('tenant')} {request.path_params['id']}")


async def fail(_: Request) -> Response:
    raise LookupError("nothing here")


async def refuse(_: Request) -> Response:
    return PlainTextResponse("no", 503)


async def stream(_: Request) -> Response:
    async def parts() -> AsyncIterator[str]:
        for number in range(3):
            yield f"{trace_id()}{number}"

    return StreamingResponse(parts())


ROUTES = [
    Route("/items/{id}", show, methods=["GET", "POST"]),
    Route("/fail", fail),
    Route("/refuse", refuse),
    Route("/stream", stream),
    Route("/livez", refuse),
    Mount("/v1", routes=[Route("/items/{id}", show)]),
    Mount("/of/{tenant}", routes=[Route("/items/{id}", show)]),
    Mount("/static", app=PlainTextResponse("file")),
]


@pytest.fixture
def bench() -> Iterator[Bench]:
    memory, stream = InMemorySpanExporter(), io.StringIO()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    settings = ObservabilitySettings(log_format="json")
    layer = TelemetryMiddleware(
        Starlette(routes=ROUTES), provider.get_tracer("test"), silent_paths=settings.silent_paths
    )
    with configure_logging(settings, service="shop", environment="test", stream=stream):
        yield Bench(layer, memory, stream)


async def test_t05_a_request_is_a_server_span_of_stable_names(bench: Bench) -> None:
    """The span has the stable conventions' names and the route's template, and never the query."""
    await bench.get("/items/7", query="token=s3cr3t&s3cr3t", headers={"user-agent": "pytest"})

    assert bench.span.name == "GET /items/{id}"
    assert bench.span.kind is SpanKind.SERVER
    assert dict(bench.span.attributes or {}) == {
        "http.request.method": "GET",
        "url.path": "/items/7",
        "url.scheme": "http",
        "url.query": "token=REDACTED&REDACTED",
        "network.protocol.version": "1.1",
        "server.address": "shop.test",
        "server.port": 3000,
        "client.address": "10.0.0.7",
        "user_agent.original": "pytest",
        "http.route": "/items/{id}",
        "http.response.status_code": 200,
    }
    assert "s3cr3t" not in bench.stream.getvalue()


async def test_t01_the_callers_trace_is_continued(bench: Bench) -> None:
    """A traceparent makes the span a child, and the caller's baggage is there for the application."""
    sent = await bench.get(
        "/items/7", headers={"traceparent": f"00-{TRACE}-{PARENT}-01", "baggage": "tenant=acme"}
    )

    assert bench.span.context is not None
    assert f"{bench.span.context.trace_id:032x}" == TRACE
    assert bench.span.parent is not None
    assert f"{bench.span.parent.span_id:016x}" == PARENT
    assert sent[1]["body"].decode() == f"{TRACE} acme 7"


@pytest.mark.parametrize(
    "header", ["", "00-xyz", f"00-{'0' * 32}-{PARENT}-01", "ff-1-2-3", "\xff\xfe", "00-" + "a" * 5000]
)
async def test_t01_a_malformed_traceparent_begins_a_new_trace(bench: Bench, header: str) -> None:
    """A header that is no traceparent is passed over: a new trace, no error."""
    sent = await bench.get("/items/7", headers={"traceparent": header})

    assert bench.span.parent is None
    assert sent[0]["status"] == 200


async def test_t02_every_line_of_a_request_has_its_trace(bench: Bench) -> None:
    """The application's lines, those from threads and the access line carry the span's ids."""
    await bench.get("/items/7")

    assert bench.span.context is not None
    expected = f"{bench.span.context.trace_id:032x}"
    assert [line["event"] for line in bench.lines] == ["showing", "from a thread", "http.request"]
    assert {line["trace_id"] for line in bench.lines} == {expected}
    access = bench.lines[-1]
    assert (access["method"], access["route"], access["path"], access["status"]) == (
        "GET",
        "/items/{id}",
        "/items/7",
        200,
    )
    assert access["duration_ms"] > 0


async def test_a_failure_is_an_error_everywhere(bench: Bench) -> None:
    """An exception reaches the server, and stands on the span, in the metric and in the line."""
    with pytest.raises(LookupError) as raised:
        await bench.get("/fail")
    logging.getLogger("uvicorn.error").error("Exception in ASGI application", exc_info=raised.value)

    assert bench.span.status.status_code is StatusCode.ERROR
    assert bench.span.attributes is not None
    assert bench.span.attributes["error.type"] == "LookupError"
    assert bench.span.attributes["http.response.status_code"] == 500
    assert bench.span.events[0].name == "exception"
    assert bench.durations()[0]["error.type"] == "LookupError"
    access, server = bench.lines
    assert access["error_type"] == "LookupError"
    assert server["trace_id"] == access["trace_id"], "the server logs after the span is over"


async def test_a_server_error_status_is_an_error(bench: Bench) -> None:
    """A 5xx answer marks the span as failed, with the status as its type; a 4xx does not."""
    await bench.get("/refuse")
    await bench.get("/nowhere")

    refused, missing = bench.memory.get_finished_spans()
    assert refused.status.status_code is StatusCode.ERROR
    assert refused.attributes is not None
    assert refused.attributes["error.type"] == "503"
    assert missing.status.status_code is StatusCode.UNSET
    assert missing.name == "GET"


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v1/items/1", "/v1/items/{id}"),
        ("/static/a/b.css", "/static"),
        ("/of/acme/items/1", "/items/{id}"),
        ("/nowhere/123", ""),
    ],
)
async def test_t05_a_route_is_a_template_and_never_a_path(bench: Bench, path: str, route: str) -> None:
    """Metrics and lines name the template, with literal mounts, so that series stay few."""
    await bench.get(path)

    assert bench.durations()[0].get("http.route", "") == route
    assert bench.lines[-1]["route"] == route


@pytest.mark.parametrize("path", ["/livez", "/health/db", "/metrics"])
async def test_t05_probes_are_silent(bench: Bench, path: str) -> None:
    """A probe leaves no span, no line and no metric."""
    await bench.get(path)

    assert bench.memory.get_finished_spans() == ()
    assert bench.lines == []
    assert list(bench.layer.measurements()) == []


async def test_an_unknown_method_is_one_series(bench: Bench) -> None:
    """Methods that HTTP does not know count as _OTHER; the span keeps the original."""
    await bench.get("/items/1", method="BREW")

    assert bench.durations()[0]["http.request.method"] == "_OTHER"
    assert bench.span.attributes is not None
    assert bench.span.attributes["http.request.method_original"] == "BREW"


async def test_t05_a_duration_falls_into_its_bucket(bench: Bench) -> None:
    """The histogram has the fourteen stable buckets in seconds, and requests in flight are a gauge."""
    await bench.get("/items/1")
    await bench.get("/items/2")

    active, duration = bench.layer.measurements()
    assert (active.name, active.value) == ("http.server.active_requests", 0)
    assert duration.unit == "s"
    assert duration.bounds == (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
    assert len(duration.counts) == 15
    assert sum(duration.counts) == 2
    assert duration.value > 0


async def test_a_stream_belongs_to_its_request(bench: Bench) -> None:
    """Every part of a streamed answer is made within the span, and the span ends once, after the last."""
    sent = await bench.get("/stream")

    assert bench.span.context is not None
    body = b"".join(message.get("body", b"") for message in sent).decode()
    assert body.count(f"{bench.span.context.trace_id:032x}") == 3
    assert trace_id() == ""


async def test_t09_an_abandoned_stream_ends_its_span_once(bench: Bench) -> None:
    """When the client goes, the span ends once, the current span is clean and nothing is complained about."""
    begun = asyncio.Event()

    async def endless(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        begun.set()
        await asyncio.Event().wait()

    async def drop(_: Any) -> None:
        return

    async def nothing() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    layer = TelemetryMiddleware(endless, bench.layer._tracer)
    task = asyncio.create_task(layer(scope("/events"), nothing, drop))
    await begun.wait()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task

    assert bench.span.attributes is not None
    assert bench.span.attributes["error.type"] == "asyncio.exceptions.CancelledError"
    assert [line["event"] for line in bench.lines] == ["http.request"]
    assert not trace.get_current_span().get_span_context().is_valid
    active = next(iter(layer.measurements()))
    assert active.value == 0


async def test_a_connection_does_not_inherit_the_one_before(bench: Bench) -> None:
    """A request without traceparent is a new trace, even if a span is current where it is served."""
    with bench.layer._tracer.start_as_current_span("left over"):
        await bench.get("/items/1")

    served = next(span for span in bench.memory.get_finished_spans() if span.kind is SpanKind.SERVER)
    assert served.parent is None


async def test_without_tracing_the_rest_remains() -> None:
    """With a no-op tracer there is no trace id, the request is still answered, counted and logged."""
    stream = io.StringIO()
    layer = TelemetryMiddleware(Starlette(routes=ROUTES), NoOpTracer())
    with configure_logging(
        ObservabilitySettings(log_format="json"), service="s", environment="t", stream=stream
    ):
        bench = Bench(layer, InMemorySpanExporter(), stream)
        sent = await bench.get("/items/7", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})

    assert sent[1]["body"].decode() == " None 7"
    assert bench.durations()[0]["http.route"] == "/items/{id}"
    assert "trace_id" not in bench.lines[-1]


async def test_the_access_line_can_be_left_out() -> None:
    """`access_log=False` leaves the span and the metrics, and no line."""
    with structlog.testing.capture_logs() as logs:
        layer = TelemetryMiddleware(Starlette(routes=ROUTES), NoOpTracer(), access_log=False)
        await Bench(layer, InMemorySpanExporter(), io.StringIO()).get("/refuse")

    assert logs == []


async def test_other_connections_pass_through() -> None:
    """What is no HTTP request (lifespan, WebSocket) goes to the application untouched."""
    seen: list[str] = []

    async def app(scope: Any, _: Any, __: Any) -> None:
        seen.append(scope["type"])

    async def nothing(*_: Any) -> Any:
        return {}

    await TelemetryMiddleware(app, NoOpTracer())({"type": "lifespan"}, nothing, nothing)

    assert seen == ["lifespan"]
