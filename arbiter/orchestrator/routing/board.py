"""The board: who is in the running for a kind of task, the best first; and the slate that one decision is made from.

    score = expected - load_weight * utilisation - latency_weight * slowness - cost_weight * cost

with utilisation 0..1, slowness = mean latency / 10 s and cost = mean cost / 1 unit, both at most 1 (the scales of
upstream's reward, component ARBITER-004). A board follows what changes, agent by agent, so that a decision costs the same
among ten thousand agents as among ten, but for strategies that must look at each.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

from arbiter.orchestrator.routing.models import Alternative
from arbiter.orchestrator.routing.ports import Candidate, Registration, Requirement, Roster
from arbiter.orchestrator.routing.scoring import Arms, Belief

__all__ = ["Board", "Contender", "Place", "Slate", "Weights"]

_SLOWEST_MS: Final = 10_000.0
_DEAREST: Final = 1.0
_ALTERNATIVES: Final = 10
_EVIDENCE: Final = 5
"""Outcomes from which on an agent's own latency counts against it where a task is in a hurry."""

_WORTH = itemgetter(0)


class Weights(NamedTuple):
    """What load, latency and cost take off a score at most."""

    load: float = 0.0
    latency: float = 0.0
    cost: float = 0.0


class Contender:
    """An agent that could do the task, as it stood when the board was brought up to date.

    Attributes:
        candidate: the registry's agent.
        belief: what is known of it.
        utilisation: 0 to 1.
        penalty: what its load, latency and cost take off.
        score: what is left of the expected success.
        is_full: it is at its own limit.
    """

    __slots__ = (
        "_alternative", "belief", "candidate", "is_full", "penalty", "registered_at", "score", "utilisation",
    )  # fmt: skip

    def __init__(self, candidate: Candidate, belief: Belief, weights: Weights) -> None:
        self.candidate, self.belief = candidate, belief
        self.registered_at = candidate.registered_at
        self.is_full = candidate.is_full
        self.utilisation = used = candidate.utilization / 100
        self.penalty = weights.load * used
        if weights.latency:
            self.penalty += weights.latency * min(1.0, belief.latency_ms / _SLOWEST_MS)
        if weights.cost:
            self.penalty += weights.cost * min(1.0, belief.cost / _DEAREST)
        self.score = belief.expected - self.penalty
        self._alternative: Alternative | None = None

    @property
    def alternative(self) -> Alternative:
        """How a decision names it that took another one; made once, since each decision names ten."""
        if self._alternative is None:
            self._alternative = Alternative.trusted(agent_id=self.id, score=self.score, reason=self.standing)
        return self._alternative

    @property
    def id(self) -> str:
        """The agent's id."""
        return self.candidate.id

    @property
    def limit(self) -> int | None:
        """Tasks that it takes at once; None is no limit."""
        return self.candidate.limit

    @property
    def registration(self) -> Registration:
        """Who the agent is."""
        return Registration(self.candidate.id, self.registered_at)

    @property
    def standing(self) -> str:
        """Why it has its score, in words."""
        full = ", full" if self.is_full else ""
        belief = self.belief
        return (
            f"expected success {belief.expected:.3f} over {belief.weight:.4g} outcomes, "
            f"load {self.utilisation:.0%}{full}"
        )

    def is_too_slow(self, within_ms: float) -> bool:
        """Whether it has shown that it takes longer."""
        return self.belief.weight >= _EVIDENCE and self.belief.latency_ms > within_ms


Place = tuple[float, str, Contender]
"""Minus the score, the id, the agent: sorts from the best. No two have one id, so that agents are never compared."""


class Slate:
    """What one decision is made from.

    Attributes:
        requirement: what the task asks.
        free: agents with room, the best first.
        prompt: those of them that have not shown to be too slow for the task; all, where all have.
        may_explore: False for a task that is too important for a trial.
    """

    __slots__ = ("_full", "free", "may_explore", "prompt", "requirement")

    def __init__(
        self,
        requirement: Requirement,
        free: Sequence[Place],
        full: Sequence[Place] = (),
        *,
        within_ms: float | None = None,
        may_explore: bool = True,
    ) -> None:
        self.requirement, self.free, self._full, self.may_explore = requirement, free, full, may_explore
        self.prompt = free
        if within_ms is not None:
            self.prompt = [place for place in free if not place[2].is_too_slow(within_ms)] or free

    def __len__(self) -> int:
        return len(self.free) + len(self._full)

    def ties(self, among: Sequence[Place]) -> int:
        """How many share the best score."""
        return bisect_right(among, among[0][0], key=_WORTH)

    def strike(self, agent_id: str) -> None:
        """The agent is full after all."""
        self.free = [place for place in self.free if place[1] != agent_id]
        self.prompt = [place for place in self.prompt if place[1] != agent_id] or self.free

    def alternatives(self, chosen: Contender) -> tuple[Alternative, ...]:
        """The ten best of the others, full ones included, the best first."""
        best = sorted((*self.free[: _ALTERNATIVES + 1], *self._full[:_ALTERNATIVES]))
        others = [place[2] for place in best if place[2] is not chosen][:_ALTERNATIVES]
        return tuple([other.alternative for other in others])


class Board:
    """The agents in the running for one requirement."""

    def __init__(self, requirement: Requirement) -> None:
        self._requirement = requirement
        self._places: dict[str, Place] = {}
        self._free: list[Place] = []
        self._full: list[Place] = []
        self._weights: Weights | None = None
        self._seen = (-1, -1)

    def __len__(self) -> int:
        return len(self._places)

    def catch_up(self, roster: Roster, arms: Arms, weights: Weights) -> None:
        """Bring the board up to date with who is there, what they carry and what was learned."""
        seen = (roster.version, arms.changes.version)
        if weights != self._weights:
            self._make(roster, arms, weights)
        elif seen != self._seen:
            moved, learned = roster.changed_since(self._seen[0]), arms.changes.since(self._seen[1])
            if moved is None or learned is None:
                self._make(roster, arms, weights)
            else:
                self._move(roster, arms, weights, {*moved, *learned})
        self._seen = seen

    def slate(self, *, within_ms: float | None = None, may_explore: bool = True) -> Slate:
        """What a decision is made from now; good until the next await."""
        return Slate(self._requirement, self._free, self._full, within_ms=within_ms, may_explore=may_explore)

    def _make(self, roster: Roster, arms: Arms, weights: Weights) -> None:
        self._weights = weights
        self._places = {one.id: self._place(one, arms, weights) for one in roster}
        self._free = sorted(one for one in self._places.values() if not one[2].is_full)
        self._full = sorted(one for one in self._places.values() if one[2].is_full)

    def _move(self, roster: Roster, arms: Arms, weights: Weights, agent_ids: Iterable[str]) -> None:
        for agent_id in agent_ids:
            old = self._places.pop(agent_id, None)
            if old is not None:
                side = self._side(old)
                del side[bisect_left(side, old)]
            candidate = roster.get(agent_id)
            if candidate is not None:
                new = self._places[agent_id] = self._place(candidate, arms, weights)
                insort(self._side(new), new)

    def _side(self, place: Place) -> list[Place]:
        return self._full if place[2].is_full else self._free

    def _place(self, candidate: Candidate, arms: Arms, weights: Weights) -> Place:
        belief = arms.belief((candidate.id, candidate.registered_at), self._requirement.task_type or "")
        contender = Contender(candidate, belief, weights)
        return (-contender.score, candidate.id, contender)
