"""Alerts: which events tell people, how often, and what a sink in trouble costs: nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from arbiter.events import (
    Alarm,
    BreakerChanged,
    HealthChanged,
    LoopBlocked,
    LoopFreed,
    PhaseEntered,
    RestartRequired,
    SettingsApplied,
    SettingsRejected,
)
from arbiter.health.alerts.alert import Alert
from arbiter.health.alerts.service import Alerts
from arbiter.health.alerts.settings import AlertSettings
from arbiter.health.alerts.sinks import LogSink, Sink
from arbiter.health.settings import HealthSettings
from arbiter.protocols import Status
from arbiter.testing.clock import FakeClock
from arbiter.testing.live import Fixed
from tests.health.kit import FAIL, PASS, House, Scripted, a_house, settle

SECRET = "shared-secret"
DOWN = HealthChanged("database", Status.PASS, Status.FAIL, "gone")
UP = HealthChanged("database", Status.FAIL, Status.PASS)


@dataclass
class Told:
    """A sink that keeps what it gets, and is in the trouble that a test says."""

    name: str = "told"
    batches: list[list[Alert]] = field(default_factory=list)
    tries: list[float] = field(default_factory=list)
    error: Exception | None = None
    hangs: bool = False
    clock: FakeClock = field(default_factory=FakeClock)

    def is_wanted(self, settings: AlertSettings) -> bool:
        return True

    async def send(self, alerts: Sequence[Alert], settings: AlertSettings) -> None:
        self.tries.append(self.clock.monotonic())
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        self.batches.append(list(alerts))

    @property
    def lines(self) -> list[str]:
        """One for each alert: `+HealthCheck database`, a minus for a recovery."""
        return [
            f"{'+' if one.is_firing else '-'}{one.name} {one.subject}"
            for batch in self.batches
            for one in batch
        ]


@dataclass
class Desk:
    alerts: Alerts
    clock: FakeClock
    told: Told
    settings: Fixed[HealthSettings]

    async def turn(self, seconds: float) -> None:
        """Let time pass in steps of half a second."""
        for _ in range(round(seconds * 2)):
            self.clock.advance(0.5)
            await settle()

    def say(self, *events: object) -> None:
        for event in events:
            self.alerts.publish(event)

    def count(self, outcome: str) -> float:
        return sum(one.value for one in self.alerts.measurements() if ("outcome", outcome) in one.attributes)


@asynccontextmanager
async def a_desk(
    *, drain_s: float = 0.05, clock: FakeClock | None = None, **alerts: Any
) -> AsyncIterator[Desk]:
    """Alerts that are delivered on the test's own loop, so that a fake clock drives them."""
    clock = clock or FakeClock()
    told, settings = Told(clock=clock), Fixed(HealthSettings(alerts=AlertSettings(**alerts)))
    service = Alerts(settings, clock, sinks=[told], drain_s=drain_s)
    closing = asyncio.Event()
    delivering = asyncio.create_task(service.deliver(closing))
    await settle()
    try:
        yield Desk(service, clock, told, settings)
    finally:
        closing.set()
        await delivering


@pytest.mark.parametrize(
    ("events", "lines"),
    [
        ([DOWN, UP], ["+HealthCheck database", "-HealthCheck database"]),
        ([HealthChanged("database", None, Status.PASS)], []),
        ([HealthChanged("database", None, Status.FAIL)], ["+HealthCheck database"]),
        ([HealthChanged("breakers", Status.PASS, Status.WARN)], []),
        ([BreakerChanged("a.b", "closed", "open"), BreakerChanged("a.b", "open", "half-open"), BreakerChanged("a.b", "half-open", "open"), BreakerChanged("a.b", "half-open", "closed")],
         ["+CircuitBreaker a.b", "-CircuitBreaker a.b"]),
        ([BreakerChanged("a.b", "closed", "forced-open"), BreakerChanged("a.b", "forced-open", "closed")],
         ["+CircuitBreaker a.b", "-CircuitBreaker a.b"]),
        ([SettingsRejected(1, "one"), SettingsRejected(1, "two"), SettingsApplied(2, ())],
         ["+Configuration settings", "+Configuration settings", "-Configuration settings"]),
        ([SettingsRejected(1, "one"), HealthChanged("config", Status.WARN, Status.PASS)],
         ["+Configuration settings", "-Configuration settings"]),
        ([LoopBlocked(0.6, "slow (app.py:3)"), LoopFreed(0.7)], []),
        ([LoopBlocked(10.1, "slow (app.py:3)", serious=True), LoopFreed(12)], ["+EventLoop event_loop", "-EventLoop event_loop"]),
        ([Alarm("AgentAnomaly", "a-1", on=True), Alarm("AgentAnomaly", "a-1", on=True), Alarm("AgentAnomaly", "a-1", on=False)],
         ["+AgentAnomaly a-1", "-AgentAnomaly a-1"]),
        ([PhaseEntered("running", "starting"), RestartRequired(("server.port",)), SettingsApplied(2, ()), object()], []),
    ],
)  # fmt: skip
async def test_transitions_are_told_once(events: list[object], lines: list[str]) -> None:
    """What began and what is over is told once each; what changes nothing for people is not told."""
    async with a_desk() as desk:
        for event in events:
            desk.say(event)
            await settle()

        assert desk.told.lines == lines


