"""Who fits a query: as a live view, and sorted. Both are kept up to date by what changed, never made anew for it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Iterator
from operator import itemgetter

from arbiter.orchestrator.agents.entry import Entry
from arbiter.orchestrator.agents.index import Index
from arbiter.orchestrator.agents.matching import asked_words, fits, score
from arbiter.orchestrator.agents.models import AgentMatch, AgentQuery

__all__ = ["Ranked", "Ranking", "Roster"]

Ranked = tuple[float, str, Entry]
"""Minus the success rate, the agent's id, the agent: sorts as answers are ordered."""

_RATE = itemgetter(0)
_PLACE = itemgetter(0, 1)


class Roster:
    """The agents that can do what a query asks and take work, however loaded; always as they stand now.

    Its holder remembers `version` and asks `changed_since` for it, which is cheap however many agents there are.
    """

    __slots__ = ("_index", "_query")

    def __init__(self, index: Index, query: AgentQuery) -> None:
        self._index, self._query = index, query

    def __iter__(self) -> Iterator[Entry]:
        return (entry for entry in self._index.candidates(self._query) if fits(entry, self._query))

    @property
    def version(self) -> int:
        """Grows with every change of any agent."""
        return self._index.changes.version

    def get(self, agent_id: str) -> Entry | None:
        """The agent, if it is on the roster."""
        entry = self._index.get(agent_id)
        return entry if entry is not None and fits(entry, self._query) else None

    def changed_since(self, version: int) -> Collection[str] | None:
        """Ids of agents that changed since, on the roster or not; None where so much did that it is better read anew."""
        changed = self._index.changes.since(version)
        return None if changed is None or 4 * len(changed) > len(self._index) + 64 else changed


class Ranking:
    """A roster in the order of answers: the highest success rate first, ids where rates are equal.

    The load is looked at when a page is made, so that reserving and releasing agents moves nobody.
    """

    __slots__ = ("_asked", "_matches", "_places", "_query", "_roster", "_version", "made_at", "ranked")

    def __init__(self, index: Index, query: AgentQuery, made_at: float) -> None:
        self._roster = Roster(index, query)
        self._query, self._asked = query, asked_words(query)
        self._matches: dict[str, AgentMatch] = {}
        self.made_at = made_at
        self._version = -1
        self.ranked: list[Ranked] = []
        self._places: dict[str, Ranked] = {}
        self._make()

    def catch_up(self) -> None:
        """Bring it up to date."""
        version = self._roster.version
        if version == self._version:
            return
        changed = self._roster.changed_since(self._version)
        if changed is None:
            self._make()
            return
        for agent_id in changed:
            self._place(agent_id, self._roster.get(agent_id))
        self._version = version

    def after(self, rate: float, agent_id: str) -> int:
        """The position that follows the place of an agent, whether it still stands there or not."""
        return bisect_right(self.ranked, (rate, agent_id), key=_PLACE)

    def down_to(self, success_rate: float | None) -> int:
        """The position behind the last agent that succeeds so often."""
        if success_rate is None:
            return len(self.ranked)
        return bisect_right(self.ranked, -success_rate, key=_RATE)

    def match(self, entry: Entry) -> AgentMatch:
        """The agent as an answer shows it; made anew only where it changed, as most have not since they were last shown."""
        match = self._matches.get(entry.id)
        if match is None or match.agent is not entry.agent:
            count = entry.record.tally.task_count
            standing = f"success rate {entry.success_rate:.3f} over {count} outcomes and the prior"
            match = self._matches[entry.id] = AgentMatch.trusted(
                agent=entry.agent,
                match_score=score(entry, self._query),
                match_reason=self._asked + standing,
            )
        return match

    def _make(self) -> None:
        self._version = self._roster.version
        self.ranked = sorted((-entry.success_rate, entry.id, entry) for entry in self._roster)
        self._places = {place[1]: place for place in self.ranked}

    def _place(self, agent_id: str, entry: Entry | None) -> None:
        old = self._places.get(agent_id)
        if old is not None:
            if entry is not None and entry is old[2] and -entry.success_rate == old[0]:
                return
            del self._places[agent_id]
            self._matches.pop(agent_id, None)
            del self.ranked[bisect_left(self.ranked, old[:2], key=_PLACE)]
        if entry is not None:
            new = self._places[agent_id] = (-entry.success_rate, agent_id, entry)
            insort(self.ranked, new, key=_PLACE)
