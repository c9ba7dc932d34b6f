"""Which agents fit a query, how well, and what to say when none does.

Conditions are AND, words are compared exactly. As an agent that lacks anything asked for is not in the answer, the
score (the weights of upstream's registry, component ARBITER-001) is

    (asked + 0.2 * success rate) / (asked + 0.2)

where `asked` is the sum of 0.3 for a task type, 0.3 for languages and 0.2 for specialisations that were asked for,
and the success rate is the posterior one (see `averages`). The more was asked and met, the surer the fit; between
agents that meet the same, success decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from arbiter.orchestrator.agents.entry import Entry
from arbiter.orchestrator.agents.index import Index
from arbiter.orchestrator.agents.models import AgentQuery
from arbiter.orchestrator.vocabulary import (
    KNOWN_LANGUAGES,
    KNOWN_SPECIALIZATIONS,
    KNOWN_TASK_TYPES,
    near_misses,
)

__all__ = ["asked_words", "explain", "fits", "is_below", "score"]

_TASK_TYPE: Final = 0.3
_LANGUAGES: Final = 0.3
_SPECIALIZATIONS: Final = 0.2
_SUCCESS: Final = 0.2


def fits(entry: Entry, query: AgentQuery) -> bool:
    """Whether the agent can do what is asked, and is in a state that was asked for, or takes work where none was."""
    in_state = entry.record.status in query.statuses if query.statuses else entry.takes_work
    return in_state and _is_capable(entry, query)


def score(entry: Entry, query: AgentQuery) -> float:
    """How well an agent that fits does so, 0 to 1 (see the top of this file)."""
    asked = _asked_weight(query)
    return (asked + _SUCCESS * entry.success_rate) / (asked + _SUCCESS)


def is_below(entry: Entry, max_utilization: float | None) -> bool:
    """Whether the agent's load is below the threshold, which is exclusive (acceptance A4)."""
    return max_utilization is None or entry.utilization < max_utilization


def asked_words(query: AgentQuery) -> str:
    """The part of the reason that all matches of a query share."""
    parts = [f"task type {query.task_type}"] if query.task_type else []
    if query.languages:
        parts.append(f"languages {', '.join(query.languages)}")
    if query.specializations:
        parts.append(f"specializations {', '.join(query.specializations)}")
    return "; ".join([*parts, ""])


def explain(index: Index, query: AgentQuery) -> str:
    """Why nobody matched: the first condition that leaves nobody, with its near misses."""
    if len(index) == 0:
        return "No agent is registered."
    missing = [words for dimension in _DIMENSIONS for words in dimension.missing(index, query)]
    if missing:
        return " ".join(missing)
    left: Sequence[Entry] = [entry for entry in index.candidates(query) if _is_capable(entry, query)]
    if not left:
        return (
            f"Each of these is known, but no single agent has all of them: {asked_words(query).rstrip('; ')}."
        )
    for condition, words in _CONDITIONS:
        passed = [entry for entry in left if condition(entry, query)]
        if not passed:
            return (
                f"{len(left)} {'agents have' if len(left) > 1 else 'agent has'} what was asked, but {words}."
            )
        left = passed
    return ""


def _asked_weight(query: AgentQuery) -> float:
    return (
        (_TASK_TYPE if query.task_type else 0.0)
        + (_LANGUAGES if query.languages else 0.0)
        + (_SPECIALIZATIONS if query.specializations else 0.0)
    )


def _is_capable(entry: Entry, query: AgentQuery) -> bool:
    return (
        (query.task_type is None or query.task_type in entry.task_types)
        and entry.languages.issuperset(query.languages)
        and entry.specializations.issuperset(query.specializations)
    )


def _in_state(entry: Entry, query: AgentQuery) -> bool:
    return entry.record.status in query.statuses if query.statuses else entry.record.status.takes_work


def _gave_sign(entry: Entry, query: AgentQuery) -> bool:
    return bool(query.statuses) or not entry.is_stale


def _succeeds(entry: Entry, query: AgentQuery) -> bool:
    return query.min_success_rate is None or entry.success_rate >= query.min_success_rate


def _has_room(entry: Entry, query: AgentQuery) -> bool:
    return is_below(entry, query.max_utilization)


_CONDITIONS: Final[tuple[tuple[Callable[[Entry, AgentQuery], bool], str], ...]] = (
    (_in_state, "none is in a state that takes work"),
    (_gave_sign, "none gave a sign of life lately: a heartbeat brings it back"),
    (_succeeds, "none succeeds often enough"),
    (_has_room, "none is below the utilisation asked for"),
)


@dataclass(frozen=True, slots=True)
class _Dimension:
    """One kind of capability: what it is called, what is known of it, what was asked, what an agent has."""

    name: str
    known: Sequence[str]
    asked: Callable[[AgentQuery], Iterable[str]]
    had: Callable[[Entry], Iterable[str]]

    def missing(self, index: Index, query: AgentQuery) -> Iterable[str]:
        """A sentence for each word that was asked for and no agent has."""
        registered = {word for entry in index for word in self.had(entry)}
        for word in self.asked(query):
            if word not in registered:
                close = near_misses(word, sorted(registered.union(self.known)))
                meant = f" Did you mean {' or '.join(close)}?" if close else ""
                yield f"No agent has the {self.name} {word}.{meant}"


_DIMENSIONS: Final = (
    _Dimension(
        "task type",
        KNOWN_TASK_TYPES,
        lambda query: (query.task_type,) if query.task_type else (),
        lambda entry: entry.task_types,
    ),
    _Dimension("language", KNOWN_LANGUAGES, lambda query: query.languages, lambda entry: entry.languages),
    _Dimension(
        "specialization",
        KNOWN_SPECIALIZATIONS,
        lambda query: query.specializations,
        lambda entry: entry.specializations,
    ),
)