async def test_a_change_of_severity_ends_one_alert_and_begins_another() -> None:
    """Receivers route by severity, so a warning that becomes critical is over as a warning."""
    async with a_desk() as desk:
        for old, new in ((Status.PASS, Status.WARN), (Status.WARN, Status.FAIL), (Status.FAIL, Status.PASS)):
            desk.say(HealthChanged("database", old, new))
            await settle()
        told = [(one.severity, one.is_firing) for batch in desk.told.batches for one in batch]

    assert told == [("warning", True), ("warning", False), ("critical", True), ("critical", False)]


async def test_a_check_without_weight_is_a_warning() -> None:
    """The failure of a check that is not critical does not call for somebody at night."""
    async with a_desk() as desk:
        desk.say(HealthChanged("cache", Status.PASS, Status.FAIL, critical=False))
        await settle()

        assert [one.severity for one in desk.alerts.firing] == ["warning"]


async def test_h08_flapping_tells_nobody_and_an_outage_tells_twice() -> None:
    """Twenty alternations of a second under thresholds 3/2 make no alert; 60 s of outage make one down, one recovery."""
    async with a_desk(clock=(house := a_house()).clock) as desk:
        check = Scripted()
        house.registry.register("database", check)
        house.sink.events = _Forwarding(desk.alerts)
        await house.registry.refresh()

        for number in range(20):
            check.result = PASS if number % 2 else FAIL
            await _second(house)
        while_flapping = list(desk.told.lines)
        check.result = FAIL
        for _ in range(60):
            await _second(house)
        check.result = PASS
        for _ in range(10):
            await _second(house)

        assert while_flapping == []
        assert desk.told.lines == ["+HealthCheck database", "-HealthCheck database"]
        down, up = (batch[0] for batch in desk.told.batches)
        assert up.ended is not None
        assert timedelta(seconds=57) <= up.ended - down.since <= timedelta(seconds=62)


async def test_h09_a_sink_that_fails_is_tried_three_times() -> None:
    """A sink that fails gets three tries, a second and two apart, and four seconds of rest; the alert counts as failed."""
    async with a_desk() as desk:
        desk.told.error = OSError("500")
        desk.say(DOWN)
        await settle()
        await desk.turn(10)
        tries, failed = list(desk.told.tries), desk.count("failed")
        desk.told.error = None
        desk.say(UP)
        await settle()

        assert tries == [0, 1, 3]
        assert failed == 1
        assert desk.told.lines == ["-HealthCheck database"]


async def test_h09_a_sink_that_hangs_is_given_up_in_time() -> None:
    """A sink that never answers is cut off after its time-out, each of three times."""
    async with a_desk() as desk:
        desk.told.hangs = True
        desk.say(DOWN)
        await settle()
        await desk.turn(40)

        assert desk.told.tries == [0, 6, 13]
        assert desk.count("failed") == 1


async def test_h09_the_queue_is_bounded_and_keeps_recoveries() -> None:
    """No more than a hundred alerts wait; what is dropped is counted, and a recovery is not what goes first."""
    async with a_desk() as desk:
        desk.told.hangs = True
        desk.say(DOWN)
        await settle()
        desk.say(*(Alarm("Anomaly", f"a-{number}", on=True) for number in range(150)))
        desk.say(UP)
        await settle()
        waiting, dropped = desk.alerts.waiting, desk.count("dropped")
        desk.told.hangs = False
        await desk.turn(60)

        assert (waiting, dropped) == (100, 51)
        assert "-HealthCheck database" in desk.told.lines
        assert len(desk.alerts.firing) == 150


