"""Keeps watch over everything that is stored, by this instance and by others, and tells what is out of the ordinary."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from arbiter.orchestrator.performance.contents import Store, Stored
from arbiter.orchestrator.performance.models import AgentPerformance, Anomalies, EventType, PerformanceEvent
from arbiter.orchestrator.performance.watch import SYSTEM, Change, Watch, told
from arbiter.protocols import Clock, EventSink

__all__ = ["Lookout"]

log = structlog.get_logger(__name__)

_LOOK_S: Final = 5.0
"""An alarm is raised within 30 s of its cause (A4), so the agents are looked at more often."""
_PORTION: Final = 1000
_REMEMBERED: Final = 1_000_000
"""So many of the last week's events are counted into the windows again after a start."""


class Lookout:
    """Looks at all agents every five seconds.

    Args:
        store: what others stored is read from there.
        clock: for the time between two looks.
        alarms: told when something begins to be out of the ordinary, and when that is over.
        keep: takes the event that is kept of an anomaly.
    """

    def __init__(
        self, store: Store, clock: Clock, alarms: EventSink | None, keep: Callable[[PerformanceEvent], bool]
    ) -> None:
        self._store = store
        self._clock = clock
        self._alarms = alarms
        self._keep = keep
        self._watch = Watch()

    def count(self, stored: Stored, events: Sequence[PerformanceEvent], at: datetime) -> None:
        """Count what this instance stored at that moment: the new ones of `events`."""
        self._watch.add(stored.totals, at.timestamp())
        if all(kind != EventType.SYSTEM_LOAD_SPIKE for _, kind in stored.totals):
            return
        for event in events:
            if event.type is EventType.SYSTEM_LOAD_SPIKE and event.id in stored.ids:
                self._note_load(event, at.timestamp())

    def _note_load(self, event: PerformanceEvent, at_s: float) -> None:
        if (share := _load(event)) is not None:
            self._watch.load(event.agent_id or SYSTEM, share, at_s)

    def performance(self, agent_id: str) -> AgentPerformance:
        """How one agent does now, next to how it usually does."""
        return self._watch.performance(agent_id, self._clock.now())

    def anomalies(self) -> Anomalies:
        """Everything that is out of the ordinary now, the oldest first."""
        return Anomalies(anomalies=self._watch.anomalies())

    async def run(self) -> None:
        """Look, until cancelled."""
        after: int | None = None
        while True:
            try:
                after = await self._follow(after)
            except Exception as error:  # noqa: BLE001  what others did is looked up when the store is back
                log.debug("others' events could not be read", reason=str(error))
            for change in self._watch.look(self._clock.now()):
                self._tell(change)
            await self._clock.sleep(_LOOK_S)

    async def _follow(self, after: int | None) -> int:
        """Count what earlier runs and other instances stored behind `after`; returns how far that got."""
        if after is None:
            after = await self._store.position_at(self._clock.now() - timedelta(days=7), _REMEMBERED)
        while True:
            others = await self._store.others_after(after, _PORTION)
            self._watch.count(others.executions)
            after = others.until
            if len(others.executions) < _PORTION:
                return after

    def _tell(self, change: Change) -> None:
        alarm, event = told(change, self._clock.now())
        log.log(logging.INFO if change.is_over else logging.WARNING, alarm.summary, agent_id=alarm.subject)
        if not change.is_over:
            self._keep(event)
        if self._alarms is not None:
            self._alarms.publish(alarm)


def _load(event: PerformanceEvent) -> float | None:
    told = [event.metadata.get(name) for name in ("cpu_percent", "memory_percent")]
    known = [float(value) for value in told if isinstance(value, int | float)]
    return max(known) / 100 if known else None
