"""The simulation: it repeats, it is fair, and bandits behave in it as the literature says."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from arbiter.orchestrator.cli.simulate import plotted
from arbiter.orchestrator.cli.simulate import simulate as command
from arbiter.orchestrator.simulation import Curve, Plan, Report, simulate


def curve(report: Report, strategy: str) -> Curve:
    """How one strategy did."""
    return next(one for one in report.curves if one.strategy == strategy)


def at(report: Report, found: Curve, rounds: int) -> float:
    """The regret after so many rounds."""
    return found.regret_by_round[report.rounds.index(rounds)]


def test_regret_grows_as_published() -> None:
    """UCB1's grows by about the same with each doubling (logarithm), and Thompson's stays at or below it; turns' doubles.

    Auer, Cesa-Bianchi and Fischer (2002), theorem 1; Chapelle and Li (2011).
    """
    # Gaps so wide that the logarithm's regime is reached: it begins at about 8 ln(n) / gap^2 rounds.
    plan = Plan(
        strategies=("ucb1", "thompson", "round-robin"), abilities=(0.9, 0.4, 0.4, 0.3), rounds=3840, runs=6
    )

    report = simulate(plan)

    ucb1, thompson, turns = (curve(report, name) for name in plan.strategies)
    doublings = [at(report, ucb1, n) for n in (960, 1920, 3840)]
    assert doublings[2] - doublings[1] < 1.4 * (doublings[1] - doublings[0])
    assert ucb1.regret < 0.25 * turns.regret
    assert at(report, turns, 3840) == pytest.approx(2 * at(report, turns, 1920), rel=0.01)
    assert all(
        mine <= theirs for mine, theirs in zip(thompson.regret_by_round, ucb1.regret_by_round, strict=True)
    )


def test_a_seed_repeats_and_every_strategy_meets_the_same_world() -> None:
    """The same plan gives the same report, and a strategy does as well alone as beside others."""
    plan = Plan(population="failing", agents=3, rounds=90, runs=2)
    report = simulate(plan)

    alone = simulate(plan.model_copy(update={"strategies": ("ucb1",)}))

    assert simulate(plan) == report
    assert curve(alone, "ucb1") == curve(report, "ucb1")


def test_forgetting_helps_where_agents_change() -> None:
    """Where the best agent fails for a third of the time, Thompson sampling that discounts loses less."""
    plan = Plan(population="failing", strategies=("thompson",), agents=4, rounds=1500, runs=8, seed=2)

    keeping, forgetting = simulate(plan), simulate(plan.model_copy(update={"discount": 0.97}))

    assert forgetting.curves[0].regret < 0.8 * keeping.curves[0].regret


@pytest.mark.parametrize("population", ["stationary", "drifting", "failing"])
def test_no_strategy_beats_the_best_agent(population: str) -> None:
    """Regret is never negative and never falls, and progress adds up to every round."""
    plan = Plan.model_validate({"population": population, "agents": 3, "rounds": 60, "runs": 2})
    done: list[int] = []

    report = simulate(plan, done.append)

    assert sum(done) == 60 * 2 * len(plan.strategies)
    for found in report.curves:
        assert found.regret_by_round[0] >= 0
        assert list(found.regret_by_round) == sorted(found.regret_by_round)


def test_a_strategy_is_compared_once_however_often_it_is_named() -> None:
    """Twice the same would be two letters of one curve; none at all is refused."""
    plan = Plan.model_validate({"strategies": ["ucb1", "thompson", "ucb1"]})

    assert plan.strategies == ("ucb1", "thompson")
    with pytest.raises(ValidationError):
        Plan(strategies=())


def test_an_impossible_ability_is_one_fault() -> None:
    """A rate of 1.5 is named with its place, and nothing else is."""
    with pytest.raises(ValidationError) as caught:
        Plan.model_validate({"abilities": [0.5, 1.5]})

    assert [fault["loc"] for fault in caught.value.errors()] == [("abilities", 1)]


def test_the_command_prints_a_table_and_a_plot_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    """People get both, the letters of the plot being those of the table; scripts get the report."""
    words = ["--agents", "3", "--rounds", "60", "--runs", "1", "--strategy", "ucb1", "--strategy", "thompson"]

    assert command(words, result_action="return_value") == 0
    shown = capsys.readouterr().out
    assert command([*words, "--json"], result_action="return_value") == 0
    told = Report.model_validate(json.loads(capsys.readouterr().out))

    assert all(one.strategy in shown for one in told.curves)
    assert "\n".join(plotted(told)) in shown
    assert {"A", "B"} <= set("".join(plotted(told)))
