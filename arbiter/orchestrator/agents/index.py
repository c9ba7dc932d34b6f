"""The agents in memory: what a query looks through. Every change goes to the store first, then here.

Only the event loop touches it, so it needs no lock; a change between two awaits is seen whole or not at all. What an
answer shows is made when it is asked for: a change costs a few attributes and a line in the log of changes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from arbiter.orchestrator.agents.entry import Entry
from arbiter.orchestrator.agents.models import Agent, AgentQuery, StoredAgent
from arbiter.orchestrator.changes import Changes

__all__ = ["Change", "Index"]

_NOBODY: Final[Mapping[str, Entry]] = MappingProxyType({})


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

    def registration(self, agent_id: str, registered_at: datetime | None) -> Entry | None:
        """The agent's entry where it is of that registration, any without `registered_at`; or None."""
        entry = self._entries.get(agent_id)
        if entry is None or registered_at not in {None, entry.registered_at}:
            return None
        return entry

    def reserve(self, agent_id: str, registered_at: datetime | None, *, elsewhere: bool) -> bool:
        """The agent carries one task more; False where it cannot. See `AgentRegistry.reserve`."""
        entry = self.registration(agent_id, registered_at)
        if elsewhere and entry is None and registered_at is not None:
            self._carry_ahead(agent_id, registered_at, 1)
            return True
        if entry is None or (entry.is_full and not elsewhere):
            return False
        self._carry(entry, entry.active + 1)
        return True

    def release(self, agent_id: str, registered_at: datetime | None) -> None:
        """The agent carries one task less, never fewer than none."""
        entry = self.registration(agent_id, registered_at)
        if entry is not None and entry.active > 0:
            self._carry(entry, entry.active - 1)
        elif entry is None and registered_at is not None:
            self._carry_ahead(agent_id, registered_at, -1)

    def set_aside(self, oldest: datetime) -> None:
        """Set aside the agents whose last sign of life was before `oldest`, and take back those that gave one since."""
        for entry in self._entries.values():
            if entry.age(oldest):
                self.changes.note(entry.id)

    def remove(self, agent_id: str, registered_at: datetime | None = None) -> None:
        """Forget the agent, if it is there; with `registered_at`, only that registration of it."""
        entry = self.registration(agent_id, registered_at)
        if entry is not None:
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

    def _carry(self, entry: Entry, active: int) -> None:
        entry.carry(active)
        self.changes.note(entry.id)

    def _carry_ahead(self, agent_id: str, registered_at: datetime, more: int) -> None:
        """Remember the load of an agent that is not known yet: another instance registered it, and routed to it."""
        key = agent_id, registered_at
        active = self._ahead.pop(key, 0) + more
        if active > 0:
            self._ahead[key] = active

    def _enlist(self, entry: Entry) -> None:
        for word in _words_of(entry):
            self._by_word.setdefault(word, {})[entry.id] = entry

    def _delist(self, entry: Entry) -> None:
        for word in _words_of(entry):
            havers = self._by_word[word]
            del havers[entry.id]
            if not havers:
                del self._by_word[word]


class Change:
    """Takes a stored change over into the index, and keeps the agent as it stood right after it.

    Attributes:
        agent: None as long as nothing was changed.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self.agent: Agent | None = None

    def __call__(self, record: StoredAgent | None) -> None:
        """The store holds `record` now, or has no such agent."""
        if record is not None:
            self.agent = self._index.put(record).agent


def _words_of(asked: AgentQuery | Entry) -> Iterator[tuple[str, str]]:
    """The words by which agents are found: what a query asks, or what an agent has."""
    if isinstance(asked, Entry):
        yield from (("task type", word) for word in asked.task_types)
    elif asked.task_type is not None:
        yield "task type", asked.task_type
    yield from (("language", word) for word in asked.languages)
    yield from (("specialization", word) for word in asked.specializations)
