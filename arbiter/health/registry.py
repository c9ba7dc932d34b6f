"""The health registry: runs every check in the background, and answers probes from memory."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final

from arbiter.checks import CheckMark, checks_of
from arbiter.events import SettingsApplied
from arbiter.health.faults import CheckExists, GroupMemberUnknown, UnknownGroup
from arbiter.health.measuring import measurements_of
from arbiter.health.report import CheckReport, HealthReport, degraded, worst
from arbiter.health.roster import Entry, Roster
from arbiter.health.running import AnyCheck, Runner, Threads
from arbiter.health.schedule import Schedule, interval_of, timeout_of
from arbiter.health.settings import HealthSettings
from arbiter.protocols import Clock, EventSink, Live, Measurement, Status

__all__ = ["CheckExists", "GroupMemberUnknown", "HealthRegistry", "HealthReport", "UnknownGroup"]

_STALE_AFTER_INTERVALS: Final = 3

Circuits = Callable[[], Mapping[str, str]]
"""Which circuit breakers are not closed: `<provider>.<method>` and the state, "open" or "half-open"."""


def _all_closed() -> Mapping[str, str]:
    return {}


class HealthRegistry:
    """Every check of one application, and the gates of its life.

    Each check runs on its own schedule, at once when `start()` is called and then every `interval_s`, give or
    take a tenth; at most ten run at the same time. Reading a report runs nothing and may be done from any
    thread.

    Args:
        settings: intervals, time-outs, thresholds, groups; read at each run.
        clock: drives the schedule.
        events: gets a `HealthChanged` for each transition.
        service: the service's name, for reports.
        version: its release, for reports.
        seed: of the schedule's jitter; a test fixes it.
        circuits: which circuit breakers are not closed; they degrade the check of their component.
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
        circuits: Circuits = _all_closed,
    ) -> None:
        self._settings, self._clock, self._circuits = settings, clock, circuits
        self._service, self._version = service, version
        self._roster, self._schedule = Roster(), Schedule(settings, clock, events, seed)
        self._threads = Threads()
        self._started = self._draining = self._maintenance = self._started_up = False

    def register(
        self,
        name: str,
        check: AnyCheck,
        *,
        critical: bool = True,
        groups: Collection[str] = (),
        interval_s: float | None = None,
        timeout_s: float | None = None,
    ) -> None:
        """Add a check; it runs from `start()` on, or from now on if that has been.

        Args:
            name: what reports call it.
            check: a component with `check()`, or a function, sync or async; sync ones run on threads of the checks'
                own.
            critical: whether its failure is the whole's failure; otherwise it only degrades.
            groups: names under which `health(group)` finds it, besides its own.
            interval_s: seconds between two runs, in place of the settings'.
            timeout_s: seconds that one run may take, in place of the settings'.

        Raises:
            CheckExists: the name is taken; says where both stand.
        """
        caller = sys._getframe(1)
        place = f"registered in {caller.f_code.co_filename}, line {caller.f_lineno}"
        mark = CheckMark(name, critical, tuple(groups), interval_s, timeout_s)
        entry = Entry(name, self._runner(name, check), mark, place)
        self._roster.register(entry)
        self._schedule.add(entry)

    def adopt(self, name: str, component: object) -> None:
        """Register a component's checks: its async `check()` under its provider's name, and what `@health_check` marks.

        A name that was registered by hand stays as it is; a component adopted again (a restart) replaces the
        earlier.
        """
        if component is self:
            return
        try:
            found = list(checks_of(name, component))
        except Exception:  # noqa: BLE001  a component's own __getattr__; then it has no check
            return
        for one in found:
            entry = Entry(one.name, self._runner(one.name, one.ask), one.mark, one.place, owner=name)
            if self._roster.adopt(one, entry):
                self._schedule.add(entry)

    async def start(self) -> None:
        """Begin the schedule; the first run of every check begins now.

        Raises:
            CheckExists: two components brought checks of one name.
            GroupMemberUnknown: `health.groups` names a check that is not there.
        """
        self._roster.validate(self._settings.current.groups)
        self._schedule.start(self._roster.entries.values())

    async def stop(self) -> None:
        """End the schedule; the last readings stay."""
        await self._schedule.stop()

    async def refresh(self, names: Collection[str] | None = None, *, within_s: float = 0.0) -> None:
        """Run checks concurrently, once, and return when each has a result; runs that are going are joined.

        Args:
            names: only these; all where it is None.
            within_s: leave alone what has a result that is younger than this.
        """
        now = self._clock.monotonic()
        due = [
            self._schedule.run(entry)
            for entry in self._roster.entries.values()
            if (names is None or entry.name in names)
            and (entry.reading.status is None or now - entry.reading.ended_at >= within_s)
        ]
        await asyncio.gather(*due)

    async def refresh_on_demand(self, *, within_s: float = 1.0) -> None:
        """The same on behalf of a probe, from any loop; returns in any case when no answer can be expected any more.

        Args:
            within_s: what is younger than this many seconds is fresh enough: so often at most is anything asked.
        """
        loop = self._schedule.loop
        if loop is None:
            return
        running = asyncio.run_coroutine_threadsafe(self.refresh(within_s=within_s), loop)
        entries, settings = self._roster.entries.values(), self._settings.current
        limit_s = max((timeout_of(entry, settings) for entry in entries), default=0.0)
        await asyncio.wait({asyncio.ensure_future(asyncio.wrap_future(running))}, timeout=limit_s + 0.5)

    def prepare_settings(self, change: Any) -> None:
        """Refuse a reload whose groups name checks that are not there.

        Raises:
            GroupMemberUnknown: one does.
        """
        self._roster.validate(change.new.health.groups)

    def commit_settings(self, change: Any) -> None:
        """Nothing is left to do: settings are read at use."""

    def publish(self, event: object) -> None:
        """Take the event of a reload: a changed interval holds from now on, not from the end of the present one."""
        if isinstance(event, SettingsApplied) and "health.interval_s" in event.changed:
            self._schedule.renew()

    def mark_started(self) -> None:
        """The application's components have started: startup and readiness may pass."""
        self._started, self._draining = True, False

    def mark_draining(self) -> None:
        """The application is about to stop: readiness fails from now on, so that no new work is sent."""
        self._draining = True

    def set_maintenance(self, on: bool) -> None:  # noqa: FBT001  a gate has two positions
        """Take the application out of service without stopping it, or put it back."""
        self._maintenance = on

    def readiness(self, *, exclude: Collection[str] = ()) -> HealthReport:
        """May work be sent here? Fails while starting, draining or in maintenance, and when a critical check
        fails.

        Args:
            exclude: names of checks that are not looked at.
        """
        notes, checks = self._closed_gates(), self._reports(self._roster.entries.values(), exclude)
        status = Status.FAIL if notes else worst(checks, unknown_fails=True)
        return self._report("readiness", status, checks, notes)

    def startup(self) -> HealthReport:
        """Has it started? Fails until it has and each critical check has run once; then passes for good."""
        checks = self._reports(self._roster.entries.values())
        unknown = any(check.critical and check.status is None for check in checks)
        self._started_up = self._started_up or (self._started and not unknown)
        status = Status.PASS if self._started_up else Status.FAIL
        return self._report("startup", status, checks, () if self._started_up else ("starting",))

    def health(
        self, group: str | None = None, check: str | None = None, *, exclude: Collection[str] = ()
    ) -> HealthReport:
        """How are the checks, whatever the gates say?

        Args:
            group: look only at the checks of this group, or at the check of this name.
            check: look only at this one of them.
            exclude: names of checks that are not looked at.

        Raises:
            UnknownGroup: there is no such group, or the check is not in it.
        """
        checks = self._reports(self._members(group, check), exclude)
        status = worst(checks, unknown_fails=False)
        return self._report(group or "health", status, checks, self._closed_gates())

    def measurements(self) -> Iterable[Measurement]:
        """Status (0 or 1 for each), duration and transitions of every check."""
        return measurements_of(self._reports(self._roster.entries.values()))

    def _runner(self, name: str, check: AnyCheck) -> Runner:
        return Runner(name, check, self._clock, self._threads)

    def _members(self, group: str | None, check: str | None) -> Iterable[Entry]:
        if group is None:
            return self._roster.entries.values()
        groups = self._settings.current.groups
        members = self._roster.members(group, groups)
        if not members and group not in groups:
            raise UnknownGroup(group, self._roster.group_names(groups))
        chosen = [entry for entry in members if check in {None, entry.name}]
        if check is not None and not chosen:
            raise UnknownGroup(f"{group}/{check}", {f"{group}/{entry.name}" for entry in members})
        return chosen

    def _reports(self, entries: Iterable[Entry], exclude: Collection[str] = ()) -> tuple[CheckReport, ...]:
        circuits, settings = self._circuits(), self._settings.current
        return tuple(
            degraded(self._report_of(entry, settings), circuits, fails=settings.breakers_fail_readiness)
            for entry in entries
            if entry.name not in exclude
        )

    def _report_of(self, entry: Entry, settings: HealthSettings) -> CheckReport:
        reading, critical = entry.reading, entry.mark.critical
        output = "" if reading.status is Status.PASS and not reading.failures else reading.output
        limit_s = _STALE_AFTER_INTERVALS * max(interval_of(entry, settings), timeout_of(entry, settings))
        age_s = self._clock.monotonic() - reading.ended_at
        if reading.status is None or self._schedule.loop is None or age_s <= limit_s:
            return CheckReport(entry.name, reading.status, critical, reading, output)
        stale = f"stale: no result for {age_s:.0f} s"
        return CheckReport(entry.name, Status.FAIL, critical, reading, stale)

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
