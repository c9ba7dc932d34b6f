"""The world of the scenarios: reference configuration R, a fake clock, a component that does as it is told."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.trace import Tracer

from arbiter.errors import Rejected
from arbiter.events import BreakerChanged, CallRejected
from arbiter.resilience.breaker import CircuitBreaker
from arbiter.resilience.guard import Guard
from arbiter.resilience.outcome import Outcome, Rules
from arbiter.resilience.proxy import guarded, inner
from arbiter.resilience.registry import BreakerRegistry
from arbiter.resilience.settings import ResilienceSettings
from arbiter.testing.clock import FakeClock
from arbiter.testing.live import Fixed

R: dict[str, Any] = {
    "failure_threshold": 3,
    "success_threshold": 2,
    "timeout_ms": 1_000,
    "open_interval_ms": 10_000,
    "open_interval_max_ms": 60_000,
    "backoff_multiplier": 2.0,
    "jitter": 0.0,
    "half_open_permits": 2,
    "half_open_max_age_ms": 5_000,
}


class OwnError(Exception):
    """V of the scenarios: what the component itself raises."""


class Pay:
    """Does as it is told: returns, raises, or waits for a future."""

    def __init__(self) -> None:
        self.invoked = 0
        self.running = 0
        self.most = 0

    async def charge(self, outcome: object = None) -> object:
        """Raise `outcome` if it is an exception, await it if it is a future, return it otherwise."""
        self.invoked += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            if isinstance(outcome, BaseException):
                raise outcome
            return await outcome if isinstance(outcome, asyncio.Future) else outcome
        finally:
            self.running -= 1

    def price(self, outcome: object = None) -> object:
        """The same without waiting."""
        self.invoked += 1
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


@dataclass
class Log:
    """An event sink that keeps what it takes."""

    events: list[object] = field(default_factory=list)

    def publish(self, event: object) -> None:
        """Keep it."""
        self.events.append(event)

    @property
    def changes(self) -> list[tuple[str, str]]:
        """Transitions, as (old, new)."""
        return [(event.old, event.new) for event in self.events if isinstance(event, BreakerChanged)]

    @property
    def rejections(self) -> list[CallRejected]:
        """Calls that were not made."""
        return [event for event in self.events if isinstance(event, CallRejected)]


class World:
    """One guarded `Pay`, named `pay`, under configuration R with some keys changed."""

    def __init__(self, *, rules: Rules | None = None, tracer: Tracer | None = None, **changed: Any) -> None:
        self.clock, self.log = FakeClock(), Log()
        self.live = Fixed(ResilienceSettings(**(R | changed)))
        self.breakers = BreakerRegistry(self.live, self.clock, self.log, rules=rules, seed=1)
        self.guard = Guard(self.live, self.breakers, tracer, self.clock, self.log, rules=rules)
        self.pay = guarded(Pay)(guard=self.guard)
        self.guard.adopt("pay", self.pay)

    @property
    def body(self) -> Pay:
        """The component behind the guard."""
        return inner(self.pay)

    @property
    def breaker(self) -> CircuitBreaker:
        """The breaker of `pay.charge`."""
        return self.breakers.get("pay.charge")

    @property
    def state(self) -> str:
        """Its state."""
        return self.breaker.current_state

    def reload(self, **changed: Any) -> None:
        """Bring other settings into force."""
        self.live.current = ResilienceSettings(**(R | changed))
        self.guard.refresh()

    def counted(self, outcome: Outcome) -> int:
        """How many calls of `pay.charge` ended so."""
        return self.counts().get(outcome.value, 0)

    def counts(self) -> dict[str, int]:
        """All calls of `pay.charge` by outcome."""
        return {
            dict(m.attributes)["outcome"]: int(m.value)
            for m in self.guard.measurements()
            if m.name == "arbiter.operation.calls" and ("operation", "pay.charge") in m.attributes
        }

    async def calls(self, script: str) -> list[object]:
        """Make calls one after the other: f fails, s succeeds, k raises KeyError; what each gave is returned."""
        outcomes: dict[str, Any] = {"f": OwnError, "s": lambda: "fine", "k": KeyError}
        return [await self.call(outcomes[letter]()) for letter in script]

    async def call(self, outcome: object = None) -> object:
        """One call; what it raised is returned."""
        try:
            return await self.pay.charge(outcome)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  the test judges it
            return error

    async def begin(self, count: int = 1) -> list[tuple[asyncio.Task[object], asyncio.Future[object]]]:
        """Start calls that wait; each task with the future that ends it. All have run until they wait."""
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[object]] = [loop.create_future() for _ in range(count)]
        started = [(loop.create_task(self.pay.charge(future)), future) for future in futures]
        await turns()
        return started

    async def trip(self) -> None:
        """Open the circuit by failures."""
        await self.calls("f" * self.breaker.fail_max)

    async def rejects(self) -> bool:
        """Whether the next call is rejected without the body being invoked."""
        before = self.body.invoked
        result = await self.call()
        return isinstance(result, Rejected) and self.body.invoked == before


async def turns(count: int = 5) -> None:
    """Let everything that is ready run."""
    for _ in range(count):
        await asyncio.sleep(0)


async def ended(task: asyncio.Task[object]) -> object:
    """What a task gave, or what it raised."""
    try:
        return await task
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  the test judges it
        return error
