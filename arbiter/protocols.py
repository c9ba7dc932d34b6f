"""The vocabulary that the rooms of the house share: small protocols and the values that cross them.

Imports nothing of the house but `errors`. A component needs no more than this, `operation` and `events`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar, runtime_checkable

__all__ = [
    "Adopter",
    "Check",
    "CheckResult",
    "Clock",
    "EventSink",
    "Live",
    "Measurement",
    "MetricSource",
    "Startable",
    "Status",
    "Stoppable",
]

T_co = TypeVar("T_co", covariant=True)


class Clock(Protocol):
    """Where time comes from; a fake one drives tests."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start that never go backwards."""
        ...

    def now(self) -> datetime:
        """The time of day, aware, in UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return when `seconds` have passed on this clock."""
        ...


class Live(Protocol[T_co]):
    """A value that a reload may replace: read `current` at each use, and keep it for one unit of work."""

    @property
    def current(self) -> T_co:
        """The value in force now; immutable."""
        ...


@runtime_checkable
class EventSink(Protocol):
    """Takes what happens. A sink passes over events that it does not know, and never raises."""

    def publish(self, event: object) -> None:
        """Take one event; must return at once."""
        ...


@runtime_checkable
class Startable(Protocol):
    """A component with work to do before it serves; the engine calls it in dependency order."""

    async def start(self) -> None:
        """Become ready, or raise."""
        ...


@runtime_checkable
class Stoppable(Protocol):
    """A component with work to finish before it goes; the engine calls it in reverse dependency order."""

    async def stop(self) -> None:
        """Finish: flush, close, let go."""
        ...


class Status(enum.StrEnum):
    """How a check stands: healthy, degraded or unhealthy (names of draft-inadarei-api-health-check-06)."""

    PASS = "pass"  # noqa: S105  a state of health, not a secret
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one run of a check found; `output` is one sentence for people and never holds a secret."""

    status: Status
    output: str = ""


@runtime_checkable
class Check(Protocol):
    """A component that can say how it is. Raising means fail."""

    async def check(self) -> CheckResult:
        """Look, and answer within the health section's time-out."""
        ...


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number of a metric, as an exporter reads it.

    `name` is an OpenTelemetry instrument name (`arbiter.router.decisions`), `kind` is "counter" (only grows),
    "gauge" or "histogram"; `unit` is a UCUM code ("s", "1", "{decision}"). Of a histogram, `value` is the sum of what
    was observed, `bounds` the upper bounds of its buckets in ascending order (inclusive), and `counts` how many fell
    into each, one more than there are bounds; counts are not cumulated over buckets.
    """

    name: str
    kind: str
    value: float
    help: str
    unit: str = "1"
    attributes: tuple[tuple[str, str], ...] = ()
    bounds: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()


@runtime_checkable
class MetricSource(Protocol):
    """Counts in its own cheap way and is read when an exporter asks: no instrument stands on a hot path."""

    def measurements(self) -> Iterable[Measurement]:
        """The present numbers; called from the exporter's thread."""
        ...


@runtime_checkable
class Adopter(Protocol):
    """A component that cares for the others: a health registry, a guard, a metric exporter.

    The engine shows it every component of its container by provider name, right after that component is built and
    before it is started. An adopter that has work of its own, and so a `start`, is started after everything that it may
    look at, and stopped before it.
    """

    def adopt(self, name: str, component: object) -> None:
        """Look at one component, and pass over what does not concern you; never raises."""
        ...
