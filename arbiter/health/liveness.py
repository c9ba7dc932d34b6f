"""Liveness: does the event loop still turn? Answered by a beat's age, so that any thread can tell."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable

from arbiter.checks import health_check
from arbiter.health.blocking import LoopWatch, stack_of
from arbiter.health.monitor import Reading
from arbiter.health.report import CheckReport, HealthReport
from arbiter.health.settings import HealthSettings
from arbiter.protocols import CheckResult, Clock, EventSink, Live, Measurement, Status

__all__ = ["Heartbeat"]

_CHECK = "event_loop"


class Heartbeat:
    """Beats on the loop that `start()` was called in; `liveness()` looks inside only, never at a dependency.

    Args:
        clock: drives and dates the beats; its `monotonic` is read from other threads.
        settings: from which lag on liveness warns or fails; the section's defaults where None.
        interval_s: seconds between two beats.
        events: told when the loop is blocked, and where; nobody watches for that where it is None.
    """

    def __init__(
        self,
        clock: Clock,
        settings: Live[HealthSettings] | None = None,
        *,
        interval_s: float = 0.25,
        events: EventSink | None = None,
    ) -> None:
        self._clock, self._interval_s = clock, interval_s
        self._settings: Live[HealthSettings] = settings or _Defaults()
        self._watch = None if events is None else LoopWatch(self._settings, events)
        self._thread = 0
        self._beat: float | None = None
        self._late_s = 0.0
        self._beating: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to beat."""
        if self._beating is None:
            self._thread = threading.get_ident()
            self._beat = self._clock.monotonic()
            if self._watch is not None:
                self._watch.start()
            self._beating = asyncio.create_task(self._run(), name="arbiter.heartbeat")

    async def stop(self) -> None:
        """End the beat; liveness passes from now on, for a stopped loop is no stuck one."""
        beating, self._beating, self._beat = self._beating, None, None
        if self._watch is not None:
            self._watch.stop()
        if beating is not None:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)

    @property
    def lag_s(self) -> float:
        """How long the loop has stood still, in seconds: since the beat that is due, or at the last one."""
        beat = self._beat
        if beat is None:
            return 0.0
        return max(self._late_s, self._clock.monotonic() - beat - self._interval_s, 0.0)

    def liveness(self) -> HealthReport:
        """Is the process worth keeping? Warns and fails by the loop's lag; may be called from any thread."""
        lag_s = self.lag_s
        status = self._status_of(lag_s)
        output = (
            "" if status is Status.PASS else f"the event loop stands still for {lag_s:.1f} s{self._where()}"
        )
        now = self._clock.now()
        reading = Reading(status, output, time=now, duration_s=lag_s)
        check = CheckReport(_CHECK, status, critical=True, reading=reading, output=output)
        return HealthReport(status, (check,), "liveness", time=now)

    @health_check(name=_CHECK, critical=False)
    async def look(self) -> CheckResult:
        """The `event_loop` check, which the loop itself runs: whether it stood still since the last look."""
        lag_s = 0.0 if self._watch is None else self._watch.worst_s()
        return CheckResult(self._status_of(lag_s), f"the event loop stood still for {lag_s:.1f} s")

    def measurements(self) -> Iterable[Measurement]:
        """The present lag."""
        yield Measurement(
            "arbiter.event_loop.lag", "gauge", self.lag_s, "How long the event loop has stood still.", "s"
        )

    def _status_of(self, lag_s: float) -> Status:
        settings = self._settings.current
        if lag_s > settings.lag_fail_s:
            return Status.FAIL
        return Status.WARN if lag_s > settings.lag_warn_s else Status.PASS

    def _where(self) -> str:
        """In which call the loop stands; nothing when the loop itself asks, for then it stands here."""
        stack = () if self._thread == threading.get_ident() else stack_of(self._thread)
        return f" in {stack[0]}" if stack else ""

    async def _run(self) -> None:
        while True:
            due = self._clock.monotonic() + self._interval_s
            await self._clock.sleep(self._interval_s)
            self._beat = self._clock.monotonic()
            self._late_s = max(0.0, self._beat - due)


class _Defaults:
    """The section as it is without any setting."""

    current = HealthSettings()
