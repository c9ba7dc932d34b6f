"""The agents in memory: what a query looks through. Every change goes to the store first, then here.

Only the event loop touches it, so it needs no lock; a change between two awaits is seen whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from arbiter.orchestrator.agents.averages import averages
from arbiter.orchestrator.agents.models import Agent, AgentMatch, AgentRecord, CurrentLoad

__all__ = ["Entry", "Index"]

_USUAL_LIMIT: Final = 10
"""Tasks at once that stand for 100 % where an agent names no limit (DESIGN section 6)."""


class Entry:
    """One agent, with what a query asks of it at hand.

    Attributes:
        record: what the store holds.
        agent: what a query returns; a new object after each change.
        success_rate: posterior, 0 to 1.
        utilization: percent of what it takes at once, capped at 100.
        active, queued: its load.
        match, match_asked: the answer it was last part of, and to which question; None after each change.
    """

    __slots__ = (
        "active",
        "agent",
        "languages",
        "match",
        "match_asked",
        "queued",
        "record",
        "specializations",
        "standing",
        "success_rate",
        "takes_work",
        "utilization",
    )

    def __init__(self, record: AgentRecord) -> None:
        self.active = 0
        self.queued = 0
        self.utilization = 0.0
        self.update(record)

    @property
    def is_full(self) -> bool:
        """Whether its own limit is set and reached."""
        limit = self.record.max_concurrent_tasks
        return limit is not None and self.active >= limit

    def update(self, record: AgentRecord) -> None:
        """Take over what the store holds now; the load stays."""
        history = averages(record.tally)
        self.record = record
        self.languages = frozenset(record.capabilities.languages)
        self.specializations = frozenset(record.capabilities.specializations)
        self.takes_work = record.status.takes_work
        self.success_rate = history.success_rate
        self.standing = (
            f"success rate {history.success_rate:.3f} over {history.task_count} outcomes and the prior"
        )
        self.agent = Agent(
            id=record.id,
            name=record.name,
            model_family=record.model_family,
            capabilities=record.capabilities,
            max_concurrent_tasks=record.max_concurrent_tasks,
            performance_history=history,
            current_load=self._load(),
            status=record.status,
            registered_at=record.registered_at,
            last_active_at=record.last_active_at,
        )
        self.match: AgentMatch | None = None
        self.match_asked = ""

    def carry(self, active: int, queued: int) -> None:
        """Take over a new load."""
        self.active, self.queued = active, queued
        self.utilization = min(100.0, 100.0 * active / (self.record.max_concurrent_tasks or _USUAL_LIMIT))
        self.agent = self.agent.model_copy(update={"current_load": self._load()})
        self.match = None

    def _load(self) -> CurrentLoad:
        return CurrentLoad(
            active_tasks=self.active, queued_tasks=self.queued, utilization_percent=self.utilization
        )


class Index:
    """All agents by id, and by the task types they take."""

    def __init__(self, records: Iterable[AgentRecord] = ()) -> None:
        self._entries: dict[str, Entry] = {}
        self._by_task_type: dict[str, dict[str, Entry]] = {}
        self.version = 0
        """Grows with every change that a ranking depends on; load is not among them."""
        for record in records:
            self.put(record)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __contains__(self, agent_id: str) -> bool:
        return agent_id in self._entries

    def ids(self) -> Iterable[str]:
        """The ids of all agents."""
        return self._entries.keys()

    def get(self, agent_id: str) -> Entry | None:
        """The agent's entry, or None."""
        return self._entries.get(agent_id)

    def candidates(self, task_type: str | None) -> Iterable[Entry]:
        """The agents that take `task_type`; all of them when it is None."""
        if task_type is None:
            return self._entries.values()
        return self._by_task_type.get(task_type, {}).values()

    def put(self, record: AgentRecord) -> Entry:
        """Add the agent, or bring it up to date; a new registration of the id takes over nothing, and no load."""
        entry = self._entries.get(record.id)
        if entry is not None and entry.record.registered_at != record.registered_at:
            self.remove(record.id)
            entry = None
        if entry is None:
            entry = self._entries[record.id] = Entry(record)
        elif _ranks_like(entry.record, record):
            entry.update(record)
            return entry
        else:
            self._forget_task_types(entry)
            entry.update(record)
        for task_type in record.capabilities.task_types:
            self._by_task_type.setdefault(task_type, {})[record.id] = entry
        self.version += 1
        return entry

    def remove(self, agent_id: str) -> None:
        """Forget the agent, if it is there."""
        if (entry := self._entries.pop(agent_id, None)) is not None:
            self._forget_task_types(entry)
            self.version += 1

    def replace(self, records: Iterable[AgentRecord]) -> None:
        """Hold these agents and no others; those that stay, of the same registration, keep their load."""
        wanted = {record.id: record for record in records}
        for agent_id in self._entries.keys() - wanted.keys():
            self.remove(agent_id)
        for record in wanted.values():
            self.put(record)

    def _forget_task_types(self, entry: Entry) -> None:
        for task_type in entry.record.capabilities.task_types:
            takers = self._by_task_type[task_type]
            del takers[entry.record.id]
            if not takers:
                del self._by_task_type[task_type]


def _ranks_like(old: AgentRecord, new: AgentRecord) -> bool:
    return (old.capabilities, old.status, old.tally) == (new.capabilities, new.status, new.tally)
