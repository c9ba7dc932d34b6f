"""The `[routing]` section: how an agent is chosen for a task."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field

from arbiter.section import LIVE, Section

__all__ = ["RoutingSettings", "StrategyName"]

StrategyName = Literal["epsilon-greedy", "ucb1", "thompson", "least-loaded", "round-robin"]


class RoutingSettings(Section):
    """How an agent is chosen, how long the choice may take, and how long a choice holds an agent."""

    strategy: Annotated[StrategyName, LIVE] = "epsilon-greedy"
    """Who decides among the capable agents: `epsilon-greedy`, `ucb1` and `thompson` learn, the others only spread the
    load."""

    strategies: Annotated[dict[str, StrategyName], LIVE] = Field(default_factory=dict)
    """Another strategy for some task types: `code-review = "thompson"`."""

    exploration_rate: Annotated[float, LIVE] = Field(default=0.1, ge=0, le=1, allow_inf_nan=False)
    """Share of decisions that try any capable agent instead of the best known one (epsilon-greedy)."""

    exploration_decay: Annotated[float, LIVE] = Field(default=1.0, gt=0, le=1, allow_inf_nan=False)
    """What the exploration rate is multiplied by for each outcome known of the candidates in the task's type; 1 keeps
    the rate fixed. It never falls below 0.01, so that no agent is excluded for good."""

    explore_up_to_priority: Annotated[int, LIVE] = Field(default=10, ge=0, le=10)
    """Tasks of a higher priority are never a trial: they go to the best score. 10 lets every task be one."""

    ucb_constant: Annotated[float, LIVE] = Field(default=math.sqrt(2), gt=0, le=10, allow_inf_nan=False)
    """How much doubt counts in an agent's favour (ucb1); the square root of 2 is that of the theory."""

    discount: Annotated[float, LIVE] = Field(default=1.0, gt=0, le=1, allow_inf_nan=False)
    """What an older outcome is multiplied by with each newer one of the same agent and task type; 1 forgets nothing,
    0.98 looks at about the last fifty. For agents that change."""

    load_weight: Annotated[float, LIVE] = Field(default=0.3, ge=0, le=10, allow_inf_nan=False)
    """What a fully used agent loses in score: the score is expected success minus this times utilisation (0..1)."""

    latency_weight: Annotated[float, LIVE] = Field(default=0.0, ge=0, le=10, allow_inf_nan=False)
    """What an agent loses that takes ten seconds or longer, and in proportion one that takes less."""

    cost_weight: Annotated[float, LIVE] = Field(default=0.0, ge=0, le=10, allow_inf_nan=False)
    """What an agent loses whose tasks cost one unit of the deployment's currency or more, and in proportion."""

    max_routing_time_ms: Annotated[float, LIVE] = Field(default=100, gt=0, le=60_000, allow_inf_nan=False)
    """Milliseconds within which the choice is made; past it the fallback (round-robin) decides."""

    acknowledge: Annotated[Literal["journal", "commit"], LIVE] = "journal"
    """When a decision is told. `journal`: once it is in a file that outlives the process, whatever signal comes; its
    commit follows within moments, and only a machine that loses its power between the two loses it. `commit`: once it is
    committed and on the disk. On PostgreSQL every decision waits for its commit, since other instances decide as well."""

    lease_s: Annotated[float, LIVE] = Field(default=300, gt=0, le=86_400, allow_inf_nan=False)
    """Seconds that a decision holds its agent when the task sets no `timeout_ms`; then the load is given back."""

    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    """Seed of the random draws, for decisions that can be repeated; unset, the operating system seeds them."""
