"""What the agent registry takes in and gives out. The wire form: frozen, strict, RFC 3339 in UTC."""

from __future__ import annotations

import enum
from typing import Annotated, Literal

from pydantic import Field

from arbiter.orchestrator.vocabulary import (
    Capabilities,
    Identifier,
    Instant,
    PerformanceReport,
    Whole,
    WireModel,
    Word,
    Words,
)

__all__ = [
    "Agent",
    "AgentDraft",
    "AgentHistory",
    "AgentMatch",
    "AgentQuery",
    "AgentRecord",
    "AgentStatus",
    "Backup",
    "BackupReport",
    "BackupVersion",
    "CapabilityVersion",
    "CurrentLoad",
    "PerformanceHistory",
    "QueryPage",
    "RecordedReport",
    "StoredAgent",
    "Tally",
]

ConcurrencyLimit = Annotated[Whole, Field(ge=1, le=1_000_000)]


class AgentStatus(enum.StrEnum):
    """What an agent may be asked for, set by whoever runs it; load never changes it."""

    AVAILABLE = "available"
    BUSY = "busy"
    """Takes work, though it would rather not."""
    DRAINING = "draining"
    """Finishes what it has, takes nothing new."""
    OFFLINE = "offline"
    MAINTENANCE = "maintenance"

    @property
    def takes_work(self) -> bool:
        """Whether a query returns such agents unless told otherwise."""
        return self in {AgentStatus.AVAILABLE, AgentStatus.BUSY}


class AgentDraft(WireModel):
    """An agent as it introduces itself."""

    id: Identifier
    name: Word
    """For people; need not be unique."""
    model_family: Word
    """The model behind it, such as claude-3.5."""
    capabilities: Capabilities
    max_concurrent_tasks: ConcurrencyLimit | None = None
    """How many tasks it takes at once; without it, load is a penalty and no limit."""


class PerformanceHistory(WireModel):
    """Running averages, with a prior worth 5 observations (see `averages`)."""

    success_rate: float
    """0 to 1."""
    average_quality: float
    """0 to 1."""
    average_latency_ms: float
    task_count: int
    """Outcomes counted, without the prior."""


class CurrentLoad(WireModel):
    """What an agent carries now."""

    active_tasks: int = 0
    """Reserved and not released."""
    queued_tasks: int = 0
    """Waiting at the agent itself, as its last heartbeat said."""
    utilization_percent: float = 0.0
    """`active_tasks` of `max_concurrent_tasks` (10 where unset), capped at 100."""


class Agent(AgentDraft):
    """A registered agent."""

    performance_history: PerformanceHistory
    current_load: CurrentLoad
    status: AgentStatus
    is_stale: bool = False
    """Set aside: it used to send heartbeats, gave no sign of life for `registry.stale_after_s`, and gets no work until
    it does. An agent that never sent one has promised none, and is not set aside."""
    registered_at: Instant
    """With the id, which agent it is: registered anew, it begins anew, in its averages and in routing."""
    last_active_at: Instant
    """Its last outcome, heartbeat or change."""


class AgentQuery(WireModel):
    """What is looked for. Every condition given must hold; without conditions, every agent that takes work matches."""

    task_type: Word | None = None
    languages: Words = ()
    """All of these."""
    specializations: Words = ()
    """All of these."""
    max_utilization: float | None = Field(default=None, ge=0, le=100)
    """Only agents below this many percent."""
    min_success_rate: float | None = Field(default=None, ge=0, le=1)
    """Only agents with at least this success rate."""
    statuses: tuple[AgentStatus, ...] = ()
    """Only agents in these states; empty means those that take work (available, busy)."""
    limit: int = Field(default=100, ge=1, le=100_000)
    """How many agents a page holds at most."""
    cursor: str = Field(default="", max_length=1000)
    """`next` of the page before; empty for the first page."""


class AgentMatch(WireModel):
    """An agent that fits, how well, and why."""

    agent: Agent
    match_score: float
    """0 to 1 (see `matching`)."""
    match_reason: str


class QueryPage(WireModel):
    """Matching agents: the highest score first, ids in alphabetical order where scores are equal."""

    agents: tuple[AgentMatch, ...]
    next: str | None = None
    """The cursor of the following page, or null when this is the last."""
    hint: str | None = None
    """Where nothing matched: which condition nobody meets, and what it may have been meant for."""


class RecordedReport(WireModel):
    """One counted outcome of an agent."""

    report: PerformanceReport
    key: str = ""
    """What it was counted under, usually the task's id."""
    recorded_at: Instant


class CapabilityVersion(WireModel):
    """One change of an agent's capabilities; version 1 is its registration."""

    version: int
    changed_at: Instant
    changed_by: str = ""
    """Who asked for it, where that is known."""
    old: Capabilities | None = None
    new: Capabilities


class AgentHistory(WireModel):
    """What is kept of an agent's past: outcomes newest first, capability changes oldest first."""

    agent_id: Identifier
    performance: tuple[RecordedReport, ...]
    capabilities: tuple[CapabilityVersion, ...]


class Tally(WireModel):
    """The exact sums behind an agent's averages; the prior is not in them."""

    task_count: int = Field(default=0, ge=0, le=2**53)
    successes: int = Field(default=0, ge=0, le=2**53)
    quality_sum: float = Field(default=0.0, ge=0)
    latency_sum_ms: float = Field(default=0.0, ge=0)


class AgentRecord(AgentDraft):
    """An agent as it is stored: everything but its load, which is not the registry's to remember."""

    status: AgentStatus = AgentStatus.AVAILABLE
    registered_at: Instant
    last_active_at: Instant
    queued_tasks: int = Field(default=0, ge=0, le=1_000_000)
    """Waiting at the agent itself, as its last heartbeat said."""
    beats: bool = False
    """It has sent a heartbeat: from then on its silence means something."""
    tally: Tally = Tally()


class StoredAgent(AgentRecord):
    """An agent with the number of its change in the store, which grows by one with each."""

    revision: int = 1


class BackupReport(RecordedReport):
    """A counted outcome, with the agent it belongs to."""

    agent_id: Identifier
    key: str = Field(default="", max_length=255)


class BackupVersion(CapabilityVersion):
    """A capability change, with the agent it belongs to."""

    agent_id: Identifier
    version: int = Field(ge=1, le=2**31 - 1)
    changed_by: str = Field(default="", max_length=255)


class Backup(WireModel):
    """The whole registry at one moment, to the last sum."""

    format: Literal[1] = 1
    taken_at: Instant
    agents: tuple[AgentRecord, ...]
    history: tuple[BackupReport, ...]
    capability_versions: tuple[BackupVersion, ...]
