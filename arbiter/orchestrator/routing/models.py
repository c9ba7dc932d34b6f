"""What routing takes in and gives out, as it crosses the wire."""

from __future__ import annotations

from pydantic import Field

from arbiter.orchestrator.vocabulary import (
    Identifier,
    Instant,
    Metadata,
    PerformanceReport,
    Text,
    WireModel,
    Word,
    Words,
)

__all__ = ["Alternative", "Decision", "Outcome", "OutcomeReceipt", "Task"]


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
    priority: int = Field(default=5, ge=1, le=10)
    """1 (whenever) to 10 (first); travels along."""
    timeout_ms: float | None = Field(default=None, gt=0, le=86_400_000)
    """Milliseconds for which the agent is held for this task; the setting `routing.lease_s` where it is missing."""
    metadata: Metadata = Field(default_factory=dict)
    """Further particulars; decide nothing."""


class Alternative(WireModel):
    """An agent that could have done it as well."""

    agent_id: Identifier
    score: float
    """Expected success minus the load penalty; see `scoring`."""
    reason: str


class Decision(WireModel):
    """Which agent a task goes to, and why."""

    decision_id: str
    task_id: Identifier
    selected_agent: Identifier
    """The agent's id."""
    strategy: str
    """Who decided: `epsilon-greedy`, `least-loaded`, `round-robin`."""
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
