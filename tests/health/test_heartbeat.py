"""The event loop's heartbeat."""

from __future__ import annotations

import asyncio
import threading

from arbiter.clock import SystemClock
from arbiter.health.liveness import Heartbeat
from arbiter.health.settings import HealthSettings
from arbiter.protocols import Status
from arbiter.testing.clock import FakeClock
from arbiter.testing.live import Fixed
from tests.waiting import until


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_liveness_follows_the_lag() -> None:
    """Liveness warns past half a second of standing still, fails past ten, recovers with the beats."""
    clock = FakeClock()
    heart = Heartbeat(clock)
    await heart.start()
    await settle()
    seen = [heart.liveness().status]

    for seconds in (0.7, 1, 9):
        clock.advance(seconds)  # time passes, and the loop does not turn: nobody awaits
        seen.append(heart.liveness().status)
    for _ in range(3):
        await settle()
        clock.advance(0.25)
    await settle()
    seen.append(heart.liveness().status)
    await heart.stop()

    assert seen == [Status.PASS, Status.PASS, Status.WARN, Status.FAIL, Status.PASS]


async def test_the_limits_are_live() -> None:
    """The limits are read from the settings at each question."""
    clock, settings = FakeClock(), Fixed(HealthSettings())
    heart = Heartbeat(clock, settings)
    await heart.start()
    clock.advance(2)
    before = heart.liveness().status

    settings.current = HealthSettings(lag_fail_s=1)
    after = heart.liveness()
    await heart.stop()

    assert (before, after.status) == (Status.WARN, Status.FAIL)
    assert after.checks[0].output == "the event loop stands still for 1.8 s"


async def test_a_heart_that_does_not_beat_yet_or_any_more_is_no_alarm() -> None:
    """Before the start and after the stop liveness passes: the process is at work in another way."""
    clock = FakeClock()
    heart = Heartbeat(clock)
    before = heart.liveness().status
    await heart.start()
    await heart.start()
    await heart.stop()
    clock.advance(100)

    assert (before, heart.liveness().status) == (Status.PASS, Status.PASS)
    assert clock.sleepers == 0


async def test_h03_another_thread_sees_a_blocked_loop() -> None:
    """While the loop is blocked, a thread reads the lag; once it turns again, liveness passes."""
    settings = Fixed(HealthSettings(lag_warn_s=0.02, lag_fail_s=60))
    heart = Heartbeat(SystemClock(), settings, interval_s=0.005)
    failed = threading.Event()
    await heart.start()
    await until(lambda: heart.liveness().status is Status.PASS)

    def sees(status: Status) -> bool:
        return any(heart.liveness().status is status or failed.wait(0.001) for _ in range(2000))

    def watch() -> None:
        if sees(Status.WARN):
            settings.current = HealthSettings(lag_warn_s=0.02, lag_fail_s=0.05)
            if sees(Status.FAIL):
                failed.set()

    thread = threading.Thread(target=watch)
    thread.start()
    blocked_until_seen = failed.wait(5)  # this blocks the loop, as a careless handler would
    thread.join()
    await until(lambda: heart.liveness().status is Status.PASS)
    await heart.stop()

    assert blocked_until_seen


async def test_the_lag_is_measured() -> None:
    """The lag is a gauge in seconds."""
    clock = FakeClock()
    heart = Heartbeat(clock)
    await heart.start()
    clock.advance(1.25)

    (measurement,) = heart.measurements()
    await heart.stop()

    assert (measurement.name, measurement.kind, measurement.unit) == ("arbiter.event_loop.lag", "gauge", "s")
    assert measurement.value == 1.0
