"""Rankings and pages: what a query is answered from, remembered until something that it depends on changes."""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_right
from operator import itemgetter
from typing import Final

import orjson

from arbiter.orchestrator.agents.errors import CursorInvalid
from arbiter.orchestrator.agents.index import Index
from arbiter.orchestrator.agents.matching import Ranked, asked_words, explain, is_below, ranking
from arbiter.orchestrator.agents.models import AgentMatch, AgentQuery, QueryPage
from arbiter.orchestrator.agents.settings import RegistrySettings
from arbiter.protocols import Clock, Live

__all__ = ["Ranker"]

_REMEMBERED: Final = 256
"""How many rankings are kept; the oldest goes first."""

_Key = tuple[object, ...]
_PLACE = itemgetter(0, 1)


class Ranker:
    """Answers queries from an index.

    A ranking holds who fits in which order; the load is looked at when a page is made, so that reserving and releasing
    agents leaves rankings valid.
    """

    def __init__(self, settings: Live[RegistrySettings], clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._remembered: dict[_Key, _Ranking] = {}
        self.hits = 0
        self.misses = 0

    def page(self, index: Index, query: AgentQuery) -> QueryPage:
        """The page that `query` asks for; raises CursorInvalid."""
        found = self._ranking(index, query)
        ranked = found.after(query.cursor) if query.cursor else found.ranked
        fitting = [one for one in ranked if is_below(one[2], query.max_utilization)]
        if not fitting and not query.cursor:
            return QueryPage(agents=(), hint=explain(index, query))
        shown = fitting[: query.limit]
        following = _cursor(shown[-1]) if len(fitting) > len(shown) else None
        return QueryPage(agents=tuple([_match(one, found.asked) for one in shown]), next=following)

    def _ranking(self, index: Index, query: AgentQuery) -> _Ranking:
        settings, now = self._settings.current, self._clock.monotonic()
        if not settings.cache_enabled:
            self._remembered.clear()
            return _Ranking(index, query, now)
        key = _key(query)
        remembered = self._remembered.get(key)
        if (
            remembered
            and remembered.version == index.version
            and now - remembered.made_at < settings.cache_ttl_s
        ):
            self.hits += 1
            return remembered
        self.misses += 1
        return self._remember(key, _Ranking(index, query, now))

    def _remember(self, key: _Key, made: _Ranking) -> _Ranking:
        self._remembered.pop(key, None)
        if len(self._remembered) >= _REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[key] = made
        return made


class _Ranking:
    """Who fits a query in which order, as of one version of the index."""

    __slots__ = ("asked", "made_at", "ranked", "version")

    def __init__(self, index: Index, query: AgentQuery, now: float) -> None:
        self.asked = asked_words(query)
        self.made_at = now
        self.ranked = ranking(index, query)
        self.version = index.version

    def after(self, cursor: str) -> list[Ranked]:
        """What follows the place that `cursor` names."""
        return self.ranked[bisect_right(self.ranked, _place(cursor), key=_PLACE) :]


def _key(query: AgentQuery) -> _Key:
    return (query.task_type, query.languages, query.specializations, query.min_success_rate, query.statuses)


def _match(ranked: Ranked, asked: str) -> AgentMatch:
    negated, _, entry = ranked
    # Most agents have not changed since the same was asked before, and making a match anew costs ten times as much.
    if entry.match is None or entry.match_asked != asked:
        entry.match_asked = asked
        entry.match = AgentMatch(agent=entry.agent, match_score=-negated, match_reason=asked + entry.standing)
    return entry.match


def _cursor(last: Ranked) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(last[:2])).decode()


def _place(cursor: str) -> tuple[float, str]:
    try:
        decoded: object = orjson.loads(base64.urlsafe_b64decode(cursor))
    except (binascii.Error, ValueError):
        raise CursorInvalid from None
    match decoded:
        case [float(negated), str(agent_id)]:
            return negated, agent_id
        case _:
            raise CursorInvalid
