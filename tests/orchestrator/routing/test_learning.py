"""The main promise: routing learns who is good at what, on the population of examples/agents.yaml."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any

import yaml

from arbiter.orchestrator.routing.models import Task
from tests.orchestrator.routing.fakes import FakeAgent, bench, outcome, seeded

AGENTS: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[3] / "examples/agents.yaml").read_text()
)["agents"]
SUCCESS: dict[str, dict[str, float]] = {
    agent["id"]: {kind: truth["success"] for kind, truth in agent["ability"].items()} for agent in AGENTS
}
TASK_TYPES = sorted({kind for ability in SUCCESS.values() for kind in ability})


def best(task_type: str) -> float:
    """The highest success probability that any agent has in a task type."""
    return max(ability.get(task_type, 0.0) for ability in SUCCESS.values())


async def test_the_last_tasks_go_far_better_than_the_first() -> None:
    """Over 20 seeds the last 100 of 500 tasks reach 0.9 of the best possible on average, and beat the first 100."""
    first, last, possible = [], [], []
    for seed in range(20):
        wins, ideals = await run(seed)
        first.append(fmean(wins[:100]))
        last.append(fmean(wins[-100:]))
        possible.append(fmean(ideals[-100:]))

    assert fmean(last) >= 0.9 * fmean(possible)
    assert sum(late > early for late, early in zip(last, first, strict=True)) >= 18


async def run(seed: int) -> tuple[list[bool], list[float]]:
    """Route 500 tasks with the default settings; draw each outcome from the chosen agent's true ability."""
    agents = [FakeAgent(a["id"], tuple(a["ability"]), (), a.get("max_concurrent_tasks")) for a in AGENTS]
    world, wins, ideals = seeded(1000 + seed), [], []
    async with bench(*agents, seed=seed) as here:
        for _ in range(500):
            task_type = world.choice(TASK_TYPES)
            decision = await here.router.route(Task(task_type=task_type))
            won = world.random() < SUCCESS[decision.selected_agent][task_type]
            await here.router.report_outcome(decision.task_id, outcome(success=won))
            wins.append(won)
            ideals.append(best(task_type))
    return wins, ideals


def test_the_population_leaves_something_to_learn() -> None:
    """At least six agents; mean ability is low, each task type has one agent of about 0.95, nobody is best everywhere."""
    means = [fmean(ability.get(kind, 0.0) for ability in SUCCESS.values()) for kind in TASK_TYPES]
    champions = {agent for kind in TASK_TYPES for agent in SUCCESS if SUCCESS[agent].get(kind) == best(kind)}

    assert len(AGENTS) >= 6
    assert max(means) < 0.55
    assert all(0.94 <= best(kind) <= 0.97 for kind in TASK_TYPES)
    assert len(champions) == len(TASK_TYPES)
