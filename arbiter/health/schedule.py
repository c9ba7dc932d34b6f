"""When checks run: each on a schedule of its own, at most ten at the same time, and on demand."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from arbiter.events import HealthChanged
from arbiter.health.monitor import follow
from arbiter.health.roster import Entry
from arbiter.health.settings import HealthSettings
from arbiter.protocols import Clock, EventSink, Live

__all__ = ["Schedule", "interval_of", "timeout_of"]

_MOST_AT_ONCE: Final = 10
_JITTER: Final = 0.1


def interval_of(entry: Entry, settings: HealthSettings) -> float:
    """Seconds between two runs of this check."""
    return settings.interval_s if entry.mark.interval_s is None else entry.mark.interval_s


def timeout_of(entry: Entry, settings: HealthSettings) -> float:
    """Seconds that one run of this check may take."""
    return settings.timeout_s if entry.mark.timeout_s is None else entry.mark.timeout_s


class Schedule:
    """Runs entries and keeps what came of it in each.

    Args:
        settings: intervals, time-outs, thresholds; read at each run.
        clock: drives it.
        events: gets a `HealthChanged` for each transition.
        seed: of the jitter; a test fixes it.
    """

    def __init__(
        self, settings: Live[HealthSettings], clock: Clock, events: EventSink, seed: int | None
    ) -> None:
        self._settings, self._clock, self._events = settings, clock, events
        self._random = random.Random(seed)  # noqa: S311  spreads load, keeps no secret
        self._slots = asyncio.Semaphore(_MOST_AT_ONCE)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._entries: dict[str, Entry] = {}
        self.loop: asyncio.AbstractEventLoop | None = None
        """The loop that it runs on; None while it does not."""

    def start(self, entries: Iterable[Entry]) -> None:
        """Begin, on the running loop; the first run of each begins now."""
        self.loop = asyncio.get_running_loop()
        self._slots = asyncio.Semaphore(_MOST_AT_ONCE)  # of this loop, should it be another than before
        for entry in entries:
            self._begin(entry)

    def add(self, entry: Entry) -> None:
        """Take one more, in place of an earlier one of its name; from any thread, and without effect while it does not run."""
        if self.loop is not None:
            self.loop.call_soon_threadsafe(self._begin, entry)

    def renew(self) -> None:
        """Begin every schedule anew, since an interval has changed; from any thread."""
        loop = self.loop
        if loop is not None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._begin_all_anew)

    async def stop(self) -> None:
        """End; what is going is cancelled, what is known stays."""
        self.loop = None
        going = [entry.running for entry in self._entries.values() if entry.running is not None]
        tasks = [*self._tasks.values(), *going]
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def run(self, entry: Entry) -> None:
        """One run, shared by all who ask for it while it is going."""
        if entry.running is None or entry.running.done():
            self._entries[entry.name] = entry
            entry.running = asyncio.get_running_loop().create_task(self._run_alone(entry))
        await asyncio.shield(entry.running)

    def _begin(self, entry: Entry) -> None:
        if self.loop is None:
            return
        if earlier := self._tasks.pop(entry.name, None):
            earlier.cancel()
        self._entries[entry.name] = entry
        name = f"arbiter.health:{entry.name}"
        self._tasks[entry.name] = self.loop.create_task(self._repeat(entry), name=name)

    def _begin_all_anew(self) -> None:
        for entry in tuple(self._entries.values()):
            self._begin(entry)

    async def _repeat(self, entry: Entry) -> None:
        while True:
            await self.run(entry)
            spread = 1 + self._random.uniform(-_JITTER, _JITTER)
            await self._clock.sleep(interval_of(entry, self._settings.current) * spread)

    async def _run_alone(self, entry: Entry) -> None:
        async with self._slots:
            settings, begun = self._settings.current, self._clock.monotonic()
            result = await entry.runner.run(timeout_of(entry, settings))
        before, at = entry.reading, self._clock.monotonic()
        entry.reading = follow(before, result, settings, now=self._clock.now(), at=at, took_s=at - begun)
        status = entry.reading.status
        if status is not None and status is not before.status:
            self._events.publish(
                HealthChanged(entry.name, before.status, status, result.output, critical=entry.mark.critical)
            )
