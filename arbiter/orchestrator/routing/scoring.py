"""What is known of agents, and what is expected of one in a kind of task.

Expected success of an agent in a task type is the mean of a Beta posterior. Its prior is worth 5 observations (DESIGN
section 6) and stands where the agent stands in all other task types together, which in turn start from 0.8: so one
outcome neither erases nor saves an agent, and what it shows in one kind of task is a first guess at the others (partial
pooling; Gelman et al., Bayesian Data Analysis, 3rd ed., chapter 5, with the prior's weight fixed instead of estimated).

    elsewhere = (0.8 * 5 + successes in other types) / (5 + outcomes in other types)
    alpha     = 5 * elsewhere       + successes here
    beta      = 5 * (1 - elsewhere) + failures here
    expected  = alpha / (alpha + beta)

With a discount d below 1, an outcome counts d^k after k later ones of the same arm (Garivier and Moulines 2011, there per
round): agents that change are followed, and an arm never holds more than 1 / (1 - d) outcomes.

Confidence is the posterior mean minus one posterior standard deviation, at least 0: the success rate that the agent
will exceed with a probability of about 5 to 1. It grows with success and with evidence.

An arm belongs to one registration of an agent: registered anew it starts at the prior, as it does in the registry.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from arbiter.orchestrator.changes import Changes
from arbiter.orchestrator.routing.contents import ArmRow
from arbiter.orchestrator.routing.ports import Registration

__all__ = ["PRIOR_LATENCY_MS", "PRIOR_OBSERVATIONS", "PRIOR_SUCCESS", "UNKNOWN", "Arms", "Belief"]

PRIOR_SUCCESS: Final = 0.8
"""The success rate of an agent that nothing is known about."""

PRIOR_LATENCY_MS: Final = 5000.0
"""Its mean latency."""

PRIOR_OBSERVATIONS: Final = 5
"""How many outcomes that belief is worth."""


@dataclass(frozen=True, slots=True)
class Belief:
    """What is believed of an agent in a task type.

    Attributes:
        alpha, beta: of the Beta posterior of its success rate.
        weight: outcomes seen there, older ones counting for less where the settings discount.
        reward: successes among them.
        latency_ms: posterior mean.
        cost: mean of the outcomes that had one; 0 before any.
    """

    alpha: float = PRIOR_OBSERVATIONS * PRIOR_SUCCESS
    beta: float = PRIOR_OBSERVATIONS * (1 - PRIOR_SUCCESS)
    weight: float = 0.0
    reward: float = 0.0
    latency_ms: float = PRIOR_LATENCY_MS
    cost: float = 0.0

    @property
    def expected(self) -> float:
        """The posterior mean of its success rate."""
        return self.alpha / (self.alpha + self.beta)

    @property
    def confidence(self) -> float:
        """The posterior mean minus one standard deviation, at least 0."""
        whole = self.alpha + self.beta
        mean = self.alpha / whole
        return max(0.0, mean - math.sqrt(mean * (1 - mean) / (whole + 1)))


UNKNOWN: Final = Belief()

_Key = tuple[str, datetime]
"""A `Registration`, or the plain tuple of it."""


class Arms:
    """Everything that was learned, in memory.

    Attributes:
        changes: ids of agents of which something was learned; its version counts the outcomes learned.
    """

    def __init__(self, rows: Iterable[ArmRow] = ()) -> None:
        self._known: dict[_Key, dict[str, ArmRow]] = {}
        self._registered: dict[str, set[datetime]] = {}
        self.changes = Changes()
        for row in rows:
            self.put(row)

    def put(self, row: ArmRow) -> None:
        """Take over what an arm holds now; older news of it than what is held is passed over.

        The first arm of a registration ends what earlier ones of the agent taught. An earlier one may come back, by the
        restore of a backup, and begins anew.
        """
        key = row.agent_id, row.registered_at
        if key not in self._known:
            self._end_earlier(*key)
        arms = self._known.setdefault(key, {})
        held = arms.get(row.task_type)
        if held is None or row.pulls > held.pulls:
            arms[row.task_type] = row
            self.changes.note(row.agent_id)

    def _end_earlier(self, agent_id: str, registered_at: datetime) -> None:
        registered = self._registered.setdefault(agent_id, set())
        for earlier in [moment for moment in registered if moment < registered_at]:
            registered.discard(earlier)
            del self._known[agent_id, earlier]
        registered.add(registered_at)

    def belief(self, agent: Registration | _Key, task_type: str) -> Belief:
        """What is believed of an agent in a task type."""
        arms = self._known.get(agent)
        if arms is None:
            return UNKNOWN
        here = arms.get(task_type)
        others = [arm for arm in arms.values() if arm is not here]
        elsewhere = (PRIOR_OBSERVATIONS * PRIOR_SUCCESS + sum(arm.reward for arm in others)) / (
            PRIOR_OBSERVATIONS + sum(arm.weight for arm in others)
        )
        alpha, beta = PRIOR_OBSERVATIONS * elsewhere, PRIOR_OBSERVATIONS * (1 - elsewhere)
        if here is None:
            return Belief(alpha, beta)
        return Belief(
            alpha + here.reward,
            beta + here.weight - here.reward,
            here.weight,
            here.reward,
            (PRIOR_OBSERVATIONS * PRIOR_LATENCY_MS + here.latency_ms) / (PRIOR_OBSERVATIONS + here.weight),
            here.cost / here.costed if here.costed else 0.0,
        )