async def test_h09_a_hanging_sink_touches_neither_health_nor_the_other_sink() -> None:
    """One sink's trouble is its own: the other is told at once, and probes are answered meanwhile."""
    clock, settings = FakeClock(), Fixed(HealthSettings())
    hanging, well = Told(hangs=True), Told()
    service, closing = Alerts(settings, clock, sinks=[hanging, well], drain_s=0.01), asyncio.Event()
    delivering = asyncio.create_task(service.deliver(closing))
    await settle()

    service.publish(DOWN)
    service.publish(UP)
    await settle()
    closing.set()
    await delivering

    assert well.lines == ["+HealthCheck database", "-HealthCheck database"]
    assert hanging.lines == []


async def test_many_alerts_are_grouped() -> None:
    """Five within ten seconds are told one by one, all further ones together at the window's end."""
    async with a_desk() as desk:
        for number in range(12):
            desk.say(Alarm("Anomaly", f"a-{number}", on=True))
            await settle()
        at_once = [len(batch) for batch in desk.told.batches]
        desk.say(Alarm("Anomaly", "a-11", on=False))
        await desk.turn(10)

        assert at_once == [1, 1, 1, 1, 1]
        assert [len(batch) for batch in desk.told.batches] == [1, 1, 1, 1, 1, 7]
        assert desk.told.lines[-1] == "-Anomaly a-11"  # of each, how it stands by then
        await desk.turn(10)
        desk.say(Alarm("Anomaly", "late", on=True))
        await settle()
        assert len(desk.told.batches[-1]) == 1


async def test_a_burst_goes_at_once() -> None:
    """More than five that wait together are one message from the start."""
    async with a_desk() as desk:
        desk.say(*(Alarm("Anomaly", f"a-{number}", on=True) for number in range(8)))
        await settle()

        assert [len(batch) for batch in desk.told.batches] == [8]


async def test_what_is_still_on_is_told_again() -> None:
    """Every 300 s an alert that is on is told again, with the time at which it began, until its recovery."""
    async with a_desk() as desk:
        desk.say(DOWN)
        await desk.turn(700)
        desk.say(UP)
        await desk.turn(700)
        firing = [one for batch in desk.told.batches for one in batch if one.is_firing]

    assert desk.told.lines == ["+HealthCheck database"] * 3 + ["-HealthCheck database"]
    assert {one.since for one in firing} == {firing[0].since}


async def test_what_waits_is_sent_at_stop() -> None:
    """The end waits neither for the window nor for a pause: everything is tried once more, within the drain's limit."""
    async with a_desk(drain_s=1) as desk:
        desk.say(*(Alarm("Anomaly", f"a-{number}", on=True) for number in range(5)))
        await settle()
        for number in range(5, 9):
            desk.say(Alarm("Anomaly", f"a-{number}", on=True))
        await settle()

    assert len(desk.told.lines) == 9


async def test_an_alert_knows_trace_and_generation() -> None:
    """An alert carries the trace in whose course it was noticed, and the generation of the settings in force."""
    tracer = TracerProvider().get_tracer("test")
    async with a_desk() as desk:
        desk.say(SettingsApplied(7, ()))
        with tracer.start_as_current_span("request") as span:
            desk.say(BreakerChanged("stock.reserve", "closed", "open", OSError("postgres://a:hunter2@db/x")))
        (alert,) = desk.alerts.firing

    assert alert.trace_id == trace.format_trace_id(span.get_span_context().trace_id)
    assert alert.generation == 7
    assert alert.summary == "The circuit breaker stock.reserve is open: OSError: postgres://a:******@db/x"


async def test_the_log_is_a_sink(caplog: pytest.LogCaptureFixture) -> None:
    """Without any setting alerts are lines of the log; the setting is live."""
    sink: Sink = LogSink()

    assert sink.is_wanted(AlertSettings())
    assert not sink.is_wanted(AlertSettings(log=False))


class _Forwarding(list[object]):
    """A recording that passes on what it gets, as the event bus does."""

    def __init__(self, alerts: Alerts) -> None:
        super().__init__()
        self._alerts = alerts

    def append(self, event: object) -> None:
        super().append(event)
        self._alerts.publish(event)


async def _second(house: House) -> None:
    house.clock.advance(1)
    await house.registry.refresh()
    await settle()
