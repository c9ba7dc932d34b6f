"""What an operation says about itself: results that are failures, its own rules, its own interval; offloaded methods
and async context managers.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any, assert_type

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from arbiter.clock import SystemClock
from arbiter.errors import DeadlineExceeded
from arbiter.operation import offloaded, operation
from arbiter.resilience.bulkhead import Saturated
from arbiter.resilience.guard import Guard
from arbiter.resilience.proxy import guarded, inner, swap
from arbiter.resilience.registry import BreakerRegistry
from arbiter.resilience.settings import ResilienceSettings
from arbiter.resilience.states import CircuitOpen, UnwantedResult
from arbiter.testing.live import Fixed
from tests.resilience.kit import Log, OwnError, World, turns

WHO: ContextVar[str] = ContextVar("who", default="nobody")


class Bank:
    """A component whose methods say something about themselves."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.entered: list[str] = []
        self.threads: set[str] = set()

    @operation(fails_if=lambda status: status >= 500)
    async def post(self, status: int) -> int:
        """A response."""
        return status

    @operation(fails_if=lambda status: status >= 500)
    def get(self, status: int) -> int:
        """The same, on the caller's thread."""
        return status

    @operation(fails_if=lambda status: status["x"])
    async def odd(self, status: int) -> int:
        """Its predicate does not fit its result."""
        return status

    @operation(ignore=(KeyError,), answers=(IndexError,))
    async def find(self, error: Exception | None = None) -> None:
        """Raise it."""
        if error is not None:
            raise error

    @operation(record=(OSError,), open_interval_s=lambda attempt: 3.0 + attempt)
    async def send(self, error: Exception | None = None) -> None:
        """Raise it."""
        if error is not None:
            raise error

    @operation(span_attributes=("seconds",))
    @offloaded
    def crunch(self, seconds: float = 0.0, *, error: BaseException | None = None) -> str:
        """Block a thread."""
        self.threads.add(threading.current_thread().name)
        if seconds:
            self.release.wait(seconds)
        if error is not None:
            raise error
        return WHO.get()

    @asynccontextmanager
    async def transaction(self, error: Exception | None = None, wait: float = 0.0) -> AsyncIterator[str]:
        """Get in, and out."""
        self.entered.append("in")
        if wait:
            await asyncio.get_running_loop().create_future()
        yield "transaction"
        self.entered.append("out")
        if error is not None:
            raise error

    @contextmanager
    def locked(self) -> Any:
        """A plain context manager."""
        yield "locked"

    def rows(self, count: int) -> AsyncIterator[int]:
        """A plain method that makes an async generator."""

        async def each() -> AsyncIterator[int]:
            """One after the other."""
            for number in range(count):
                yield number

        return each()


def _bank(world: World) -> Bank:
    return guarded(Bank)(guard=world.guard)


def _counts(guard: Guard, operation_name: str) -> dict[str, int]:
    return {
        dict(m.attributes)["outcome"]: int(m.value)
        for m in guard.measurements()
        if m.name == "arbiter.operation.calls" and dict(m.attributes)["operation"] == operation_name
    }


@pytest.mark.parametrize("keys", [{}, {"timeout_ms": 0}], ids=["with a deadline", "counts only"])
async def test_a15_a_result_may_be_a_failure(keys: dict[str, Any]) -> None:
    """Three responses of status 503 open the circuit, and each caller received its own."""
    world = World(**keys)
    bank = _bank(world)

    seen = [await bank.post(status) for status in (503, 200, 500, 502, 503)]
    with pytest.raises(CircuitOpen) as caught:
        await bank.post(200)

    assert seen == [503, 200, 500, 502, 503]
    assert _counts(world.guard, "bank.post") == {"success": 1, "failure": 4, "rejected": 1}
    assert isinstance(caught.value.last_failure, UnwantedResult)
    assert caught.value.last_failure.result == 503


def test_a15_a_plain_methods_result_is_judged_too() -> None:
    """On its caller's thread."""
    world = World()
    bank = _bank(world)

    assert [bank.get(503) for _ in range(3)] == [503] * 3
    with pytest.raises(CircuitOpen):
        bank.get(200)


