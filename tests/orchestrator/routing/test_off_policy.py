"""What is recorded of decisions tells what other strategies would have earned, without trying them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import fmean, stdev

import pytest

from arbiter.orchestrator.routing.models import Task
from tests.orchestrator.routing.fakes import FakeAgent, bench, outcome, seeded

ABILITIES = {"a": 0.9, "b": 0.5, "c": 0.2}
TASKS = 3000

Logged = Sequence[tuple[str, bool, float]]
"""Agent, success and propensity of each task."""


async def logged(strategy: str) -> Logged:
    """The tracker's events of tasks that were routed by a strategy, with outcomes of the agents' true abilities."""
    world, agents = seeded(7), [FakeAgent(agent_id) for agent_id in ABILITIES]
    async with bench(*agents, strategy=strategy, exploration_rate=0.4, discount=0.9) as here:
        for _ in range(TASKS):
            decision = await here.router.route(Task(task_type="review"))
            success = world.random() < ABILITIES[decision.selected_agent]
            await here.router.report_outcome(decision.task_id, outcome(success=success))
        told = [one for one in here.tracker.events.values() if one.type == "task_execution_complete"]
    return [(one.agent_id, bool(one.success), float(str(one.metadata["propensity"]))) for one in told]


@pytest.mark.parametrize("strategy", ["epsilon-greedy", "thompson"])
async def test_outcomes_weighed_by_propensities_tell_what_another_strategy_would_earn(strategy: str) -> None:
    """From the tasks of one strategy alone the success of each single agent, and of turns, is estimated without bias.

    Horvitz and Thompson (1952): the mean of success * probability(other strategy) / propensity, here within three of its
    standard errors; what was routed is no estimate of it, since it went to the best.
    """
    found = await logged(strategy)

    wanted: dict[str, tuple[Callable[[str], float], float]] = {
        "turns": (lambda _: 1 / 3, fmean(ABILITIES.values())),
        "only b": (lambda agent_id: float(agent_id == "b"), ABILITIES["b"]),
        "only a": (lambda agent_id: float(agent_id == "a"), ABILITIES["a"]),
    }
    assert len(found) == TASKS
    assert all(0 < propensity <= 1 for _, _, propensity in found)
    for name, (other, truth) in wanted.items():
        worth = [success * other(agent_id) / propensity for agent_id, success, propensity in found]
        error = stdev(worth) / math.sqrt(TASKS)
        assert abs(fmean(worth) - truth) < 3 * error, (name, fmean(worth), truth, error)
    assert fmean(success for _, success, _ in found) > fmean(ABILITIES.values()) + 0.1
