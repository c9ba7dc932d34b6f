"""What the performance tracker takes in and gives out."""

from __future__ import annotations

import enum
from datetime import UTC, datetime

from pydantic import Field

from arbiter.orchestrator.identifiers import new_id
from arbiter.orchestrator.vocabulary import (
    Flag,
    Identifier,
    Instant,
    Metadata,
    Number,
    Whole,
    WireModel,
    Word,
)

__all__ = [
    "AgentPerformance",
    "AgentSummary",
    "Anomalies",
    "Anomaly",
    "AnomalyKind",
    "AnomalySeverity",
    "ChainReport",
    "EventType",
    "PerformanceEvent",
    "Profile",
    "Summary",
    "TrainingBatch",
    "TrainingSample",
    "Trend",
]


class EventType(enum.StrEnum):
    """What happened: the ten kinds of component ARBITER-004."""

    TASK_EXECUTION_START = "task_execution_start"
    TASK_EXECUTION_COMPLETE = "task_execution_complete"
    """The only kind that success rates, quality and latency are computed from."""
    ROUTING_DECISION = "routing_decision"
    AGENT_SELECTION = "agent_selection"
    AGENT_REGISTRATION = "agent_registration"
    AGENT_STATUS_CHANGE = "agent_status_change"
    CONSTITUTIONAL_VALIDATION = "constitutional_validation"
    EVALUATION_OUTCOME = "evaluation_outcome"
    ANOMALY_DETECTED = "anomaly_detected"
    SYSTEM_LOAD_SPIKE = "system_load_spike"


def _now() -> datetime:
    return datetime.now(UTC)


class PerformanceEvent(WireModel):
    """One thing that happened. Immutable: an id that is stored already is ignored, so that a retry counts once."""

    id: Identifier = Field(default_factory=new_id)
    type: EventType
    timestamp: Instant = Field(default_factory=_now)
    agent_id: Identifier | None = None
    task_id: Identifier | None = None
    task_type: Word | None = None
    success: Flag | None = None
    quality_score: Number | None = Field(default=None, ge=0, le=1)
    """0 to 1."""
    latency_ms: Number | None = Field(default=None, ge=0, le=1e12)
    cost: Number | None = Field(default=None, ge=0, le=1e12)
    """In the deployment's one currency."""
    tokens_used: Whole | None = Field(default=None, ge=0, le=10**12)
    metadata: Metadata = Field(default_factory=dict)
    """Further particulars; they never leave in training data."""


class Summary(WireModel):
    """What the stored events add up to.

    Rates, quality and latency are taken from completed executions only; cost and tokens from events of every kind.
    A mean or percentile of nothing is null.
    """

    events: int
    """Events of every kind."""
    by_type: dict[str, int]
    """Events of each kind that occurred."""
    completed: int
    """Completed executions."""
    succeeded: int
    """Completed executions that were a success."""
    success_rate: float | None
    """Of the completed executions that say whether they succeeded; 0 to 1."""
    average_quality: float | None
    average_latency_ms: float | None
    p95_latency_ms: float | None
    """Nearest rank: the smallest latency that at least 95 % of the executions do not exceed."""
    total_cost: float
    total_tokens: int
    first_at: Instant | None
    last_at: Instant | None


class AgentSummary(Summary):
    """The same for one agent; an agent without events has a summary of zeros."""

    agent_id: Identifier


class Profile(WireModel):
    """What an agent's completed executions of one window come to; a mean or percentile of nothing is null."""

    window: str
    """realtime, short, medium or long (see `windows`)."""
    executions: int
    success_rate: float | None
    average_quality: float | None
    average_latency_ms: float | None
    p95_latency_ms: float | None
    """Nearest rank, within 1 %."""
    average_cost: float | None


class Trend(WireModel):
    """Where an agent is heading (see `analysis` for the formulas)."""

    direction: str
    """improving, declining or stable."""
    magnitude: float
    """-1 to 1: change of the overall score in an hour."""
    confidence: float
    """0 to 1: how well a straight line describes it."""
    hours: float
    """Over how long a time it was taken."""


class AnomalyKind(enum.StrEnum):
    """What about an agent is out of the ordinary."""

    LATENCY_SPIKE = "latency_spike"
    ACCURACY_DROP = "accuracy_drop"
    ERROR_RATE_INCREASE = "error_rate_increase"
    RESOURCE_SATURATION = "resource_saturation"


class AnomalySeverity(enum.StrEnum):
    """How bad it is."""

    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Anomaly(WireModel):
    """Something about an agent is out of the ordinary, and still is."""

    agent_id: Identifier
    kind: AnomalyKind
    severity: AnomalySeverity
    value: float
    """What was seen: milliseconds for latency, a share from 0 to 1 for the others."""
    baseline: float | None
    """What is usual; null for a saturation, which needs none."""
    since: Instant


class Anomalies(WireModel):
    """Everything that is out of the ordinary now, the oldest first."""

    anomalies: tuple[Anomaly, ...]


class AgentPerformance(WireModel):
    """How an agent does now, next to how it usually does."""

    agent_id: Identifier
    profiles: tuple[Profile, ...]
    """One for each window that holds enough."""
    baseline: Profile | None
    """What is usual in the realtime window; null until that window held enough for the first time."""
    trend: Trend | None
    """Null until there are 20 profiles."""
    anomalies: tuple[Anomaly, ...]


class TrainingSample(WireModel):
    """One completed execution, without a name in it."""

    agent: str
    """HMAC-SHA256 of the agent's id, hexadecimal; empty where the event names none."""
    task: str
    """HMAC-SHA256 of the task's id, hexadecimal; empty where the event names none."""
    task_type: str | None
    timestamp: Instant
    """To the minute, so that it cannot be joined with logs."""
    success: bool
    quality_score: float | None
    latency_ms: float | None
    cost: float | None
    tokens_used: int | None
    reward: float
    """0 to 1 (see `training`)."""
    discount: float
    """What the reward's age is worth: 0.95 to the power of its minutes."""
    explored: bool | None
    """Whether the agent was drawn to learn about it; null for what was not routed here."""
    propensity: float | None
    """How probable the router made this choice, 0 to 1: weigh the reward by its inverse to judge another way of choosing."""


class TrainingBatch(WireModel):
    """Samples in the order in which the events were stored."""

    samples: tuple[TrainingSample, ...]
    key_id: str
    """Tells keys apart without telling them: samples of equal key ids can be joined."""
    next: str | None = None
    """The cursor of the following batch, or null when there is no more for now."""


class ChainReport(WireModel):
    """Whether the stored events are as they were written, in their order and without gaps (see `chain`)."""

    events: int
    """How many were looked at, and hold."""
    chains: int
    """How many chains began among them: one for each run of the program."""
    broken_at: str | None = None
    """The id of the first event that does not follow from the one before it; null where all is well."""
    missing: int = 0
    """At the end: how many events fewer there are than the totals count, which tells of what no hash can, a chain cut off at
    its beginning or end or taken away whole; negative where there are more."""
    next: str | None = None
    """The cursor of what is still to be looked at; null when this was the end."""