async def test_a15_a_predicate_that_raises_ends_the_call() -> None:
    """As the method itself would: its caller sees the error, it is a failure, and nothing stays in flight."""
    world = World()
    bank = _bank(world)

    with pytest.raises(TypeError):
        await bank.odd(200)

    assert _counts(world.guard, "bank.odd") == {"failure": 1}
    assert world.guard._seams["bank.odd"].tally.running == 0


def test_a15_what_yields_has_no_result_to_judge() -> None:
    """A predicate on a generator is refused when the proxy is made."""

    class Feed:
        """Yields."""

        @operation(fails_if=bool)
        async def items(self) -> AsyncIterator[int]:
            """One."""
            yield 1

    with pytest.raises(TypeError, match=r"Feed\.items: fails_if"):
        guarded(Feed)(guard=World().guard)


async def test_an_operation_may_have_rules_of_its_own() -> None:
    """More to ignore and more answers than the guard knows; what it records replaces the guard's."""
    world = World(failure_threshold=1)
    bank = _bank(world)

    for error in (
        KeyError(),
        ExceptionGroup("both", [KeyError(), IndexError()]),
        CircuitOpen("other", "open"),
    ):
        with pytest.raises(type(error)):
            await bank.find(error)
    with pytest.raises(IndexError):
        await bank.find(IndexError())
    with pytest.raises(OwnError):
        await bank.send(OwnError())
    states = [world.breakers.get(f"bank.{name}").current_state for name in ("find", "send")]
    with pytest.raises(ConnectionError):
        await bank.send(ConnectionError())

    assert states == ["closed", "closed"]
    assert _counts(world.guard, "bank.find") == {"ignored": 3, "answer": 1}
    assert _counts(world.guard, "bank.send") == {"answer": 1, "failure": 1}
    assert world.breakers.get("bank.send").retry_after_s == 3.0


def _real(**settings: Any) -> tuple[Guard, BreakerRegistry, Bank, Log]:
    live, clock, log = Fixed(ResilienceSettings.model_validate(settings)), SystemClock(), Log()
    breakers = BreakerRegistry(live, clock)
    guard = Guard(live, breakers, None, clock, log)
    return guard, breakers, guarded(Bank)(guard=guard), log


async def test_f51_a_pool_that_is_full_is_neutral() -> None:
    """Six hung calls fail one by one by their deadline; a seventh is rejected as saturated, and what comes late is
    ignored.
    """
    guard, breakers, bank, log = _real(offload_threads=6, timeout_ms=20, failure_threshold=100)

    hung = await asyncio.gather(*(bank.crunch(30) for _ in range(6)), return_exceptions=True)
    with pytest.raises(Saturated, match="offload_threads") as caught:
        await bank.crunch()
    failures = breakers.get("bank.crunch").fail_counter
    bank.release.set()
    while _busy(guard):  # noqa: ASYNC110  a thread ends it
        await asyncio.sleep(0.001)
    result = await bank.crunch()

    assert [type(error) for error in hung] == [DeadlineExceeded] * 6
    assert (caught.value.operation, caught.value.limit) == ("bank.crunch", 6)
    assert (failures, breakers.get("bank.crunch").fail_counter) == (6, 0)
    assert result == "nobody"
    assert _counts(guard, "bank.crunch") == {"success": 1, "timeout": 6, "saturated": 1}
    assert guard._seams["bank.crunch"].tally.running == 0
    assert [event.reason for event in log.rejections] == ["saturated"]
    assert _measured(guard, "arbiter.offload.abandoned") == 6
    assert len(inner(bank).threads) <= 6


def _measured(guard: Guard, name: str) -> float:
    return next(m.value for m in guard.measurements() if m.name == name)


def _busy(guard: Guard) -> float:
    return _measured(guard, "arbiter.offload.busy")


async def test_an_offloaded_method_is_awaited_and_runs_on_its_components_thread() -> None:
    """With its caller's context variables, its errors, and the loop going on; a stand-in's own method is awaited."""
    _, breakers, bank, _ = _real(failure_threshold=1)
    assert_type(await bank.crunch(), str)
    WHO.set("the caller")

    ticks, call = 0, asyncio.ensure_future(bank.crunch(0.02))
    while not call.done():
        await asyncio.sleep(0.001)
        ticks += 1
    with pytest.raises(RuntimeError) as wrapped:
        await bank.crunch(error=StopIteration())
    open_now = breakers.get("bank.crunch").current_state

    assert (await call, ticks > 2) == ("the caller", True)
    assert isinstance(wrapped.value.__cause__, StopIteration)
    assert open_now == "open"
    assert all(name.startswith("arbiter.offload.bank") for name in inner(bank).threads)


