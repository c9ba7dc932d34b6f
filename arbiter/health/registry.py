"""The health registry: runs every check in the background, and answers probes from memory."""

from __future__ import annotations

import asyncio
import inspect
import random
import threading
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from arbiter.errors import ContainerError, NotFound
from arbiter.events import HealthChanged, SettingsApplied
from arbiter.health.monitor import Reading, follow
from arbiter.health.report import CheckReport, HealthReport, worst
from arbiter.health.running import AnyCheck, Runner
from arbiter.health.settings import HealthSettings
from arbiter.protocols import Clock, EventSink, Live, Measurement, Status

__all__ = ["CheckExists", "HealthRegistry", "HealthReport", "UnknownGroup"]

_MOST_AT_ONCE = 10
_STALE_AFTER_INTERVALS = 3
_JITTER = 0.1


class CheckExists(ContainerError):
    """Two checks have one name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"A health check called {name!r} is registered already.",
            hint="Give one of them another name; a component's own check has its provider's name.",
        )
        self.name = name


class UnknownGroup(NotFound):
    """No check belongs to the group that was asked for."""

    code = "unknown-health-group"

    def __init__(self, group: str, known: Collection[str]) -> None:
        super().__init__(
            f"There is no health group {group!r}.", hint=f"Known: {', '.join(sorted(known)) or 'none'}."
        )
        self.group = group


@dataclass(slots=True)
class _Entry:
    """A registered check; only `reading` changes, as a whole."""

    name: str
    runner: Runner
    critical: bool
    groups: frozenset[str]
    adopted: bool
    reading: Reading = field(default_factory=Reading)
    running: asyncio.Task[None] | None = None


class HealthRegistry:
    """Every check of one application, and the gates of its life.

    Each check runs on its own schedule, at once when `start()` is called and then every `interval_s`, give or
    take a tenth; at most ten run at the same time. Reading a report runs nothing and may be done from any
    thread.

    Args:
        settings: intervals, time-outs, thresholds; read at each run.
        clock: drives the schedule.
        events: gets a `HealthChanged` for each transition.
        service: the service's name, for reports.
        version: its release, for reports.
        seed: of the schedule's jitter; a test fixes it.
    """

    def __init__(
        self,
        settings: Live[HealthSettings],
        clock: Clock,
        events: EventSink,
        *,
        service: str = "",
        version: str = "",
        seed: int | None = None,
    ) -> None:
        self._settings, self._clock, self._events = settings, clock, events
        self._service, self._version = service, version
        self._random = random.Random(seed)  # noqa: S311  spreads load, keeps no secret
        self._entries: Mapping[str, _Entry] = {}
        self._lock = threading.Lock()
        self._slots = asyncio.Semaphore(_MOST_AT_ONCE)
        self._schedules: dict[str, asyncio.Task[None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started = self._draining = self._maintenance = self._started_up = False

    def register(
        self, name: str, check: AnyCheck, *, critical: bool = True, groups: Collection[str] = ()
    ) -> None:
        """Add a check; it runs from `start()` on, or from now on if that has been.

        Args:
            name: what reports call it.
            check: a component with `check()`, or a function, sync or async; sync ones get a thread of their
                own.
            critical: whether its failure is the whole's failure; otherwise it only degrades.
            groups: names under which `health(group)` finds it, besides its own.

        Raises:
            CheckExists: the name is taken.
        """
        self._add(name, check, critical=critical, groups=groups, adopted=False)

    def adopt(self, name: str, component: object) -> None:
        """Register a component that has an async `check()` under its provider's name, as critical.

        A name that was registered by hand stays as it is; a component adopted again (a restart) replaces the
        earlier.
        """
        try:
            check = getattr(component, "check", None)
        except Exception:  # noqa: BLE001  a component's own __getattr__; then it has no check
            return
        if component is self or isinstance(component, type) or not inspect.iscoroutinefunction(check):
            return
        known = self._entries.get(name)
        if known is None or known.adopted:
            self._add(name, check, critical=True, groups=(), adopted=True)

    async def start(self) -> None:
        """Begin the schedule; the first run of every check begins now."""
        self._loop = asyncio.get_running_loop()
        self._slots = asyncio.Semaphore(_MOST_AT_ONCE)  # of this loop, should it be another than before
        for entry in self._entries.values():
            self._schedule(entry)

    async def stop(self) -> None:
        """End the schedule; the last readings stay."""
        self._loop = None
        running = [entry.running for entry in self._entries.values() if entry.running is not None]
        tasks = [*self._schedules.values(), *running]
        self._schedules.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def refresh(self) -> None:
        """Run all checks concurrently, once, and return when each has a result; runs that are going are
        joined.
        """
        await asyncio.gather(*(self._run(entry) for entry in self._entries.values()))

    def publish(self, event: object) -> None:
        """Take the event of a reload: a changed interval holds from now on, not from the end of the present one."""
        if isinstance(event, SettingsApplied) and "health.interval_s" in event.changed:
            loop = self._loop
            if loop is not None:
                with suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(self._schedule_anew)

    def mark_started(self) -> None:
        """The application's components have started: startup and readiness may pass."""
        self._started, self._draining = True, False

    def mark_draining(self) -> None:
        """The application is about to stop: readiness fails from now on, so that no new work is sent."""
        self._draining = True

    def set_maintenance(self, on: bool) -> None:  # noqa: FBT001  a gate has two positions
        """Take the application out of service without stopping it, or put it back."""
        self._maintenance = on

    def readiness(self) -> HealthReport:
        """May work be sent here? Fails while starting, draining or in maintenance, and when a critical check
        fails.
        """
        notes = self._closed_gates()
        checks = self._reports()
        status = Status.FAIL if notes else worst(checks, unknown_fails=True)
        return self._report("readiness", status, checks, notes)

    def startup(self) -> HealthReport:
        """Has it started? Fails until it has and each critical check has run once; then passes for good."""
        checks = self._reports()
        unknown = any(check.critical and check.status is None for check in checks)
        self._started_up = self._started_up or (self._started and not unknown)
        status = Status.PASS if self._started_up else Status.FAIL
        return self._report("startup", status, checks, () if self._started_up else ("starting",))

    def health(self, group: str | None = None) -> HealthReport:
        """How are the checks, whatever the gates say?

        Args:
            group: look only at the checks of this group, or at the check of this name.

        Raises:
            UnknownGroup: there is neither.
        """
        checks = self._reports(group)
        status = worst(checks, unknown_fails=False)
        return self._report(group or "health", status, checks, self._closed_gates())

    def measurements(self) -> Iterable[Measurement]:
        """Status (0 or 1 for each), duration and transitions of every check."""
        for report in self._reports():
            check = (("check", report.name),)
            for status in Status:
                yield Measurement(
                    "arbiter.health.check.status",
                    "gauge",
                    int(report.status is status),
                    "1 for the status that the check has, 0 for the others.",
                    "1",
                    (*check, ("status", status.value)),
                )
            yield Measurement(
                "arbiter.health.check.duration",
                "gauge",
                report.reading.duration_s,
                "How long the check's last run took.",
                "s",
                check,
            )
            yield Measurement(
                "arbiter.health.transitions",
                "counter",
                report.reading.changes,
                "How often the check's status has changed.",
                "{transition}",
                check,
            )

    def _add(
        self, name: str, check: AnyCheck, *, critical: bool, groups: Collection[str], adopted: bool
    ) -> None:
        entry = _Entry(name, Runner(name, check, self._clock), critical, frozenset(groups), adopted)
        with self._lock:
            if name in self._entries and not adopted:
                raise CheckExists(name)
            self._entries = {**self._entries, name: entry}
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._schedule, entry)

    def _schedule(self, entry: _Entry) -> None:
        if self._loop is None:
            return
        if earlier := self._schedules.pop(entry.name, None):
            earlier.cancel()
        name = f"arbiter.health:{entry.name}"
        self._schedules[entry.name] = self._loop.create_task(self._repeat(entry), name=name)

    def _schedule_anew(self) -> None:
        for entry in self._entries.values():
            self._schedule(entry)

    async def _repeat(self, entry: _Entry) -> None:
        while True:
            await self._run(entry)
            spread = 1 + self._random.uniform(-_JITTER, _JITTER)
            await self._clock.sleep(self._settings.current.interval_s * spread)

    async def _run(self, entry: _Entry) -> None:
        """One run, shared by all who ask for it while it is going."""
        if entry.running is None or entry.running.done():
            entry.running = asyncio.get_running_loop().create_task(self._run_alone(entry))
        await asyncio.shield(entry.running)

    async def _run_alone(self, entry: _Entry) -> None:
        async with self._slots:
            settings, begun = self._settings.current, self._clock.monotonic()
            result = await entry.runner.run(settings.timeout_s)
        before, at = entry.reading, self._clock.monotonic()
        entry.reading = follow(before, result, settings, now=self._clock.now(), at=at, took_s=at - begun)
        status = entry.reading.status
        if status is not None and status is not before.status:
            self._events.publish(HealthChanged(entry.name, before.status, status, result.output))

    def _reports(self, group: str | None = None) -> tuple[CheckReport, ...]:
        entries = self._entries.values()
        if group is None:
            return tuple(self._report_of(entry) for entry in entries)
        members = tuple(self._report_of(entry) for entry in entries if group in entry.groups | {entry.name})
        if not members:
            raise UnknownGroup(group, {name for entry in entries for name in entry.groups | {entry.name}})
        return members

    def _report_of(self, entry: _Entry) -> CheckReport:
        reading, settings = entry.reading, self._settings.current
        output = "" if reading.status is Status.PASS and not reading.failures else reading.output
        limit_s = _STALE_AFTER_INTERVALS * max(settings.interval_s, settings.timeout_s)
        age_s = self._clock.monotonic() - reading.ended_at
        if reading.status is None or self._loop is None or age_s <= limit_s:
            return CheckReport(entry.name, reading.status, entry.critical, reading, output)
        stale = f"stale: no result for {age_s:.0f} s"
        return CheckReport(entry.name, Status.FAIL, entry.critical, reading, stale)

    def _closed_gates(self) -> tuple[str, ...]:
        gates = {
            "starting": not self._started,
            "draining": self._draining,
            "maintenance": self._maintenance,
        }
        return tuple(gate for gate, closed in gates.items() if closed)

    def _report(
        self, description: str, status: Status, checks: tuple[CheckReport, ...], notes: tuple[str, ...]
    ) -> HealthReport:
        now = self._clock.now()
        return HealthReport(status, checks, description, notes, now, self._service, self._version)
