"""Spans of users' own, and context that follows work into threads and over the wire."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
from opentelemetry import baggage, trace
from opentelemetry.context import attach, detach
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from arbiter.observability.outgoing import TracingTransport, outgoing
from arbiter.observability.settings import ObservabilitySettings
from arbiter.observability.telemetry import Telemetry
from arbiter.testing.live import Fixed
from arbiter.tracing import ContextThreadPool, in_context, span, traced


@pytest.fixture
def telemetry() -> Telemetry:
    """A telemetry that keeps its spans in memory."""
    return Telemetry(Fixed(ObservabilitySettings(exporter="memory")), environ={})


def names(telemetry: Telemetry) -> list[str]:
    """The spans that ended, in that order."""
    return [one.name for one in telemetry.memory.spans.spans]


@traced(name="price", attributes=("sku", "currency"))
async def price(sku: str, currency: str = "EUR", basket: object = None) -> int:
    """A function of a user."""
    await asyncio.sleep(0)
    return len(sku)


@traced
def fail() -> None:
    """Another one."""
    raise LookupError("none left")


@traced
async def parts(count: int) -> AsyncIterator[int]:
    """A stream of one."""
    for number in range(count):
        with span("part"):
            pass
        yield number


@traced
def numbers() -> Iterator[int]:
    """A generator of one."""
    yield 1
    yield 2


async def test_a_traced_call_is_a_child_of_the_span_around_it(telemetry: Telemetry) -> None:
    """`@traced` finds the tracer by the current span, and puts the arguments asked for onto its own."""
    with telemetry.tracer.start_as_current_span("request") as request:
        assert await price("abc", basket=object()) == 3

    made, _ = telemetry.memory.spans.spans
    assert made.name == "price"
    assert made.attributes == {"sku": "abc", "currency": "EUR"}
    assert made.parent_id == f"{request.get_span_context().span_id:016x}"


async def test_outside_of_a_trace_nothing_happens(telemetry: Telemetry) -> None:
    """Without a span around, and without a tracer given, a traced call is only a call."""
    assert await price("abc") == 3
    assert list(numbers()) == [1, 2]
    with span("own", tracer=telemetry.tracer):
        await price("abc")

    assert names(telemetry) == ["price", "own"]


def test_a_failure_is_recorded_and_goes_on(telemetry: Telemetry) -> None:
    """The exception reaches the caller, and stands on the span."""
    with telemetry.tracer.start_as_current_span("request"), pytest.raises(LookupError):
        fail()

    made = telemetry.memory.spans.spans[0]
    assert (made.name, made.status, made.events) == ("fail", "error", ("exception",))


def test_a_recorded_failure_holds_no_password() -> None:
    """Message and stack of an exception show an address without its password; an error without words is told by its type."""

    class Wordless(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    memory, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    address = "postgresql://app:hunter2@db.internal/shop"
    for error in (ConnectionError(f"cannot reach {address}"), Wordless()):
        with pytest.raises(type(error)), span("work", tracer=provider.get_tracer("test")):
            raise error

    first, second = (made.events[0].attributes or {} for made in memory.get_finished_spans())
    assert first["exception.type"] == "ConnectionError"
    assert first["exception.message"] == "cannot reach postgresql://app:******@db.internal/shop"
    assert "hunter2" not in str(first)
    assert "test_tracing.py" in str(first["exception.stacktrace"])
    assert str(second["exception.type"]).endswith("Wordless")


async def test_a_traced_stream_leaves_its_consumer_alone(
    telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    """The span of a generator is current inside it only, ends once however it is left, and no detach fails."""
    with telemetry.tracer.start_as_current_span("request") as request:
        async for _ in parts(3):
            assert trace.get_current_span() is request
            break  # left early: the generator is finished in another context
        async for _ in parts(2):
            assert trace.get_current_span() is request
        assert list(numbers()) == [1, 2]
    for _ in range(100):
        await asyncio.sleep(0)  # the loop finishes what was left early

    assert names(telemetry).count("parts") == 2
    part = next(one for one in telemetry.memory.spans.spans if one.name == "part")
    assert part.parent_id in {one.span_id for one in telemetry.memory.spans.spans if one.name == "parts"}
    assert "detach" not in caplog.text


def test_an_attribute_that_is_no_parameter_is_refused() -> None:
    """A misspelt parameter is an error where the function is defined."""
    with pytest.raises(TypeError, match="no parameter 'skuu'"):
        traced(attributes=("skuu",))(price)


async def test_t02_context_follows_work_into_threads(telemetry: Telemetry) -> None:
    """The pool, to_thread, run_in_executor, a bare thread and a task all see the span of whoever began the work."""

    def here() -> int:
        logging.getLogger("old").debug("at work")
        return trace.get_current_span().get_span_context().span_id

    def asked(_: int) -> int:
        return here()

    def note() -> None:
        found.append(here())

    async def later() -> int:
        return here()

    found: list[int] = []
    with ContextThreadPool(2) as pool, telemetry.tracer.start_as_current_span("request") as request:
        found.append(pool.submit(here).result())
        found.extend(pool.map(asked, [1, 2, 3]))
        found.append(await asyncio.get_running_loop().run_in_executor(pool, here))
        found.append(await asyncio.to_thread(here))
        found.append(await asyncio.create_task(later()))
        thread = threading.Thread(target=in_context(note))
        thread.start()
        thread.join()

    assert found == [request.get_span_context().span_id] * 8


async def test_t01_an_outgoing_call_carries_trace_state_and_baggage(telemetry: Telemetry) -> None:
    """The next service gets the same trace with the client span as parent, tracestate and baggage unchanged."""
    got: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        got.append(request)
        return httpx2.Response(503)

    carrier = {
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tracestate": "vendor=opaque,other=1",
        "baggage": "tenant=acme",
    }
    token = attach(telemetry.propagator.extract(carrier))
    transport = TracingTransport(httpx2.MockTransport(answer), tracer=telemetry.tracer)
    async with httpx2.AsyncClient(transport=transport) as client:
        await client.get("http://user:pw@next.test/items?token=s3cr3t&page")
    detach(token)

    call = telemetry.memory.spans.spans[0]
    headers = got[0].headers
    assert headers["traceparent"] == f"00-{call.trace_id}-{call.span_id}-01"
    assert call.trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert (headers["tracestate"], headers["baggage"]) == (carrier["tracestate"], carrier["baggage"])
    assert (call.status, call.attributes["error.type"]) == ("error", "503")
    assert call.attributes["url.full"] == "http://next.test/items?token=REDACTED&REDACTED"


def test_a_call_that_fails_says_so(telemetry: Telemetry) -> None:
    """What a call raises is on the client span, and reaches the caller."""
    with pytest.raises(TimeoutError), outgoing("GET", "https://next.test:8443/", tracer=telemetry.tracer):
        raise TimeoutError

    call = telemetry.memory.spans.spans[0]
    assert (call.status, call.attributes["error.type"]) == ("error", "TimeoutError")
    assert call.attributes["server.port"] == 8443


def test_baggage_goes_out_without_a_trace() -> None:
    """Baggage travels even where nothing is traced."""
    token = attach(baggage.set_baggage("tenant", "acme"))
    with outgoing("GET", "http://next.test/") as call:
        headers = call.headers
    detach(token)

    assert headers == {"baggage": "tenant=acme"}
