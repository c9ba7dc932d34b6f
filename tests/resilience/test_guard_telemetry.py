"""Spans and measurements of guarded calls."""

from __future__ import annotations

import asyncio
import pickle

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NoOpTracer, StatusCode

from arbiter.errors import DeadlineExceeded, NotFound, Rejected
from arbiter.events import CallEnded, EventBus
from arbiter.observability.events_span import SpanEvents
from arbiter.operation import operation
from arbiter.resilience.bulkhead import Saturated
from arbiter.resilience.deadline import Deadlines
from arbiter.resilience.guard import Guard
from arbiter.resilience.outcome import Rules
from arbiter.resilience.proxy import guarded
from arbiter.resilience.registry import BreakerRegistry, BreakerUnknown
from arbiter.resilience.states import CircuitOpen, TransitionRefused, UnwantedResult
from arbiter.testing.clock import FakeClock
from tests.resilience.kit import OwnError, Pay, World, ended


class Traced:
    """A world with a tracer whose spans can be read."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = provider.get_tracer("test")
        self.world = World(tracer=self.tracer)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """What has ended."""
        return self.exporter.get_finished_spans()


class Nested:
    """Says which span it runs in, and calls a neighbour."""

    @operation(span_attributes=("city", "count", "extra"))
    async def ask(self, city: str, *, count: int = 1, extra: object = None) -> trace.Span:
        """The current span."""
        return trace.get_current_span()


async def test_a_calls_span_is_current_while_the_method_runs() -> None:
    """It is named after the operation, carries the named arguments that are plain values, and is gone afterwards."""
    traced = Traced()
    nested = guarded(Nested)(guard=traced.world.guard)

    inside = await nested.ask("Oslo", extra=object())

    [span] = traced.spans
    assert inside.get_span_context() == span.get_span_context()
    assert (span.name, dict(span.attributes or {})) == ("nested.ask", {"city": "Oslo", "count": 1})
    assert trace.get_current_span() is trace.INVALID_SPAN


async def test_a_failure_is_recorded_on_the_span() -> None:
    """Exception and error status for failures and deadlines; none for answers and cancellation."""
    traced = Traced()
    world = traced.world
    await world.call(OwnError())
    await world.call(NotFound("no"))
    (late, _), (cancelled, _) = await world.begin(2)
    cancelled.cancel()
    await ended(cancelled)
    world.clock.advance(1)
    await ended(late)

    found = [(span.status.status_code, [event.name for event in span.events]) for span in traced.spans]

    assert found == [
        (StatusCode.ERROR, ["exception"]),
        (StatusCode.UNSET, []),
        (StatusCode.UNSET, []),
        (StatusCode.ERROR, ["exception"]),
    ]
    assert trace.get_current_span() is trace.INVALID_SPAN


async def test_a_transition_is_an_event_of_the_span_of_the_call_that_caused_it() -> None:
    """Exactly one, on the third failure's span; a rejection is noted on its caller's."""
    traced = Traced()
    world = traced.world
    sinks = EventBus([SpanEvents()])
    breakers = BreakerRegistry(world.live, world.clock, sinks)
    pay = guarded(Pay)(guard=Guard(world.live, breakers, traced.tracer, world.clock, sinks))
    for _ in range(3):
        await ended(asyncio.ensure_future(pay.charge(OwnError())))
    with traced.tracer.start_as_current_span("caller"):
        await ended(asyncio.ensure_future(pay.charge()))

    noted = [
        (span.name, event.name, dict(event.attributes or {}))
        for span in traced.spans
        for event in span.events
    ]
    changes = [one for one in noted if one[1] != "exception"]

    assert changes == [
        (
            "pay.charge",
            "circuit_breaker.changed",
            {"operation": "pay.charge", "old": "closed", "new": "open"},
        ),
        ("caller", "call.rejected", {"operation": "pay.charge", "reason": "open"}),
    ]


class Untouchable(NoOpTracer):
    """A no-op tracer that must not be used."""

    def start_span(self, *args: object, **kwargs: object) -> trace.Span:
        """Fail."""
        raise AssertionError("span work with a no-op tracer")


async def test_a_no_op_tracer_is_never_asked() -> None:
    """No span work at all is done where spans go nowhere."""
    world = World(tracer=Untouchable())

    assert await world.call("fine") == "fine"


async def test_calls_are_measured_by_outcome_and_duration() -> None:
    """Counters by outcome, a histogram with bounds in seconds, the sum, and calls in flight."""
    world = World(timeout_ms=0)
    [(task, future)] = await world.begin()
    world.clock.advance(0.3)
    await world.call("quick")
    flying = _of(world, "arbiter.operation.in_flight")
    future.set_result(None)
    await task

    histogram = next(
        m
        for m in world.guard.measurements()
        if m.name == "arbiter.operation.duration" and ("operation", "pay.charge") in m.attributes
    )
    buckets = dict(zip((*histogram.bounds, float("inf")), histogram.counts, strict=True))

    assert flying == [1]
    assert {bound: count for bound, count in buckets.items() if count} == {0.0005: 1, 0.5: 1}
    assert _of(world, "arbiter.operation.calls") == [2]
    assert _of(world, "arbiter.operation.duration") == [pytest.approx(0.3)]


def _of(world: World, name: str) -> list[float]:
    return [
        m.value
        for m in world.guard.measurements()
        if m.name == name and ("operation", "pay.charge") in m.attributes
    ]


class Unportable(Exception):
    """As many a library's: its arguments are not those of its constructor."""

    def __init__(self, code: int, *, url: str) -> None:
        super().__init__(f"{code} from {url}")


