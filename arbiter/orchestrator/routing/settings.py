"""The `[routing]` section: how an agent is chosen for a task."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from arbiter.section import LIVE, Section

__all__ = ["RoutingSettings"]


class RoutingSettings(Section):
    """How an agent is chosen, how long the choice may take, and how long a choice holds an agent."""

    strategy: Annotated[Literal["epsilon-greedy", "least-loaded", "round-robin"], LIVE] = "epsilon-greedy"
    """Who decides among the capable agents: `epsilon-greedy` learns, the others only spread the load."""

    exploration_rate: Annotated[float, LIVE] = Field(default=0.1, ge=0, le=1, allow_inf_nan=False)
    """Share of decisions that try any capable agent instead of the best known one (epsilon-greedy)."""

    exploration_decay: Annotated[float, LIVE] = Field(default=1.0, gt=0, le=1, allow_inf_nan=False)
    """What the exploration rate is multiplied by for each outcome known of the candidates in the task's type; 1 keeps
    the rate fixed. It never falls below 0.01, so that no agent is excluded for good."""

    load_weight: Annotated[float, LIVE] = Field(default=0.3, ge=0, le=10, allow_inf_nan=False)
    """What a fully used agent loses in score: the score is expected success minus this times utilisation (0..1)."""

    max_routing_time_ms: Annotated[float, LIVE] = Field(default=100, gt=0, le=60_000, allow_inf_nan=False)
    """Milliseconds within which the choice is made; past it the fallback (round-robin) decides."""

    lease_s: Annotated[float, LIVE] = Field(default=300, gt=0, le=86_400, allow_inf_nan=False)
    """Seconds that a decision holds its agent when the task sets no `timeout_ms`; then the load is given back."""

    seed: int | None = None
    """Seed of the random draws, for decisions that can be repeated; unset, the operating system seeds them."""
