"""Ten thousand calls, a third of them cancelled, against a dependency that comes and goes: nothing is left behind."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from random import Random

import pytest

from arbiter.clock import SystemClock
from arbiter.errors import DeadlineExceeded, Rejected
from arbiter.events import BreakerChanged
from arbiter.resilience.guard import Guard
from arbiter.resilience.outcome import Outcome
from arbiter.resilience.proxy import guarded
from arbiter.resilience.registry import BreakerRegistry
from arbiter.resilience.settings import ResilienceSettings
from arbiter.testing.live import Fixed
from tests.resilience.kit import Log, OwnError

TASKS = 10_000
SETTINGS = ResilienceSettings(
    failure_threshold=5,
    success_threshold=2,
    timeout_ms=20,
    open_interval_ms=5,
    open_interval_max_ms=20,
    half_open_permits=3,
    half_open_max_age_ms=1_000,
)


class Flapping:
    """Answers, fails or hangs, in turns of a few hundred calls."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)  # noqa: S311  a repeatable storm
        self.invoked = 0

    async def ask(self) -> str:
        """Answer in a good phase; in a bad one, fail or hang until the deadline."""
        self.invoked += 1
        is_bad = self.invoked // 400 % 2
        await asyncio.sleep(self.rng.choice((0, 0, 0.001)))
        if is_bad and self.rng.random() < 0.8:
            raise OwnError
        if is_bad and self.rng.random() < 0.2:
            await asyncio.sleep(1)
        return "fine"


class Storm:
    """A guard, its flapping component, and the callers' tally of what became of their calls."""

    def __init__(self, seed: int) -> None:
        self.log, live, clock = Log(), Fixed(SETTINGS), SystemClock()
        self.breakers = BreakerRegistry(live, clock, self.log, seed=seed)
        self.guard = Guard(live, self.breakers, None, clock, self.log)
        self.flapping = guarded(Flapping)(seed, guard=self.guard)
        self.rng = Random(seed)  # noqa: S311  a repeatable storm
        self.seen: Counter[str] = Counter()

    async def wave(self, count: int) -> None:
        """Make so many calls, a few hundred at a time, and cancel a third of them at random moments."""
        for _ in range(count // 200):
            tasks = [asyncio.create_task(self.flapping.ask()) for _ in range(200)]
            for task in self.rng.sample(tasks, 66):
                await asyncio.sleep(0)
                task.cancel()
            for result in await asyncio.gather(*tasks, return_exceptions=True):
                self.seen[_outcome(result)] += 1

    @property
    def in_flight(self) -> int:
        """Calls that the guard believes to be running."""
        return self.guard._seams["flapping.ask"].tally.running

    def counted(self) -> Counter[str]:
        """What the guard counted."""
        return Counter({str(k): v for k, v in self.guard._seams["flapping.ask"].tally.counts().items()})

    async def comes_back(self) -> None:
        """The dependency is well again: the circuit closes within a few intervals, since no permit was lost."""
        ends = time.monotonic() + 5
        breaker = self.breakers.get("flapping.ask")
        while breaker.current_state != "closed" and time.monotonic() < ends:
            self.flapping.invoked = 0
            await asyncio.gather(*(self.flapping.ask() for _ in range(3)), return_exceptions=True)
            await asyncio.sleep(0.005)
        assert (breaker.current_state, breaker.permits_in_use) == ("closed", 0)


def _outcome(result: object) -> str:
    kinds: list[tuple[type[BaseException], Outcome]] = [
        (asyncio.CancelledError, Outcome.CANCELLED),
        (DeadlineExceeded, Outcome.TIMEOUT),
        (Rejected, Outcome.REJECTED),
        (OwnError, Outcome.FAILURE),
    ]
    return next((outcome.value for kind, outcome in kinds if isinstance(result, kind)), Outcome.SUCCESS.value)


async def _is_left_clean(storm: Storm) -> None:
    await storm.comes_back()
    loop = asyncio.get_running_loop()
    queues = storm.guard._parts.deadlines._queues.values()
    changes = [event for event in storm.log.events if isinstance(event, BreakerChanged)]
    assert storm.in_flight == 0
    assert asyncio.all_tasks(loop) == {asyncio.current_task()}
    assert [len(queue.calls) for queue in queues] == [0]
    assert len(changes) == storm.breakers.get("flapping.ask").transitions > 10
    timers = [handle for handle in loop._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    assert len(timers) <= 1  # the deadlines' own, which finds its queue empty


async def test_ten_thousand_calls_leak_nothing() -> None:
    """No permit, task, timer or queue entry remains, and guard and callers agree on every call's end."""
    storm = Storm(seed=1)

    await storm.wave(TASKS)
    agreed = _begun_only(storm.counted()), _begun_only(storm.seen)

    assert agreed[0] == agreed[1]
    assert sum(storm.seen.values()) == TASKS
    assert min(storm.seen[kind] for kind in ("success", "failure", "cancelled", "rejected", "timeout")) > 0
    await _is_left_clean(storm)


def _begun_only(counts: Counter[str]) -> dict[str, int]:
    # A task that is cancelled before its first step never reached the guard.
    return {kind: count for kind, count in counts.items() if kind != Outcome.CANCELLED}


@pytest.mark.soak
async def test_a_minute_of_storm_leaks_nothing() -> None:
    """The same for sixty seconds, with another seed each time round."""
    ends, seed = time.monotonic() + 60, 0
    while time.monotonic() < ends:
        seed += 1
        storm = Storm(seed)

        await storm.wave(TASKS)

        await _is_left_clean(storm)
