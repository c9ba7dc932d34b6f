"""Who decides among capable agents. A strategy chooses from a slate, and says truly how it came to it.

With each choice comes its propensity: how probable it was, given what was known. Outcomes weighted by its inverse tell
what another strategy would have earned (Horvitz and Thompson 1952; Dudik, Langford and Li 2011).
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Final, Protocol

from arbiter.orchestrator.routing.board import Contender, Place, Slate
from arbiter.orchestrator.routing.ports import Requirement
from arbiter.orchestrator.routing.propensity import probability_of_the_highest
from arbiter.orchestrator.routing.settings import RoutingSettings

__all__ = [
    "STRATEGIES",
    "Choice",
    "EpsilonGreedy",
    "LeastLoaded",
    "RoundRobin",
    "Strategy",
    "Thompson",
    "Turns",
    "Ucb1",
]

_LEAST_RATE: Final = 0.01


@dataclass(frozen=True, slots=True)
class Choice:
    """An agent of the slate, whether it was drawn to learn, how probable it was, and what happened in words."""

    contender: Contender
    explored: bool
    propensity: float
    reason: str


class Strategy(Protocol):
    """Chooses among the agents with room on a slate, of which there is at least one."""

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
        rate, draw = self.rate(slate), rng.random()
        ties = slate.ties(slate.prompt)
        if draw < rate:
            tried = slate.free[rng.randrange(len(slate.free))]
            reason = f"explored: drew {draw:.4f}, below the rate {rate:g}, then 1 of {len(slate.free)}"
            is_best = tried[0] == slate.prompt[0][0] and (
                slate.prompt is slate.free or tried in slate.prompt[:ties]
            )
            return Choice(
                tried[2],
                explored=True,
                propensity=_mixed(rate, slate, ties, is_best=is_best),
                reason=reason,
            )
        best = slate.prompt[rng.randrange(ties) if ties > 1 else 0]
        tied = f", drawn from {ties} of that score" if ties > 1 else ""
        reason = f"exploited: drew {draw:.4f}, not below the rate {rate:g}; "
        reason += f"best score {-best[0]:.3f} of {len(slate.prompt)}{tied}"
        return Choice(
            best[2],
            explored=False,
            propensity=_mixed(rate, slate, ties, is_best=True),
            reason=reason,
        )

    def rate(self, slate: Slate) -> float:
        """The share of decisions that explore, given what is known of these candidates."""
        if not slate.may_explore:
            return 0.0
        if self.exploration_decay == 1:
            return self.exploration_rate
        known = sum(place[2].belief.weight for place in slate.free)
        decayed = self.exploration_rate * self.exploration_decay**known
        return max(min(self.exploration_rate, _LEAST_RATE), decayed)


@dataclass(frozen=True, slots=True)
class Ucb1:
    """Takes the highest upper confidence bound; who was never tried comes first, by a draw.

    bound = mean + constant * sqrt(ln(all outcomes) / its outcomes) - penalties, where the mean is that of its own outcomes
    in the task's type without a prior, and the constant sqrt(2) makes it UCB1 of Auer, Cesa-Bianchi and Fischer (2002),
    Finite-time Analysis of the Multiarmed Bandit Problem, figure 1. Its regret grows with the logarithm of time.
    """

    constant: float = math.sqrt(2)
    name: str = "ucb1"

    def choose(self, slate: Slate, rng: Random) -> Choice:
        """Draws only to break ties."""
        if not slate.may_explore:
            return _greedy(slate, rng)
        places = slate.prompt
        fresh = [place for place in places if not place[2].belief.weight]
        if fresh:
            reason = f"never tried before in this kind of task: 1 of {len(fresh)}"
            return Choice(
                fresh[rng.randrange(len(fresh))][2], explored=True, propensity=1 / len(fresh), reason=reason
            )
        whole = math.log(max(1.0, sum(place[2].belief.weight for place in places)))
        worth = [self._bound(place[2], whole) for place in places]
        place, ties = _highest(places, worth, rng)
        highest = max(worth)
        tied = f", drawn from {ties} of that bound" if ties > 1 else ""
        reason = f"highest upper confidence bound {highest:.3f} of {len(places)}{tied}"
        return Choice(place[2], place[0] > places[0][0], 1 / ties, reason)

    def _bound(self, contender: Contender, whole: float) -> float:
        belief = contender.belief
        margin = self.constant * math.sqrt(whole / belief.weight)
        return belief.reward / belief.weight + margin - contender.penalty


@dataclass(frozen=True, slots=True)
class Thompson:
    """Draws a success rate for each agent from its posterior, takes off its penalties, and takes the highest.

    Thompson (1933); Chapelle and Li (2011), An Empirical Evaluation of Thompson Sampling. The posterior is that of
    `scoring`, prior and pooling included. The propensity is computed, not estimated from draws (see `propensity`), which
    takes longer than the choice: where nobody will ask for it, `weighs` is False, and it is said to be 0.
    """

    weighs: bool = True
    name: str = "thompson"

    def choose(self, slate: Slate, rng: Random) -> Choice:
        """One draw for each agent with room."""
        if not slate.may_explore:
            return _greedy(slate, rng)
        places, drawn = slate.prompt, rng.betavariate
        worth = [drawn(c.belief.alpha, c.belief.beta) - c.penalty for _, _, c in places]
        position = max(range(len(worth)), key=worth.__getitem__)
        chosen = places[position]
        reason = f"highest draw {worth[position]:.3f} of {len(places)} from what is believed of each"
        propensity = 0.0
        if self.weighs:
            shapes = [(c.belief.alpha, c.belief.beta, c.penalty) for _, _, c in places]
            propensity = probability_of_the_highest(shapes, position)
        return Choice(chosen[2], chosen[0] > places[0][0], propensity, reason)


@dataclass(frozen=True, slots=True)
class LeastLoaded:
    """Takes the agent with the lowest utilisation; among equals the best score, among equals of that a draw."""

    name: str = "least-loaded"

    def choose(self, slate: Slate, rng: Random) -> Choice:
        """Draws only to break ties."""
        worth = [(-place[2].utilisation, -place[0]) for place in slate.prompt]
        place, ties = _highest(slate.prompt, worth, rng)
        tied = f", drawn from {ties} of equal load and score" if ties > 1 else ""
        reason = f"least loaded of {len(slate.prompt)}: {place[2].utilisation:.0%}{tied}"
        return Choice(place[2], explored=False, propensity=1 / ties, reason=reason)


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
        later = [place for place in slate.free if place[1] > last]
        _, agent_id, contender = min(later or slate.free, key=lambda place: place[1])
        self.turns.take(slate.requirement, agent_id)
        whole = len(slate.free)
        reason = f"next in turn of {whole}, after {last}" if last else f"first in turn of {whole}"
        return Choice(contender, explored=False, propensity=1.0, reason=reason)


STRATEGIES: Final[Mapping[str, Callable[[RoutingSettings, Turns], Strategy]]] = MappingProxyType(
    {
        "epsilon-greedy": lambda settings, _: EpsilonGreedy(
            settings.exploration_rate, settings.exploration_decay
        ),
        "ucb1": lambda settings, _: Ucb1(settings.ucb_constant),
        "thompson": lambda _, __: Thompson(),
        "least-loaded": lambda _, __: LeastLoaded(),
        "round-robin": lambda _, turns: RoundRobin(turns),
    }
)
"""Every strategy, by the name that settings choose it with."""


def _mixed(rate: float, slate: Slate, ties: int, *, is_best: bool) -> float:
    """How probable epsilon-greedy makes an agent, by either of its two ways."""
    return rate / len(slate.free) + ((1 - rate) / ties if is_best else 0.0)


def _greedy(slate: Slate, rng: Random) -> Choice:
    ties = slate.ties(slate.prompt)
    best = slate.prompt[rng.randrange(ties) if ties > 1 else 0]
    reason = f"too important for a trial; best score {-best[0]:.3f} of {len(slate.prompt)}"
    return Choice(best[2], explored=False, propensity=1 / ties, reason=reason)


def _highest(
    places: Sequence[Place], worth: Sequence[float] | Sequence[tuple[float, float]], rng: Random
) -> tuple[Place, int]:
    """A place of the highest worth, and how many share it; a draw decides among these."""
    highest = max(worth)
    ties = [position for position, value in enumerate(worth) if value == highest]
    return places[ties[0] if len(ties) == 1 else rng.choice(ties)], len(ties)
