"""Events and trackers for the tests of this room."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from arbiter.orchestrator.performance.contents import Store, Stored
from arbiter.orchestrator.performance.models import EventType, PerformanceEvent
from arbiter.orchestrator.performance.settings import PerformanceSettings
from arbiter.orchestrator.performance.store import EventStore
from arbiter.orchestrator.performance.tracker import PerformanceTracker
from arbiter.orchestrator.storage.errors import StorageError, StorageUnavailable
from arbiter.protocols import Clock, EventSink
from arbiter.testing.clock import FakeClock
from arbiter.testing.live import Fixed

__all__ = ["NOW", "Switched", "completion", "counted", "decision", "execution", "resident_mb", "tracking"]

NOW = datetime(2026, 1, 1, 12, 30, 15, 123456, tzinfo=UTC)


def completion(
    event_id: str,
    *,
    agent_id: str | None = "a",
    success: bool | None = True,
    quality: float | None = 0.5,
    latency_ms: float | None = 100.0,
    cost: float | None = None,
    tokens: int | None = None,
) -> PerformanceEvent:
    """A completed execution of a code review."""
    return PerformanceEvent(
        id=event_id,
        type=EventType.TASK_EXECUTION_COMPLETE,
        timestamp=NOW,
        agent_id=agent_id,
        task_id=f"task-{event_id}",
        task_type="code-review",
        success=success,
        quality_score=quality,
        latency_ms=latency_ms,
        cost=cost,
        tokens_used=tokens,
        metadata={"note": "private", "share": 0.25, "count": 3, "flag": True, "none": None},
    )


def execution(number: int) -> PerformanceEvent:
    """What one of a hundred agents did: the event of that number, as the soak and the bench record them."""
    return PerformanceEvent.trusted(
        id=f"event-{number:08}",
        type=EventType.TASK_EXECUTION_COMPLETE,
        timestamp=NOW,
        agent_id=f"agent-{number % 100}",
        task_id=f"task-{number}",
        task_type="code-review",
        success=number % 5 != 0,
        quality_score=0.8,
        latency_ms=900.0 + number % 1000,
        cost=0.01,
        tokens_used=1200,
        metadata={},
    )


def decision(event_id: str, agent_id: str = "a") -> PerformanceEvent:
    """A routing decision, which counts into no rate."""
    return PerformanceEvent(
        id=event_id,
        type=EventType.ROUTING_DECISION,
        timestamp=NOW,
        agent_id=agent_id,
        latency_ms=9999,
        cost=0.25,
    )


class Switched(EventStore):
    """A store that can be away, and refuse events."""

    is_away = False
    refused: frozenset[str] = frozenset()

    async def append(self, batch: Sequence[PerformanceEvent], at: datetime) -> Stored:
        """Store, unless away."""
        if self.is_away:
            raise StorageUnavailable("away")
        if any(event.id in self.refused for event in batch):
            raise StorageError("refused")
        return await super().append(batch, at)


@asynccontextmanager
async def tracking(
    store: Store,
    settings: PerformanceSettings | None = None,
    clock: Clock | None = None,
    alarms: EventSink | None = None,
) -> AsyncIterator[PerformanceTracker]:
    """A started tracker over `store`; it flushes at the end."""
    tracker = PerformanceTracker(
        store, Fixed(settings or PerformanceSettings()), clock or FakeClock(), alarms
    )
    await tracker.start()
    try:
        yield tracker
    finally:
        await tracker.stop()


def counted(tracker: PerformanceTracker, name: str) -> float:
    """One of the tracker's numbers."""
    return next(one.value for one in tracker.measurements() if one.name == f"arbiter.tracker.{name}")


def resident_mb() -> float:
    """Megabytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6
