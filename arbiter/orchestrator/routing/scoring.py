"""What an agent is expected to do with a task, and the slate that a strategy chooses from.

Expected success of an agent in a task type is the mean of a Beta posterior: its own outcomes there, and a prior of 0.8
worth 5 observations, so that one outcome neither erases nor saves it (DESIGN section 6). The score takes load off:

    expected = (0.8 * 5 + successes) / (5 + outcomes)
    score    = expected - load_weight * utilisation             utilisation 0..1

Confidence is the posterior mean minus one posterior standard deviation, at least 0: the success rate that the agent
will exceed with a probability of about 5 to 1. It grows with success and with evidence.

An arm belongs to one registration of an agent: registered anew it starts at the prior, as it does in the registry.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import nlargest
from typing import Final

from arbiter.orchestrator.routing.models import Alternative
from arbiter.orchestrator.routing.ports import ArmRow, Candidate, Match, Registration, Requirement

__all__ = ["PRIOR_OBSERVATIONS", "PRIOR_SUCCESS", "Arm", "Arms", "Slate"]

PRIOR_SUCCESS: Final = 0.8
"""The success rate of an agent that nothing is known about."""

PRIOR_OBSERVATIONS: Final = 5
"""How many outcomes that belief is worth."""

_ALTERNATIVES: Final = 10


@dataclass(slots=True)
class Arm:
    """One agent in one task type: outcomes seen, and how many were a success."""

    pulls: int = 0
    successes: int = 0

    @property
    def expected(self) -> float:
        """The posterior mean of its success rate."""
        return (PRIOR_SUCCESS * PRIOR_OBSERVATIONS + self.successes) / (PRIOR_OBSERVATIONS + self.pulls)

    @property
    def confidence(self) -> float:
        """The posterior mean minus one standard deviation, at least 0."""
        mean, weight = self.expected, PRIOR_OBSERVATIONS + self.pulls
        return max(0.0, mean - math.sqrt(mean * (1 - mean) / (weight + 1)))


_Key = tuple[str, datetime]
"""A `Registration`, or the plain tuple of it, which a decision among a thousand agents makes a thousand times."""

_UNKNOWN: Final = Arm()


class Arms:
    """Everything that was learned, in memory."""

    def __init__(self, rows: Iterable[ArmRow] = ()) -> None:
        self._by_task_type: defaultdict[str, dict[_Key, Arm]] = defaultdict(dict)
        for row in rows:
            known = self._by_task_type[row.task_type]
            known[row.agent_id, row.registered_at] = Arm(row.pulls, row.successes)

    def count(self, agent: Registration, task_type: str, *, success: bool) -> None:
        """Learn from one outcome; the first one of a registration replaces what earlier ones of the agent taught."""
        known = self._by_task_type[task_type]
        if agent not in known:
            for earlier in [key for key in known if key[0] == agent.agent_id and key < agent]:
                del known[earlier]
        arm = known.setdefault(agent, Arm())
        arm.pulls += 1
        arm.successes += success

    def all_of(self, task_type: str) -> Mapping[_Key, Arm]:
        """What is known in a task type, by registration."""
        return self._by_task_type.get(task_type, {})


@dataclass(slots=True)
class Slate:
    """The capable agents with their scores; `free` holds the positions of those that may still be chosen."""

    requirement: Requirement
    agents: Sequence[Candidate]
    arms: Sequence[Arm]
    utilisations: Sequence[float]
    scores: Sequence[float]
    free: list[int]

    @classmethod
    def rated(
        cls,
        requirement: Requirement,
        matches: Sequence[Match],
        known: Mapping[_Key, Arm],
        load_weight: float,
    ) -> Slate:
        """The slate of these matches; an agent that is at its own limit is not free."""
        agents = [match.agent for match in matches]
        arms = [known.get((agent.id, agent.registered_at), _UNKNOWN) for agent in agents]
        utilisations = [agent.current_load.utilization_percent / 100 for agent in agents]
        scores = [arm.expected - load_weight * used for arm, used in zip(arms, utilisations, strict=True)]
        free = [position for position, agent in enumerate(agents) if _has_room(agent)]
        return cls(requirement, agents, arms, utilisations, scores, free)

    def registration(self, position: int) -> Registration:
        """Who the agent at `position` is."""
        agent = self.agents[position]
        return Registration(agent.id, agent.registered_at)

    def standing(self, position: int) -> str:
        """Why the agent at `position` has its score, in words."""
        arm, load = self.arms[position], self.utilisations[position]
        return f"expected success {arm.expected:.3f} over {arm.pulls} outcomes, load {load:.0%}"

    def alternatives(self, chosen: int) -> tuple[Alternative, ...]:
        """The ten best of the others, the best first."""
        others = nlargest(_ALTERNATIVES + 1, range(len(self.agents)), key=self.scores.__getitem__)
        return tuple(
            Alternative.model_construct(
                agent_id=self.agents[other].id, score=self.scores[other], reason=self._reason(other)
            )
            for other in [other for other in others if other != chosen][:_ALTERNATIVES]
        )

    def _reason(self, position: int) -> str:
        full = "" if _has_room(self.agents[position]) else ", full"
        return self.standing(position) + full


def _has_room(agent: Candidate) -> bool:
    limit = agent.max_concurrent_tasks
    return limit is None or agent.current_load.active_tasks < limit