async def test_an_offloaded_method_works_without_a_guard() -> None:
    """A component that is not guarded awaits the same method; a stand-in behind the guard need not be offloaded."""
    _, _, bank, _ = _real()

    class Quick:
        """A stand-in."""

        async def crunch(self, seconds: float = 0.0, *, error: object = None) -> str:
            """At once."""
            return f"{seconds}, {error}"

    by_itself = await Bank().crunch()
    swap(bank, Quick())

    assert by_itself == "nobody"
    assert await bank.crunch(2.0) == "2.0, None"


async def test_a_blocking_body_is_measured() -> None:
    """No deadline can end what blocks the loop: its value is returned, and that it overran is counted."""
    guard, _, _, _ = _real()

    class Blocking:
        """Does not await."""

        async def work(self) -> str:
            """Block."""
            time.sleep(0.02)  # noqa: ASYNC251  what is tested
            return "late"

    live = Fixed(ResilienceSettings(timeout_ms=5))
    guard = Guard(live, BreakerRegistry(live, SystemClock()), None, SystemClock())
    answer = await guarded(Blocking)(guard=guard).work()

    assert answer == "late"
    assert _measured(guard, "arbiter.operation.overran") == 1
    assert _measured(guard, "arbiter.operation.duration") >= 0.02


async def test_an_async_context_manager_is_one_call() -> None:
    """Getting in and out is the call; how long the body takes is not, and no deadline runs meanwhile."""
    world = World()
    bank = _bank(world)

    async with bank.transaction() as entered:
        world.clock.advance(50)
        await turns()
        counted = _counts(world.guard, "bank.transaction")

    assert (entered, inner(bank).entered, counted) == ("transaction", ["in", "out"], {})
    assert _counts(world.guard, "bank.transaction") == {"success": 1}
    assert _duration(world, "bank.transaction") == 0


def _duration(world: World, operation_name: str) -> float:
    return next(
        m.value
        for m in world.guard.measurements()
        if m.name == "arbiter.operation.duration" and ("operation", operation_name) in m.attributes
    )


async def test_an_error_on_the_way_out_is_the_calls() -> None:
    """A commit that fails is a failure; a body that raises is neutral, and its error is unchanged."""
    world = World(failure_threshold=1)
    bank = _bank(world)

    with pytest.raises(OwnError):
        async with bank.transaction():
            raise OwnError
    between = world.breakers.get("bank.transaction").current_state
    with pytest.raises(ConnectionError):
        async with bank.transaction(ConnectionError()):
            pass
    with pytest.raises(CircuitOpen):
        async with bank.transaction():
            pass

    assert between == "closed"
    assert _counts(world.guard, "bank.transaction") == {"ignored": 1, "failure": 1, "rejected": 1}


async def test_the_way_in_has_a_deadline() -> None:
    """A context manager that cannot be entered in time is a time-out."""
    world = World()
    bank = _bank(world)

    async def enter() -> None:
        """Wait."""
        async with bank.transaction(wait=9):
            pass

    task = asyncio.ensure_future(enter())
    await turns()
    world.clock.advance(1)

    with pytest.raises(DeadlineExceeded):
        await task
    assert _counts(world.guard, "bank.transaction") == {"timeout": 1}


async def test_the_span_of_a_context_manager_is_not_its_bodys() -> None:
    """It is current on the way in and out only."""
    world = World(tracer=TracerProvider(shutdown_on_exit=False).get_tracer("test"))

    async with _bank(world).transaction():
        inside = trace.get_current_span()

    assert inside is trace.INVALID_SPAN
    assert trace.get_current_span() is trace.INVALID_SPAN


async def test_a_generator_that_a_plain_method_made_is_guarded() -> None:
    """It is one call, as if the method were an async generator itself; a plain context manager is none."""
    world = World()
    bank = _bank(world)

    found = [number async for number in bank.rows(3)]
    with bank.locked() as locked:
        pass

    assert (found, locked) == ([0, 1, 2], "locked")
    assert _counts(world.guard, "bank.rows") == {"success": 1}
    assert "bank.locked" not in {status.name for status in world.breakers.list()}
