"""Who decides among capable agents. A strategy chooses one position of a slate, and says truly how it came to it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Final, Protocol, TypeVar

from arbiter.orchestrator.routing.ports import Requirement
from arbiter.orchestrator.routing.scoring import Slate
from arbiter.orchestrator.routing.settings import RoutingSettings

__all__ = ["STRATEGIES", "Choice", "EpsilonGreedy", "LeastLoaded", "RoundRobin", "Strategy", "Turns"]

W = TypeVar("W", float, tuple[float, float])

_LEAST_RATE: Final = 0.01


@dataclass(frozen=True, slots=True)
class Choice:
    """One position of the slate, whether it was drawn to learn, and what happened in words."""

    position: int
    explored: bool
    reason: str


class Strategy(Protocol):
    """Chooses among the free positions of a slate, of which there is at least one."""

    @property
    def name(self) -> str:
        """What the settings call it."""
        ...

    def choose(self, slate: Slate, rng: Random) -> Choice:
        """The choice; every random draw comes from `rng`."""
        ...


@dataclass(frozen=True, slots=True)
class EpsilonGreedy:
    """Takes the best score, except for a share of decisions, which try any agent that has room.

    The tries are uniform over all capable agents with room, so that none is ever excluded for good; ties for the best
    score are drawn as well. The share is fixed, or with a decay below 1 falls with what is known:
    max(0.01, rate * decay^n) over n outcomes of the candidates in the task's type, as upstream's bandit has it.
    """

    exploration_rate: float
    exploration_decay: float = 1.0
    name: str = "epsilon-greedy"

    def choose(self, slate: Slate, rng: Random) -> Choice:
        """One draw says whether to explore; a second one whom, where there is more than one."""
        draw, rate = rng.random(), self.rate(slate)
        if draw < rate:
            reason = f"explored: drew {draw:.4f}, below the rate {rate:g}, then 1 of {len(slate.free)}"
            return Choice(rng.choice(slate.free), explored=True, reason=reason)
        position, ties = _best(slate, slate.scores, rng)
        tied = f", drawn from {ties} of that score" if ties > 1 else ""
        reason = f"exploited: drew {draw:.4f}, not below the rate {rate:g}; "
        reason += f"best score {slate.scores[position]:.3f} of {len(slate.free)}{tied}"
        return Choice(position, explored=False, reason=reason)

    def rate(self, slate: Slate) -> float:
        """The share of decisions that explore, given what is known of these candidates."""
        if self.exploration_decay == 1:
            return self.exploration_rate
        known = sum(arm.pulls for arm in slate.arms)
        return max(
            min(self.exploration_rate, _LEAST_RATE), self.exploration_rate * self.exploration_decay**known
        )


@dataclass(frozen=True, slots=True)
class LeastLoaded:
    """Takes the agent with the lowest utilisation; among equals the best score, among equals of that a draw."""

    name: str = "least-loaded"

    def choose(self, slate: Slate, rng: Random) -> Choice:
        """Draws only to break ties."""
        spare = [(-used, score) for used, score in zip(slate.utilisations, slate.scores, strict=True)]
        position, ties = _best(slate, spare, rng)
        tied = f", drawn from {ties} of equal load and score" if ties > 1 else ""
        reason = f"least loaded of {len(slate.free)}: {slate.utilisations[position]:.0%}{tied}"
        return Choice(position, explored=False, reason=reason)


class Turns:
    """Whose turn it was last, for each requirement; the thousand used last are remembered."""

    def __init__(self, limit: int = 1000) -> None:
        self._limit = limit
        self._last: OrderedDict[Requirement, str] = OrderedDict()

    def last(self, requirement: Requirement) -> str:
        """The agent that had the last turn; empty before the first."""
        return self._last.get(requirement, "")

    def take(self, requirement: Requirement, agent_id: str) -> None:
        """The agent has had its turn."""
        self._last[requirement] = agent_id
        self._last.move_to_end(requirement)
        if len(self._last) > self._limit:
            self._last.popitem(last=False)


@dataclass(frozen=True, slots=True)
class RoundRobin:
    """Takes the capable agents in turn, in alphabetical order of their ids, whoever comes and goes."""

    turns: Turns
    name: str = "round-robin"

    def choose(self, slate: Slate, rng: Random) -> Choice:  # noqa: ARG002  draws nothing
        """The first id after the one that had the last turn, or the first of all."""
        last = self.turns.last(slate.requirement)
        ids = sorted((slate.agents[position].id, position) for position in slate.free)
        agent_id, position = next((turn for turn in ids if turn[0] > last), ids[0])
        self.turns.take(slate.requirement, agent_id)
        reason = f"next in turn of {len(ids)}, after {last}" if last else f"first in turn of {len(ids)}"
        return Choice(position, explored=False, reason=reason)


STRATEGIES: Final[Mapping[str, Callable[[RoutingSettings, Turns], Strategy]]] = MappingProxyType(
    {
        "epsilon-greedy": lambda settings, _: EpsilonGreedy(
            settings.exploration_rate, settings.exploration_decay
        ),
        "least-loaded": lambda _, __: LeastLoaded(),
        "round-robin": lambda _, turns: RoundRobin(turns),
    }
)
"""Every strategy, by the name that settings choose it with."""


def _best(slate: Slate, worth: Sequence[W], rng: Random) -> tuple[int, int]:
    """The free position of the highest worth, and how many share it; a draw decides among these."""
    highest = max(worth[position] for position in slate.free)
    ties = [position for position in slate.free if worth[position] == highest]
    return (ties[0] if len(ties) == 1 else rng.choice(ties)), len(ties)
