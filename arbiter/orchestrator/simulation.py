"""Strategies compared on agents whose true abilities are known here and not to them.

A simulation runs the strategies of the router itself, over its own boards and arms, without a database. Regret is what a
round lost against the best agent of that round in expectation (pseudo-regret; Bubeck and Cesa-Bianchi 2012, Regret
Analysis of Stochastic and Nonstochastic Multi-armed Bandit Problems, section 1). All strategies meet the same world: in a
round, one number decides for all agents whether they succeed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from statistics import fmean, stdev
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from arbiter.orchestrator.routing.board import Board, Weights
from arbiter.orchestrator.routing.contents import ArmRow
from arbiter.orchestrator.routing.draws import Draws
from arbiter.orchestrator.routing.ports import Requirement
from arbiter.orchestrator.routing.scoring import Arms
from arbiter.orchestrator.routing.settings import RoutingSettings, StrategyName
from arbiter.orchestrator.routing.strategies import STRATEGIES, Thompson, Turns
from arbiter.orchestrator.vocabulary import WireModel

__all__ = ["Curve", "Plan", "PopulationKind", "Report", "simulate"]

PopulationKind = Literal["stationary", "drifting", "failing"]

_TASK: Final = Requirement("simulated")
_EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
_MARKS: Final = 60
"""Points of a curve."""
_DRIFT: Final = 0.03
"""Standard deviation of a drifting agent's step in logits, each round."""
_FAILED: Final = 0.05
"""The success rate of an agent while it fails."""


def _once_each(strategies: tuple[StrategyName, ...]) -> tuple[StrategyName, ...]:
    return tuple(dict.fromkeys(strategies))


class Plan(WireModel):
    """What is simulated."""

    population: PopulationKind = "stationary"
    """`stationary`: abilities stay. `drifting`: each wanders. `failing`: the best one fails for the middle third."""
    strategies: Annotated[tuple[StrategyName, ...], Field(min_length=1), AfterValidator(_once_each)] = (
        "epsilon-greedy", "ucb1", "thompson", "round-robin",
    )  # fmt: skip
    """Each once. Nobody carries anything in a simulation: `least-loaded` then takes the best score, and never explores."""
    agents: int = Field(default=10, ge=1, le=1000)
    abilities: tuple[Annotated[float, Field(gt=0, lt=1)], ...] | None = Field(default=None, max_length=1000)
    """The agents' success rates at the beginning, in place of `agents` that are drawn between 0.2 and 0.9."""
    rounds: int = Field(default=1000, ge=1, le=1_000_000)
    runs: int = Field(default=10, ge=1, le=1000)
    """Worlds that are simulated, each with a seed of its own."""
    seed: int = Field(default=1, ge=0, lt=2**32)
    exploration_rate: float = Field(default=0.1, ge=0, le=1)
    discount: float = Field(default=1.0, gt=0, le=1)
    """What an older outcome is multiplied by with each newer one."""


class Curve(WireModel):
    """How one strategy did, over all runs."""

    strategy: StrategyName
    regret: float
    """Mean over the runs at the end: successes that the best agent of each round would have had more."""
    deviation: float
    """Standard deviation over the runs."""
    success_rate: float
    """Share of all rounds that succeeded."""
    best_share: float
    """Share of all rounds that went to the best agent."""
    regret_by_round: tuple[float, ...]
    """The mean regret at `Report.rounds`."""


class Report(WireModel):
    """What came of a plan."""

    plan: Plan
    rounds: tuple[int, ...]
    """Where the curves are read."""
    curves: tuple[Curve, ...]
    """The least regret first."""


def simulate(plan: Plan, progress: Callable[[int], None] = lambda _: None) -> Report:
    """Run every strategy in every world of the plan.

    Args:
        plan: what to simulate.
        progress: called with the number of rounds done since it was called last.
    """
    marks = sorted({max(1, round(plan.rounds * mark / _MARKS)) for mark in range(1, _MARKS + 1)})
    curves = []
    for strategy in plan.strategies:
        runs = [_run(plan, strategy, _World(plan, run), marks, progress) for run in range(plan.runs)]
        curves.append(_curve(strategy, runs, plan.rounds))
    return Report(
        plan=plan, rounds=tuple(marks), curves=tuple(sorted(curves, key=lambda curve: curve.regret))
    )


@dataclass(slots=True)
class _Run:
    successes: int
    best: int
    regret: list[float]


