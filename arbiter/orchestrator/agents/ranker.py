"""Pages of answers, from rankings that are remembered and follow what changes."""

from __future__ import annotations

import base64
import binascii
from typing import Final

import orjson

from arbiter.orchestrator.agents.errors import CursorInvalid
from arbiter.orchestrator.agents.index import Index
from arbiter.orchestrator.agents.matching import explain, is_below
from arbiter.orchestrator.agents.models import AgentQuery, QueryPage
from arbiter.orchestrator.agents.roster import Ranked, Ranking
from arbiter.orchestrator.agents.settings import RegistrySettings
from arbiter.protocols import Clock, Live

__all__ = ["Ranker"]

_REMEMBERED: Final = 256
"""How many rankings are kept; the one used longest ago goes first."""

_Key = tuple[object, ...]


class Ranker:
    """Answers queries from an index."""

    def __init__(self, settings: Live[RegistrySettings], clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._remembered: dict[_Key, Ranking] = {}
        self.hits = 0
        self.misses = 0

    def forget(self) -> None:
        """Let go of all rankings: they belong to an index that is no more."""
        self._remembered.clear()

    def page(self, index: Index, query: AgentQuery) -> QueryPage:
        """The page that `query` asks for; raises CursorInvalid."""
        page = _page(self._ranking(index, query), query)
        if not page.agents and not query.cursor:
            return QueryPage(agents=(), hint=explain(index, query))
        return page

    def remembered(self, query: AgentQuery) -> QueryPage | None:
        """The same from the ranking as it stood when it was last asked for, however old; None where none is kept."""
        ranking = self._remembered.get(_key(query))
        return None if ranking is None else _page(ranking, query)

    def _ranking(self, index: Index, query: AgentQuery) -> Ranking:
        settings, now = self._settings.current, self._clock.monotonic()
        if not settings.cache_enabled:
            self._remembered.clear()
            return Ranking(index, query, now)
        key = _key(query)
        ranking = self._remembered.pop(key, None)
        if ranking is None or now - ranking.made_at >= settings.cache_ttl_s:
            self.misses += 1
            ranking = Ranking(index, query, now)
        else:
            self.hits += 1
            ranking.catch_up()
        self._remembered[key] = ranking
        if len(self._remembered) > _REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        return ranking


def _key(query: AgentQuery) -> _Key:
    return (query.task_type, query.languages, query.specializations, query.statuses)


def _page(ranking: Ranking, query: AgentQuery) -> QueryPage:
    begin = ranking.after(*_place(query.cursor)) if query.cursor else 0
    shown, more = _fitting(ranking, begin, query)
    matches = tuple([ranking.match(entry) for _, _, entry in shown])
    return QueryPage.trusted(agents=matches, next=_cursor(shown[-1]) if more else None, hint=None)


def _fitting(ranking: Ranking, begin: int, query: AgentQuery) -> tuple[list[Ranked], bool]:
    """The agents of a page that begins at `begin`, and whether others follow."""
    end, wanted, threshold = ranking.down_to(query.min_success_rate), query.limit + 1, query.max_utilization
    if threshold is None:
        found = ranking.ranked[begin : min(end, begin + wanted)]
    else:
        found = []
        for position in range(begin, end):
            if is_below(ranking.ranked[position][2], threshold):
                found.append(ranking.ranked[position])
                if len(found) == wanted:
                    break
    return found[: query.limit], len(found) == wanted


def _cursor(last: Ranked) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(last[:2])).decode()


def _place(cursor: str) -> tuple[float, str]:
    try:
        decoded: object = orjson.loads(base64.urlsafe_b64decode(cursor))
    except (binascii.Error, ValueError):
        raise CursorInvalid from None
    match decoded:
        case [float(rate), str(agent_id)]:
            return rate, agent_id
        case _:
            raise CursorInvalid
