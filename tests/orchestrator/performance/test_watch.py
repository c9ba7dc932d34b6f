"""The tracker's watch: an anomaly is told once when it begins and once when it is over, within 30 seconds (A4)."""

from __future__ import annotations

from dataclasses import dataclass, field

from arbiter.events import Alarm
from arbiter.orchestrator.performance.models import AnomalyKind, AnomalySeverity, EventType, PerformanceEvent
from arbiter.orchestrator.performance.settings import PerformanceSettings
from arbiter.orchestrator.performance.store import EventStore
from arbiter.orchestrator.performance.tracker import PerformanceTracker
from arbiter.orchestrator.storage.database import Database
from arbiter.testing.clock import FakeClock
from arbiter.testing.live import Fixed
from tests.orchestrator.performance.kit import NOW, completion, tracking
from tests.waiting import until


@dataclass
class Told:
    """A sink that keeps what it is told."""

    alarms: list[Alarm] = field(default_factory=list)

    def publish(self, event: object) -> None:
        """Keep it."""
        assert isinstance(event, Alarm)
        self.alarms.append(event)


async def minute(
    tracker: PerformanceTracker, clock: FakeClock, number: int, *, latency_ms: float = 100.0
) -> None:
    """Ten executions, and the minute that they fall into."""
    await tracker.record_all(
        [completion(f"e{number}-{one}", latency_ms=latency_ms) for one in range(10)],
    )
    for _ in range(12):  # the watch looks each five seconds
        clock.advance(5)
        await until(lambda: clock.sleepers == 3)


async def test_004_a4_an_anomaly_alarms_within_30_s_and_recovers(any_database: Database) -> None:
    """A latency of 30 times the usual alarms within 30 s, stands in `anomalies`, is an event, and its end is told."""
    clock, told = FakeClock(), Told()
    async with tracking(EventStore(any_database), clock=clock, alarms=told) as tracker:
        await until(lambda: clock.sleepers == 3)
        await minute(tracker, clock, 0)
        assert told.alarms == []

        await tracker.record_all([completion(f"slow-{one}", latency_ms=3000.0) for one in range(10)])
        waited = 0.0
        while not told.alarms and waited < 30:
            clock.advance(5)
            waited += 5
            await until(lambda: clock.sleepers == 3)

        assert [(one.name, one.subject, one.on) for one in told.alarms] == [
            ("AgentAnomaly", "a/latency_spike", True)
        ]
        found = (await tracker.anomalies()).anomalies
        assert [(one.agent_id, one.kind, one.severity) for one in found] == [
            ("a", AnomalyKind.LATENCY_SPIKE, AnomalySeverity.HIGH)
        ]
        assert (await tracker.agent_performance("a")).anomalies == found
        assert (await tracker.summary()).by_type[EventType.ANOMALY_DETECTED] == 1

        for number in range(1, 9):
            await minute(tracker, clock, number)

        assert [(one.subject, one.on) for one in told.alarms[1:]] == [("a/latency_spike", False)]
        assert (await tracker.anomalies()).anomalies == ()


async def test_a_load_spike_alarms_by_the_last_that_was_told(any_database: Database) -> None:
    """97 % of the CPU is a critical saturation of the system; 50 % later is its end."""
    clock, told = FakeClock(), Told()
    async with tracking(EventStore(any_database), clock=clock, alarms=told) as tracker:
        await until(lambda: clock.sleepers == 3)
        for number, percent in enumerate((97, 50)):
            spike = PerformanceEvent(
                id=f"spike-{number}",
                type=EventType.SYSTEM_LOAD_SPIKE,
                timestamp=NOW,
                metadata={"cpu_percent": percent, "memory_percent": 40},
            )
            await tracker.record(spike)
            clock.advance(5)
            await until(lambda: clock.sleepers == 3)

    assert [(one.subject, one.on, one.critical) for one in told.alarms] == [
        ("system/resource_saturation", True, True),
        ("system/resource_saturation", False, True),
    ]


async def test_windows_hold_what_an_earlier_run_stored(any_database: Database) -> None:
    """After a restart the profiles are those of the last week's events, each counted once."""
    clock = FakeClock()
    async with tracking(EventStore(any_database), clock=clock) as tracker:
        await tracker.record_all([completion(f"e{one}", success=one % 2 == 0) for one in range(20)])

    async with tracking(EventStore(any_database), clock=clock) as tracker:
        await until(lambda: clock.sleepers == 3)
        await tracker.record_all([completion(f"f{one}", success=True) for one in range(20)])

        (profile,) = (await tracker.agent_performance("a")).profiles
        assert (profile.window, profile.executions, profile.success_rate) == ("realtime", 40, 0.75)


async def test_instances_see_what_the_others_stored(any_database: Database) -> None:
    """What one instance recorded is in the windows of the other at its next look."""
    clock = FakeClock()
    async with (
        tracking(EventStore(any_database), clock=clock) as one,
        tracking(EventStore(any_database), clock=clock) as other,
    ):
        await until(lambda: clock.sleepers == 6)
        await one.record_all([completion(f"e{number}") for number in range(10)])
        clock.advance(5)
        await until(lambda: clock.sleepers == 6)

        assert [p.executions for p in (await other.agent_performance("a")).profiles] == [10]
        assert [p.executions for p in (await one.agent_performance("a")).profiles] == [10]


async def test_a_watch_goes_on_when_the_store_is_away(any_database: Database) -> None:
    """What others did cannot be read then, what this instance saw is judged all the same."""
    clock, told = FakeClock(), Told()
    store = EventStore(any_database)
    tracker = PerformanceTracker(store, Fixed(PerformanceSettings()), clock, told)
    await tracker.start()
    await until(lambda: clock.sleepers == 3)
    await tracker.record(
        PerformanceEvent(
            type=EventType.SYSTEM_LOAD_SPIKE, timestamp=NOW, agent_id="a", metadata={"cpu_percent": 92}
        )
    )
    await any_database.stop()
    clock.advance(5)
    await until(lambda: bool(told.alarms))

    assert told.alarms[0].subject == "a/resource_saturation"
    await any_database.start()
    await tracker.stop()
