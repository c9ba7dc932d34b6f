"""What waits for one sink: bounded, grouped when there is much of it, tried three times."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import structlog

from arbiter.health.alerts.alert import Alert
from arbiter.health.alerts.settings import AlertSettings
from arbiter.health.alerts.sinks import Sink
from arbiter.health.settings import HealthSettings
from arbiter.health.wording import told_of
from arbiter.protocols import Clock, Live

__all__ = ["Outbox"]

log = structlog.get_logger(__name__)

_PAUSES_S: Final = (1.0, 2.0, 4.0)
"""After each try that failed; the last one spares a sink that is down the next alert for a while."""


class Outbox:
    """Brings alerts to one sink, in order.

    Args:
        sink: takes them.
        settings: read at each use.
        clock: measures time-outs, pauses and the window of the grouping.
    """

    def __init__(self, sink: Sink, settings: Live[HealthSettings], clock: Clock) -> None:
        self._sink, self._settings, self._clock = sink, settings, clock
        self._waiting: deque[Alert] = deque()
        self._lock = threading.Lock()
        self._wake: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing: asyncio.Event | None = None
        self._is_sending = False
        self._told: deque[float] = deque()
        self.sent = self.failed = self.dropped = 0

    @property
    def name(self) -> str:
        """The sink's name."""
        return self._sink.name

    @property
    def waiting(self) -> int:
        """Alerts that are in no try yet."""
        return len(self._waiting)

    @property
    def is_idle(self) -> bool:
        """Whether everything has been sent or given up."""
        return not self._waiting and not self._is_sending

    def put(self, alert: Alert) -> None:
        """Take one alert, from any thread; never waits."""
        settings = self._now
        if not self._sink.is_wanted(settings):
            return
        with self._lock:
            if len(self._waiting) >= settings.queue_size:
                self._drop_one()
            self._waiting.append(alert)
        loop, wake = self._loop, self._wake
        if loop is not None and wake is not None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(wake.set)

    async def run(self, closing: asyncio.Event) -> None:
        """Deliver until cancelled.

        Args:
            closing: once it is set nothing is waited for any more: neither the window's end nor a pause.
        """
        self._closing, self._wake = closing, asyncio.Event()
        self._loop = asyncio.get_running_loop()
        while True:
            if not self._waiting:
                self._wake.clear()
                if not self._waiting:  # nobody put one meanwhile
                    await self._wake.wait()
            is_full = await self._window_opens()
            batch = self._next(together=is_full or len(self._waiting) > self._now.group_above)
            self._is_sending = True
            try:
                await self._deliver(batch)
            finally:
                self._is_sending = False

    @property
    def _now(self) -> AlertSettings:
        return self._settings.current.alerts

    def _drop_one(self) -> None:
        """Make room: the oldest that is no recovery, or the oldest of all."""
        victim = next((one for one in self._waiting if one.is_firing), self._waiting[0])
        self._waiting.remove(victim)
        self.dropped += 1
        log.debug("alert.dropped", sink=self.name, alert=victim.name, subject=victim.subject)

    async def _window_opens(self) -> bool:
        """Wait while as many as are told one by one were told within the window; whether there was a wait."""
        settings, now = self._now, self._clock.monotonic()
        while self._told and self._told[0] <= now - settings.group_window_s:
            self._told.popleft()
        if len(self._told) < settings.group_above:
            return False
        await self._pause(self._told[0] + settings.group_window_s - now)
        return True

    def _next(self, *, together: bool) -> list[Alert]:
        with self._lock:
            if not together:
                return [self._waiting.popleft()]
            latest = {alert.key: alert for alert in self._waiting}  # of each, how it stands now
            self._waiting.clear()
        return list(latest.values())

    async def _deliver(self, batch: Sequence[Alert]) -> None:
        for pause_s in _PAUSES_S:
            if (failure := await self._try(batch)) is None:
                self.sent += len(batch)
                self._told.append(self._clock.monotonic())
                return
            log.warning("alert.not_sent", sink=self.name, alerts=len(batch), reason=failure)
            await self._pause(pause_s)
        self.failed += len(batch)
        log.error("alert.given_up", sink=self.name, alerts=[f"{one.name} {one.subject}" for one in batch])

    async def _try(self, batch: Sequence[Alert]) -> str | None:
        """Send once; why it failed, or None."""
        settings = self._now
        sending = asyncio.ensure_future(self._sink.send(batch, settings))
        alarm = asyncio.ensure_future(self._clock.sleep(settings.webhook_timeout_s))
        try:
            await asyncio.wait({sending, alarm}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            alarm.cancel()
            sending.cancel()
        if not sending.done() or sending.cancelled():
            return f"no answer within {settings.webhook_timeout_s:g} s"
        error = sending.exception()
        return None if error is None else told_of(error)

    async def _pause(self, seconds: float) -> None:
        assert self._closing is not None  # noqa: S101  set by run(), which alone comes here
        over = asyncio.ensure_future(self._clock.sleep(seconds))
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            await asyncio.wait({over, closing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()
            closing.cancel()