@pytest.mark.parametrize(
    "error",
    [
        CircuitOpen("a.b", "open", 1.5, OwnError("why")),
        CircuitOpen("a.b", "half-open"),
        Saturated("a.b", 3),
        DeadlineExceeded("a.b", 0.5),
        TransitionRefused("a.b", "closed", "half-open"),
        UnwantedResult("a.b", 503),
        BreakerUnknown("a.c", ("a.b",)),
    ],
)
def test_errors_survive_pickling(error: Exception) -> None:
    """Their fields and words arrive in another process."""
    arrived = pickle.loads(pickle.dumps(error))  # noqa: S301  our own bytes

    assert type(arrived) is type(error)
    assert str(arrived) == str(error)
    assert vars(arrived) == vars(error)


def test_a_rejection_arrives_without_a_failure_that_does_not() -> None:
    """What opened the circuit may be an exception that cannot be pickled."""
    rejection = CircuitOpen("a.b", "open", 1.5, Unportable(503, url="http://a"))

    arrived = pickle.loads(pickle.dumps(rejection))  # noqa: S301  our own bytes

    assert (arrived.name, arrived.state, arrived.retry_after_s) == ("a.b", "open", 1.5)
    assert arrived.last_failure is None


def test_queues_of_closed_loops_are_let_go() -> None:
    """A guard that outlives its loops does not keep them."""
    deadlines = Deadlines(FakeClock())

    async def touch() -> None:
        """Use a queue in this loop."""
        deadlines.queue(asyncio.get_running_loop(), 1.0)

    for _ in range(3):
        asyncio.run(touch())

    assert len(deadlines._queues) == 1


async def test_every_outcome_but_success_is_an_event() -> None:
    """With its duration and the error's type, of coroutine methods and plain ones; a success is a count."""
    world = World(rules=Rules(ignore=(Rejected, KeyError)), failure_threshold=100)
    ends: list[object] = ["fine", OwnError(), NotFound("no"), KeyError(), asyncio.CancelledError()]

    for end in ends:
        await world.call(end)
    [(late, _)] = await world.begin()
    world.clock.advance(1)
    await ended(late)
    with pytest.raises(OwnError):
        world.pay.price(OwnError())

    told = [(e.name, e.outcome, e.duration_s, e.error) for e in world.log.events if isinstance(e, CallEnded)]
    assert told == [
        ("pay.charge", "failure", 0, "OwnError"),
        ("pay.charge", "answer", 0, "NotFound"),
        ("pay.charge", "ignored", 0, "KeyError"),
        ("pay.charge", "cancelled", 0, "CancelledError"),
        ("pay.charge", "timeout", 1, "DeadlineExceeded"),
        ("pay.price", "failure", 0, "OwnError"),
    ]
