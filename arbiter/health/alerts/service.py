"""`Alerts`: the sink of events that tells people, on a thread and loop of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final

from arbiter.health.alerts.alert import Alert, Origin
from arbiter.health.alerts.desk import Desk
from arbiter.health.alerts.outbox import Outbox
from arbiter.health.alerts.sinks import LogSink, Sink, WebhookSink
from arbiter.health.settings import HealthSettings
from arbiter.protocols import Clock, Live, Measurement

__all__ = ["Alerts"]

_DRAIN_S: Final = 2.0
_SPARE_S: Final = 0.5


class Alerts:
    """Turns what happens into alerts and delivers them; nothing that becomes of that reaches the service.

    It is an event sink. While the application's loop is blocked it goes on, since it lives on a thread of its own.

    Args:
        settings: the `[health]` section with its `alerts`; read at each use.
        clock: dates and times everything.
        service: label of every alert.
        environment: likewise.
        port: the main one; with the machine's name, the label `instance`.
        sinks: in place of the log and the webhook.
        drain_s: seconds that `stop` gives to what is waiting.
    """

    def __init__(
        self,
        settings: Live[HealthSettings],
        clock: Clock,
        *,
        service: str = "",
        environment: str = "",
        port: int = 0,
        sinks: Sequence[Sink] | None = None,
        drain_s: float = _DRAIN_S,
    ) -> None:
        self._settings, self._clock, self._drain_s = settings, clock, drain_s
        self._desk = Desk(clock)
        origin = Origin.of_process(service, environment, port)
        chosen = (LogSink(), WebhookSink(origin, clock)) if sinks is None else sinks
        self._outboxes = tuple(Outbox(sink, settings, clock) for sink in chosen)
        self._thread: threading.Thread | None = None
        self._stopping: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    @property
    def firing(self) -> tuple[Alert, ...]:
        """The alerts that are on."""
        return self._desk.firing

    @property
    def waiting(self) -> int:
        """Alerts that wait for any sink."""
        return sum(outbox.waiting for outbox in self._outboxes)

    def publish(self, event: object) -> None:
        """Take one event; returns at once."""
        self._put(self._desk.take(event))

    async def start(self) -> None:
        """Begin to deliver; what was published before waits until now."""
        if self._thread is None:
            up = threading.Event()
            self._thread = threading.Thread(
                target=lambda: asyncio.run(self._run(up)), name="arbiter.alerts", daemon=True
            )
            self._thread.start()
            up.wait(_DRAIN_S)  # some microseconds, until the thread has its loop

    async def stop(self) -> None:
        """Deliver what is waiting, within two seconds, and end."""
        thread, self._thread = self._thread, None
        if thread is None or self._stopping is None:
            return
        loop, stopping = self._stopping
        with suppress(RuntimeError):  # it has ended by itself
            loop.call_soon_threadsafe(stopping.set)
        limit_s, step_s = self._drain_s + _SPARE_S, 0.005
        while thread.is_alive() and limit_s > 0:  # the end of a thread has no event for this loop to wait for
            await asyncio.sleep(step_s)
            limit_s -= step_s

    async def deliver(self, closing: asyncio.Event) -> None:
        """Deliver on the running loop until `closing` is set, and then what is waiting, within `drain_s` real seconds."""
        work = [asyncio.ensure_future(outbox.run(closing)) for outbox in self._outboxes]
        work.append(asyncio.ensure_future(self._repeat()))
        await closing.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._drain_s):
                while not all(box.is_idle for box in self._outboxes):  # noqa: ASYNC110  bounded, and once in a life
                    await asyncio.sleep(0.005)
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)

    def measurements(self) -> Iterable[Measurement]:
        """What became of the alerts, by sink, and how many are on."""
        for outbox in self._outboxes:
            outcomes = {"sent": outbox.sent, "failed": outbox.failed, "dropped": outbox.dropped}
            for outcome, count in outcomes.items():
                yield Measurement(
                    "arbiter.alerts",
                    "counter",
                    count,
                    "Alerts by sink, and by what became of them.",
                    "{alert}",
                    (("sink", outbox.name), ("outcome", outcome)),
                )
        yield Measurement(
            "arbiter.alerts.firing", "gauge", len(self.firing), "Alerts that are on.", "{alert}"
        )

    async def _run(self, up: threading.Event) -> None:
        stopping = asyncio.Event()
        self._stopping = (asyncio.get_running_loop(), stopping)
        up.set()
        await self.deliver(stopping)

    async def _repeat(self) -> None:
        while True:
            repeat_s = self._settings.current.alerts.repeat_interval_s
            await self._clock.sleep(self._desk.next_due_s(repeat_s))
            self._put(self._desk.due(repeat_s))

    def _put(self, alerts: Iterable[Alert]) -> None:
        for alert in alerts:
            for outbox in self._outboxes:
                outbox.put(alert)
