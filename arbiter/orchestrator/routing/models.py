"""What routing takes in and gives out, as it crosses the wire."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from arbiter.orchestrator.vocabulary import (
    Identifier,
    Instant,
    Metadata,
    Number,
    PerformanceReport,
    Text,
    Whole,
    WireModel,
    Word,
    Words,
)

__all__ = [
    "DECISION",
    "OUTCOME",
    "Alternative",
    "Decision",
    "Explanation",
    "Outcome",
    "OutcomeReceipt",
    "Task",
]

DECISION: Final = ".decision"
OUTCOME: Final = ".outcome"
"""What the ids of the router's own events end in; before it stands the decision's id."""


class Task(WireModel):
    """Work that wants an agent."""

    task_id: Identifier | None = None
    """The caller's name for it; made up where it is missing. Routed twice, the same task gets the same decision."""
    task_type: Word
    """The kind of work; an agent must take it."""
    description: Text = ""
    """For people; decides nothing."""
    languages: Words = ()
    """Languages of which an agent must know all."""
    specializations: Words = ()
    """Specialisations of which an agent must have all."""
    priority: Whole = Field(default=5, ge=1, le=10)
    """1 (whenever) to 10 (first). Above the setting `routing.explore_up_to_priority` the task is never a trial."""
    timeout_ms: Number | None = Field(default=None, gt=0, le=86_400_000)
    """Milliseconds the task may take: for so long the agent is held (the setting `routing.lease_s` where it is missing),
    and agents that have shown to take longer are passed over while others can do it."""
    metadata: Metadata = Field(default_factory=dict)
    """Further particulars; decide nothing."""


class Alternative(WireModel):
    """An agent that could have done it as well."""

    agent_id: Identifier
    score: float
    """Expected success minus penalties for load, latency and cost; see docs/routing.md."""
    reason: str


class Decision(WireModel):
    """Which agent a task goes to, and why."""

    decision_id: str
    task_id: Identifier
    selected_agent: Identifier
    """The agent's id."""
    strategy: str
    """Who decided: `epsilon-greedy`, `ucb1`, `thompson`, `least-loaded`, `round-robin`."""
    explored: bool
    """True when the agent was drawn to learn about it, not for its score."""
    confidence: float = Field(ge=0, le=1)
    """The success rate that the agent will probably (5 to 1) exceed: posterior mean minus one deviation."""
    reason: str
    """What happened in this very decision."""
    alternatives: tuple[Alternative, ...]
    """The ten best of the others, the best first."""
    decided_at: Instant
    trace_id: str
    """32 hexadecimal digits that find the request in traces and logs; empty where tracing is off."""


class Explanation(WireModel):
    """Why a decision was made as it was, from what was stored with it, and what came of it."""

    decision: Decision
    task: Task
    score: float
    """Of the agent that was chosen."""
    propensity: float
    """How probable the choice was, 0 to 1, given what was known: weigh outcomes by its inverse to judge another strategy."""
    candidates: int
    """Among how many agents with room it was made."""
    seed: int
    """Every draw of the decision came from a generator seeded with it (CPython's `random.Random`)."""
    state_sequence: int
    """How many outcomes the deciding instance had learned since its start."""
    lease_expires_at: Instant
    """When the agent is free again without an outcome."""
    outcome: Outcome | None = None
    """How it went; null while that is not known."""
    outcome_at: Instant | None = None
    late: bool = False
    """The outcome came after the lease had ended."""


class Outcome(PerformanceReport):
    """How the routed task went."""

    error: Text | None = None
    """What went wrong, where something did."""

    @property
    def report(self) -> PerformanceReport:
        """The performance, without the error's words."""
        return PerformanceReport(**{name: getattr(self, name) for name in PerformanceReport.model_fields})


class OutcomeReceipt(WireModel):
    """That an outcome was taken; the same outcome again gets the same receipt."""

    task_id: Identifier
    decision_id: str
    agent_id: Identifier
    success: bool
    late: bool
    """True when the lease had ended: the agent was free for others already. It counts all the same."""
    recorded_at: Instant
