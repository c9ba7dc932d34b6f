"""One agent in memory: what the store holds of it, its load, and what a query or a router asks of it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from arbiter.orchestrator.agents.averages import averages
from arbiter.orchestrator.agents.models import Agent, CurrentLoad, StoredAgent

__all__ = ["Entry"]

_USUAL_LIMIT: Final = 10
"""Tasks at once that stand for 100 % where an agent names no limit (DESIGN section 6)."""


class Entry:
    """One agent, with what a query and a router ask of it at hand.

    Attributes:
        id, registered_at: who it is.
        record: what the store holds.
        success_rate: posterior, 0 to 1.
        active: tasks it carries.
        utilization: percent of what it takes at once, capped at 100.
        is_stale: it gave no sign of life for so long that it is set aside.
        takes_work: its status says so, and it is not set aside.
    """

    __slots__ = (
        "_agent",
        "active",
        "id",
        "is_stale",
        "languages",
        "record",
        "registered_at",
        "specializations",
        "success_rate",
        "takes_work",
        "task_types",
        "utilization",
    )

    def __init__(self, record: StoredAgent) -> None:
        self.id, self.registered_at = record.id, record.registered_at
        self.active = 0
        self.utilization = 0.0
        self._agent: Agent | None = None
        self.update(record)

    @property
    def is_full(self) -> bool:
        """Whether its own limit is set and reached."""
        limit = self.record.max_concurrent_tasks
        return limit is not None and self.active >= limit

    @property
    def limit(self) -> int | None:
        """How many tasks it takes at once; None where it names no limit."""
        return self.record.max_concurrent_tasks

    @property
    def agent(self) -> Agent:
        """What an answer shows of it; a new object after each change."""
        shown = self._agent = self._agent or self._shown()
        return shown

    def update(self, record: StoredAgent) -> None:
        """Take over what the store holds now; the load stays."""
        able = record.capabilities
        self.record = record
        self.task_types = frozenset(able.task_types)
        self.languages = frozenset(able.languages)
        self.specializations = frozenset(able.specializations)
        self.success_rate = averages(record.tally).success_rate
        self.is_stale = False
        self._changed()

    def carry(self, active: int) -> None:
        """Take over a new load."""
        self.active = active
        self.utilization = min(100.0, 100.0 * active / (self.record.max_concurrent_tasks or _USUAL_LIMIT))
        self._forget_shown()

    def age(self, oldest: datetime) -> bool:
        """Set the agent aside if it sends heartbeats and its last sign of life was before `oldest`; whether that is news."""
        was, self.is_stale = self.is_stale, self.record.beats and self.record.last_active_at < oldest
        if was is not self.is_stale:
            self._changed()
        return was is not self.is_stale

    def _changed(self) -> None:
        self.takes_work = self.record.status.takes_work and not self.is_stale
        self._forget_shown()

    def _forget_shown(self) -> None:
        self._agent = None

    def _shown(self) -> Agent:
        record = self.record
        # Every part was checked when it came in; to check a thousand of them again is what a query would spend its time on.
        load = CurrentLoad.trusted(
            active_tasks=self.active,
            queued_tasks=record.queued_tasks,
            utilization_percent=self.utilization,
        )
        return Agent.trusted(
            id=record.id,
            name=record.name,
            model_family=record.model_family,
            capabilities=record.capabilities,
            max_concurrent_tasks=record.max_concurrent_tasks,
            performance_history=averages(record.tally),
            current_load=load,
            status=record.status,
            is_stale=self.is_stale,
            registered_at=record.registered_at,
            last_active_at=record.last_active_at,
        )
