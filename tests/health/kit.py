"""A registry on a clock at a standstill, and components that say what a test wants."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from arbiter.health.registry import HealthRegistry
from arbiter.health.settings import HealthSettings
from arbiter.protocols import CheckResult, Status
from arbiter.testing.clock import FakeClock
from arbiter.testing.live import Fixed

__all__ = ["FAIL", "PASS", "WARN", "House", "Recorded", "Scripted", "a_house", "settle"]

FAIL, WARN, PASS = (CheckResult(status, "told") for status in (Status.FAIL, Status.WARN, Status.PASS))


@dataclass
class Recorded:
    events: list[object] = field(default_factory=list)

    def publish(self, event: object) -> None:
        self.events.append(event)

    def of(self, kind: type) -> list[object]:
        """Those of one kind."""
        return [event for event in self.events if isinstance(event, kind)]


@dataclass
class Scripted:
    """A component whose check says what the test last set."""

    result: CheckResult | BaseException = field(default_factory=lambda: CheckResult(Status.PASS))
    runs: int = 0

    async def check(self) -> CheckResult:
        self.runs += 1
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result


@dataclass
class House:
    registry: HealthRegistry
    clock: FakeClock
    settings: Fixed[HealthSettings]
    sink: Recorded
    circuits: dict[str, str]

    async def turn(self, seconds: float) -> None:
        """Let time pass in steps small enough for every schedule to take its turn."""
        for _ in range(round(seconds * 10)):
            self.clock.advance(0.1)
            await settle()


def a_house(settings: HealthSettings | None = None) -> House:
    """A registry of its own, with an interval of a second unless told otherwise."""
    clock, held, sink = FakeClock(), Fixed(settings or HealthSettings(interval_s=1)), Recorded()
    circuits: dict[str, str] = {}
    registry = HealthRegistry(
        held, clock, sink, service="shop", version="1.0", seed=1, circuits=lambda: circuits
    )
    return House(registry, clock, held, sink, circuits)


async def settle() -> None:
    """Let everything that is ready take its turn."""
    for _ in range(12):
        await asyncio.sleep(0)
