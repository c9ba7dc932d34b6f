"""The cost of a guarded call: closed circuit, success, CPU time.

Cost is a call through the proxy minus the same method with the same arguments called directly; a unit is one bare
`await` of an empty coroutine function, both of the same run. Where a limit is in microseconds, it stands twice: as
measured, and as it would be where a unit is 56 ns, as on the machine that the limits are from; the second does not
depend on the machine.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from types import FunctionType
from typing import Any, Final

import aiobreaker
import circuitbreaker
import interlock
import purgatory
import pybreaker
from hyx.circuitbreaker import consecutive_breaker
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from opentelemetry.trace import NoOpTracer, Tracer

from arbiter.clock import SystemClock
from arbiter.resilience.guard import Guard
from arbiter.resilience.proxy import guarded
from arbiter.resilience.registry import BreakerRegistry
from arbiter.resilience.settings import ResilienceSettings
from arbiter.resilience.states import CircuitOpen
from arbiter.testing.live import Fixed
from benchmarks.harness import Row, interleaved

__all__ = ["rows"]

Calls = Callable[[int], Awaitable[None]]

_UNIT_NS = 56
"""A bare await on the machine that the limits were set on (CPython 3.11.7)."""

_TURN = 64
"""Calls per turn of the event loop, so that cancelled timers are purged inside the measurement."""


def rows() -> list[Row]:
    """The rows of the table: each configuration beside its limit and beside what it replaces."""
    recorded, dropped = _tracer(ALWAYS_ON), _tracer(ALWAYS_OFF)
    cases: dict[str, Calls] = {
        "loop": _empty_loop,
        "bare": _bare,
        "direct": _takes(_stock()()),
        "breaker": _takes(_proxy(measure=False, timeout_ms=0)),
        "counts": _takes(_proxy(timeout_ms=0)),
        "deadline": _takes(_proxy()),
        "dropped": _takes(_proxy(dropped)),
        "recorded": _takes(_proxy(recorded)),
        **{name: peer() for name, peer in _PEERS.items()},
        "stack no-op": _stack(NoOpTracer()),
        "stack dropped": _measured_stack(dropped),
        "stack recorded": _measured_stack(recorded),
        "raises": _fails(_stock()()),
        "failing": _fails(_proxy(failure_threshold=1_000_000)),
        "rejected": _fails(_open_proxy()),
    }
    cost = interleaved({name: _timed(calls) for name, calls in cases.items()}, rounds=41, calls=2048)
    return _table({name: (seconds - cost["loop"]) * 1e9 for name, seconds in cost.items()})


def _table(ns: dict[str, float]) -> list[Row]:
    unit = ns["bare"]
    added = {name: ns[name] - ns["direct"] for name in ns}
    added["failing"] = ns["failing"] - ns["raises"]
    return [
        Row("a bare await (1 unit)", unit, "the limits' machine", _UNIT_NS, "ns", "-"),
        _in_units("guard: breaker only", added["breaker"] / unit, 4),
        _in_units("guard: + counts, histogram", added["counts"] / unit, 8),
        _in_units("guard: + deadline, no tracer", added["deadline"] / unit, 22),
        *(Row("guard: breaker only", added["breaker"], name, added[name], "ns", "< peer") for name in _PEERS),
        _stacked("guard: + deadline, no tracer", added["deadline"], added["stack no-op"], "<= 1/7"),
        *_limited("guard: span dropped", added["dropped"], unit, 8),
        _stacked("guard: span dropped", added["dropped"], added["stack dropped"], "<= 1/3"),
        *_limited("guard: span recorded", added["recorded"], unit, 18),
        _stacked("guard: span recorded", added["recorded"], added["stack recorded"], "<= 0.4"),
        *_limited("guard: rejection", added["rejected"], unit, 1),
        *_limited("guard: failing call", added["failing"], unit, 2),
    ]


def _in_units(measure: str, units: float, limit: float) -> Row:
    return Row(measure, units, "the limit", limit, "units", f"<= {limit:g} units")


def _limited(measure: str, ns: float, unit: float, limit_us: float) -> list[Row]:
    """What is limited in microseconds: as measured, and where a unit is 56 ns."""
    normal = ns / unit * _UNIT_NS
    return [
        Row(measure, ns / 1e3, "the limit", limit_us, "us", f"<= {limit_us:g} us"),
        Row(f"{measure}, at 56 ns a unit", normal / 1e3, "the limit", limit_us, "us", f"<= {limit_us:g} us"),
    ]


def _stacked(measure: str, ns: float, stack_ns: float, target: str) -> Row:
    return Row(measure, ns / 1e3, "hand-made stack", stack_ns / 1e3, "us", target)


def _timed(calls: Calls) -> Callable[[int], float]:
    return lambda count: asyncio.run(_spent(calls, count))


async def _spent(calls: Calls, count: int) -> float:
    began = time.thread_time()
    for _ in range(count // _TURN):
        await calls(_TURN)
        await asyncio.sleep(0)
    return time.thread_time() - began


# What is called.


def _stock() -> type[Any]:
    """A class of its own for each case: a process has one kind of guard, and its inline caches are not shared."""

    class Stock:
        async def take(self, sku: str, *, count: int = 1) -> int:  # noqa: ARG002  a call with arguments
            return count

        async def fail(self, sku: str, *, count: int = 1) -> int:  # noqa: ARG002  a call with arguments
            raise _ERROR

    return Stock


_ERROR = ConnectionError("down")


def _proxy(tracer: Tracer | None = None, *, measure: bool = True, **settings: int) -> Any:
    live, clock = Fixed(ResilienceSettings.model_validate(settings)), SystemClock()
    guard = Guard(live, BreakerRegistry(live, clock), tracer, clock, measure=measure)
    return guarded(_stock())(guard=guard)


def _open_proxy() -> Any:
    live, clock = Fixed(ResilienceSettings()), SystemClock()
    breakers = BreakerRegistry(live, clock)
    proxy = guarded(_stock())(guard=Guard(live, breakers, None, clock))
    breakers.open("stock.fail")
    return proxy


class _Discard(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002  discarded
        return SpanExportResult.SUCCESS


def _tracer(sampler: Sampler) -> Tracer:
    provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(_Discard()))
    return provider.get_tracer("benchmark")


# Who calls. Each loop is written out, so that nothing but the call is measured, and gets a code object of its own.


def _fresh(function: Any) -> Any:
    return FunctionType(
        function.__code__.replace(), function.__globals__, function.__name__, closure=function.__closure__
    )


async def _empty_loop(count: int) -> None:
    for _ in range(count):
        pass


async def _nothing() -> None:
    pass


async def _bare(count: int) -> None:
    for _ in range(count):
        await _nothing()


def _takes(stock: Any) -> Calls:
    async def calls(count: int) -> None:
        for _ in range(count):
            await stock.take("a", count=2)

    fresh: Calls = _fresh(calls)
    return fresh


def _fails(stock: Any) -> Calls:
    async def calls(count: int) -> None:
        for _ in range(count):
            _ERROR.__traceback__ = None
            try:  # noqa: SIM105  suppress() would be part of what is measured
                await stock.fail("a", count=2)
            except (ConnectionError, CircuitOpen):
                pass

    fresh: Calls = _fresh(calls)
    return fresh


def _pybreaker() -> Calls:
    stock, breaker = _stock()(), pybreaker.CircuitBreaker()

    async def calls(count: int) -> None:
        for _ in range(count):
            with breaker.calling():
                await stock.take("a", count=2)

    return calls


def _purgatory() -> Calls:
    stock = _stock()()
    factory = purgatory.AsyncCircuitBreakerFactory()

    async def calls(count: int) -> None:
        breaker = await factory.get_breaker("stock.take")
        for _ in range(count):
            async with breaker:
                await stock.take("a", count=2)

    return calls


def _decorated(decorate: Callable[[Any], Any]) -> Calls:
    take = decorate(_stock()().take)

    async def calls(count: int) -> None:
        for _ in range(count):
            await take("a", count=2)

    fresh: Calls = _fresh(calls)
    return fresh


_PEERS: Final[dict[str, Callable[[], Calls]]] = {
    "pybreaker.calling": _pybreaker,
    "aiobreaker": lambda: _decorated(aiobreaker.CircuitBreaker()()),  # its decorator, for methods
    "purgatory, breaker kept": _purgatory,
    "hyx": lambda: _decorated(consecutive_breaker()),
    "circuitbreaker": lambda: _decorated(circuitbreaker.CircuitBreaker()),
    "interlock-cb": lambda: _decorated(interlock.CircuitBreaker(name="stock.take")),
}
"""The other breakers, each in the cheapest of its ways that is awaited."""


def _stack(tracer: Tracer) -> Calls:
    stock, breaker = _stock()(), pybreaker.CircuitBreaker()

    async def take(sku: str, *, count: int = 1) -> Any:
        with tracer.start_as_current_span("stock.take"), breaker.calling():
            async with asyncio.timeout(5):
                return await stock.take(sku, count=count)

    async def calls(count: int) -> None:
        for _ in range(count):
            await take("a", count=2)

    return calls


def _measured_stack(tracer: Tracer) -> Calls:
    stock, breaker = _stock()(), pybreaker.CircuitBreaker()
    meter = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False).get_meter("benchmark")
    counter, histogram = meter.create_counter("calls"), meter.create_histogram("duration")

    async def take(sku: str, *, count: int = 1) -> Any:
        with tracer.start_as_current_span("stock.take"), breaker.calling():
            began = time.perf_counter()
            async with asyncio.timeout(5):
                result = await stock.take(sku, count=count)
            attributes = {"operation": "stock.take", "outcome": "success"}
            histogram.record(time.perf_counter() - began, attributes)
            counter.add(1, attributes)
            return result

    async def calls(count: int) -> None:
        for _ in range(count):
            await take("a", count=2)

    return calls