def _run(
    plan: Plan, name: StrategyName, world: _World, marks: Sequence[int], progress: Callable[[int], None]
) -> _Run:
    settings = RoutingSettings(strategy=name, exploration_rate=plan.exploration_rate, discount=plan.discount)
    strategy = Thompson(weighs=False) if name == "thompson" else STRATEGIES[name](settings, Turns())
    arms, board, roster, draws = (
        Arms(),
        Board(_TASK),
        _Roster(len(plan.abilities or range(plan.agents))),
        Draws(world.seed),
    )
    held: dict[str, ArmRow] = {}
    run, lost, done, wanted = _Run(0, 0, []), 0.0, 0, set(marks)
    for number, (abilities, luck) in enumerate(world.rounds(), start=1):
        board.catch_up(roster, arms, Weights())
        agent_id = strategy.choose(board.slate(), draws.next()[1]).contender.id
        ability, best = abilities[int(agent_id)], max(abilities)
        success = luck < ability
        held[agent_id] = _taught(held.get(agent_id), agent_id, plan.discount, success=success)
        arms.put(held[agent_id])
        run.successes += success
        run.best += ability == best
        lost += best - ability
        if number in wanted:
            run.regret.append(lost)
            progress(number - done)
            done = number
    return run


def _taught(row: ArmRow | None, agent_id: str, discount: float, *, success: bool) -> ArmRow:
    if row is None:
        row = ArmRow(agent_id, _EPOCH, _TASK.task_type or "", 0, 0, 0.0, 0.0, 0.0)
    return ArmRow(
        agent_id,
        _EPOCH,
        row.task_type,
        row.pulls + 1,
        row.successes + success,
        row.weight * discount + 1,
        row.reward * discount + success,
        0.0,
    )


def _curve(strategy: StrategyName, runs: Sequence[_Run], rounds: int) -> Curve:
    ends = [run.regret[-1] for run in runs]
    return Curve(
        strategy=strategy,
        regret=fmean(ends),
        deviation=stdev(ends) if len(ends) > 1 else 0.0,
        success_rate=fmean(run.successes for run in runs) / rounds,
        best_share=fmean(run.best for run in runs) / rounds,
        regret_by_round=tuple(fmean(values) for values in zip(*(run.regret for run in runs), strict=True)),
    )


class _World:
    """The true abilities, round by round, and the luck of each round: the same for every strategy."""

    def __init__(self, plan: Plan, run: int) -> None:
        self._plan = plan
        self.seed = plan.seed * 1_000_003 + run

    def rounds(self) -> Iterator[tuple[list[float], float]]:
        """Abilities by agent, and the number below which an agent succeeds."""
        rng = Random(self.seed)  # noqa: S311  a simulation keeps no secret
        drawn = [rng.uniform(0.2, 0.9) for _ in range(self._plan.agents)]
        abilities = list(self._plan.abilities or drawn)
        best, third = max(range(len(abilities)), key=abilities.__getitem__), self._plan.rounds / 3
        for number in range(self._plan.rounds):
            match self._plan.population:
                case "drifting":
                    abilities = [_wandered(ability, rng) for ability in abilities]
                    now = abilities
                case "failing" if third <= number < 2 * third:
                    now = [*abilities[:best], _FAILED, *abilities[best + 1 :]]
                case _:
                    now = abilities
            yield now, rng.random()


def _wandered(ability: float, rng: Random) -> float:
    logit = math.log(ability / (1 - ability)) + rng.gauss(0.0, _DRIFT)
    return 1 / (1 + math.exp(-max(-3.0, min(3.0, logit))))


@dataclass(frozen=True, slots=True)
class _Idle:
    """An agent that never carries anything: what is compared here is learning, not load."""

    id: str
    registered_at: datetime = _EPOCH
    limit: int | None = None
    is_full: bool = False
    utilization: float = 0.0


class _Roster:
    """The same agents for ever."""

    version = 0

    def __init__(self, agents: int) -> None:
        self._agents = {str(number): _Idle(str(number)) for number in range(agents)}

    def __iter__(self) -> Iterator[_Idle]:
        return iter(self._agents.values())

    def get(self, agent_id: str, /) -> _Idle | None:
        """One of them."""
        return self._agents.get(agent_id)

    def changed_since(self, version: int, /) -> Collection[str]:  # noqa: ARG002  nothing ever does
        """Nothing."""
        return ()
