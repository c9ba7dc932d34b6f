"""The agents in memory: what a query looks through. Every change goes to the store first, then here.

Only the event loop touches it, so it needs no lock; a change between two awaits is seen whole or not at all. What an
answer shows is made when it is asked for: a change costs a few attributes and a line in the log of changes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from arbiter.orchestrator.agents.averages import averages
from arbiter.orchestrator.agents.models import Agent, AgentQuery, CurrentLoad, StoredAgent
from arbiter.orchestrator.changes import Changes

__all__ = ["Entry", "Index"]

_USUAL_LIMIT: Final = 10
"""Tasks at once that stand for 100 % where an agent names no limit (DESIGN section 6)."""

_NOBODY: Final[Mapping[str, Entry]] = MappingProxyType({})


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


class Index:
    """All agents by id, and by each word that they can be looked for with.

    Attributes:
        changes: the ids of agents that came, changed in whatever a query or a router looks at, or went.
    """

    def __init__(self, records: Iterable[StoredAgent] = ()) -> None:
        self._entries: dict[str, Entry] = {}
        self._by_word: dict[tuple[str, str], dict[str, Entry]] = {}
        self._ahead: dict[tuple[str, datetime], int] = {}
        self.changes = Changes()
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

    def candidates(self, query: AgentQuery) -> Iterable[Entry]:
        """No fewer than the agents that can do what is asked: those who have the rarest word of it."""
        asked = [self._by_word.get(word, _NOBODY) for word in _words_of(query)]
        return min(asked, key=len, default=self._entries).values()

    def put(self, record: StoredAgent) -> Entry:
        """Add the agent, or bring it up to date; a new registration of the id takes over nothing, and no load.

        A record that is older than what is held changes nothing: news of other instances may come late.
        """
        entry = self._entries.get(record.id)
        if entry is not None and entry.registered_at != record.registered_at:
            self.remove(record.id)
            entry = None
        if entry is None:
            entry = self._entries[record.id] = Entry(record)
            entry.carry(self._ahead.pop((record.id, record.registered_at), 0))
            self._enlist(entry)
        elif record.revision < entry.record.revision:
            return entry
        elif entry.record.capabilities == record.capabilities:
            entry.update(record)
        else:
            self._delist(entry)
            entry.update(record)
            self._enlist(entry)
        self.changes.note(record.id)
        return entry

    def carry(self, entry: Entry, active: int) -> None:
        """The agent carries so many tasks now."""
        entry.carry(active)
        self.changes.note(entry.id)

    def carry_ahead(self, agent_id: str, registered_at: datetime, more: int) -> None:
        """Remember the load of an agent that is not known yet: another instance registered it, and routed to it."""
        key = agent_id, registered_at
        active = self._ahead.pop(key, 0) + more
        if active > 0:
            self._ahead[key] = active

    def set_aside(self, oldest: datetime) -> None:
        """Set aside the agents whose last sign of life was before `oldest`, and take back those that gave one since."""
        for entry in self._entries.values():
            if entry.age(oldest):
                self.changes.note(entry.id)

    def remove(self, agent_id: str, registered_at: datetime | None = None) -> None:
        """Forget the agent, if it is there; with `registered_at`, only that registration of it."""
        entry = self._entries.get(agent_id)
        if entry is not None and registered_at in {None, entry.registered_at}:
            del self._entries[agent_id]
            self._delist(entry)
            self.changes.note(agent_id)

    def replace(self, records: Iterable[StoredAgent], keeping: Collection[str] = ()) -> None:
        """Hold these agents and no others; those that stay, of the same registration, keep their load.

        Args:
            records: all agents there are.
            keeping: ids of agents that are better known here, and stay as they are.
        """
        wanted = {record.id: record for record in records}
        for agent_id in self._entries.keys() - wanted.keys() - set(keeping):
            self.remove(agent_id)
        for record in wanted.values():
            if record.id not in keeping:
                self.put(record)

    def _enlist(self, entry: Entry) -> None:
        for word in _words_of(entry):
            self._by_word.setdefault(word, {})[entry.id] = entry

    def _delist(self, entry: Entry) -> None:
        for word in _words_of(entry):
            havers = self._by_word[word]
            del havers[entry.id]
            if not havers:
                del self._by_word[word]


def _words_of(asked: AgentQuery | Entry) -> Iterator[tuple[str, str]]:
    """The words by which agents are found: what a query asks, or what an agent has."""
    if isinstance(asked, Entry):
        yield from (("task type", word) for word in asked.task_types)
    elif asked.task_type is not None:
        yield "task type", asked.task_type
    yield from (("language", word) for word in asked.languages)
    yield from (("specialization", word) for word in asked.specializations)
