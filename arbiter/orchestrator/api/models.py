"""What crosses the wire besides the components' own models. Knows nothing of FastAPI, so that clients may use it."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from arbiter.orchestrator.agents.models import AgentQuery, AgentStatus
from arbiter.orchestrator.performance.models import PerformanceEvent
from arbiter.orchestrator.routing.models import DECISION, OUTCOME
from arbiter.orchestrator.vocabulary import Whole, WireModel, Word, Words

__all__ = [
    "AgentSearch",
    "BatchQuery",
    "EventReport",
    "Fault",
    "IntegrityQuery",
    "NamedFile",
    "Problem",
    "Pulse",
    "Recorded",
    "Restored",
    "SpecCase",
    "SpecQuery",
    "StatusChange",
]


class AgentSearch(WireModel):
    """An `AgentQuery` as query parameters: one that may be given several times has its name in the singular."""

    # FastAPI takes query parameters apart without asking for a schema: each field must carry its text itself.
    task_type: Word | None = None
    language: Words = Field(default=(), description="All of these: `language=Python&language=Go`.")
    specialization: Words = Field(default=(), description="All of these.")
    max_utilization: float | None = Field(
        default=None, ge=0, le=100, description="Only agents below this many percent."
    )
    min_success_rate: float | None = Field(
        default=None, ge=0, le=1, description="Only agents with at least this success rate."
    )
    status: tuple[AgentStatus, ...] = Field(
        default=(),
        description="Only agents in one of these states; without it, those that take work (available, busy).",
    )
    limit: int = Field(default=100, ge=1, le=1000, description="How many agents a page holds at most.")
    cursor: str = Field(
        default="", max_length=1000, description="`next` of the page before; empty for the first page."
    )

    @classmethod
    def of(cls, query: AgentQuery) -> AgentSearch:
        """The parameters that ask for `query`; a page holds at most 1000 agents."""
        given = query.model_dump(exclude={"languages", "specializations", "statuses", "limit"})
        return cls(
            language=query.languages,
            specialization=query.specializations,
            status=query.statuses,
            limit=min(query.limit, 1000),
            **given,
        )

    def as_query(self) -> AgentQuery:
        """What is asked of the registry."""
        given = self.model_dump(exclude={"language", "specialization", "status"})
        return AgentQuery(
            languages=self.language, specializations=self.specialization, statuses=self.status, **given
        )


class StatusChange(WireModel):
    """What an agent may be asked for from now on."""

    status: AgentStatus


class Pulse(WireModel):
    """An agent's sign of life."""

    queued_tasks: Whole | None = Field(default=None, ge=0, le=1_000_000)
    """Tasks that wait at the agent itself; left as it was where this is missing."""


class Restored(WireModel):
    """What a restore left in the registry."""

    agents: int
    """Agents that are registered now."""


class NamedFile(WireModel):
    """A file that is sent along."""

    name: str = Field(min_length=1, max_length=500, examples=["coverage.xml"])
    """What findings call it."""
    content: str
    """What is in it."""


class SpecCase(WireModel):
    """A working spec, and what it is held against."""

    spec: str
    """The spec, YAML or JSON."""
    policy: NamedFile | None = None
    """The project's policy; the release's own stands in without it."""
    waivers: tuple[NamedFile, ...] | None = Field(default=None, max_length=200)
    """Files of waivers; without them the waivers that the spec names are only listed."""
    diff: str | None = None
    """The change, as a unified diff."""
    numstat: str | None = None
    """The change, as `git diff --numstat` prints it; `diff` goes before it."""
    reports: tuple[NamedFile, ...] = Field(default=(), max_length=50)
    """Reports of other tools: Cobertura, LCOV, coverage.py, Stryker, mutmut, JUnit, SARIF."""
    contracts: dict[str, str] | None = Field(default=None, max_length=200)
    """Contents of the contracts' files by path; without them contracts are not looked up."""
    require: tuple[str, ...] = Field(default=(), max_length=20, examples=[["coverage_threshold"]])
    """Gates that fail where nothing shows them."""


class SpecQuery(WireModel):
    """How to judge a working spec."""

    ruleset: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        examples=["caws-3.4"],
        description="The set of rules; without it, the one of the settings.",
    )


def _of_a_witness(event: PerformanceEvent) -> PerformanceEvent:
    """Whoever could take the id of an outcome first would have the outcome itself counted as known."""
    if event.id.endswith((DECISION, OUTCOME)):
        raise ValueError(f"an id that ends in {DECISION} or {OUTCOME} is the router's own")
    return event


class EventReport(WireModel):
    """What happened, as its witness tells it."""

    events: tuple[Annotated[PerformanceEvent, AfterValidator(_of_a_witness)], ...] = Field(
        min_length=1, max_length=1000
    )
    """In their order. Give each an `id` of its own: told again, it then counts once."""


class Recorded(WireModel):
    """What became of events that were told."""

    new: int
    """Durable now."""
    known: int
    """Durable before: their ids were known."""


class BatchQuery(WireModel):
    """Which part of the training data."""

    limit: int = Field(default=100, ge=1, le=1000, description="Samples in the batch, at most.")
    cursor: str = Field(
        default="", max_length=1000, description="`next` of the batch before; empty for the first."
    )


class IntegrityQuery(WireModel):
    """Which part of the chain of events."""

    limit: int = Field(default=10_000, ge=1, le=20_000, description="Events to look at, at most.")
    cursor: str = Field(
        default="", max_length=1000, description="`next` of the report before; empty to begin."
    )


class Fault(BaseModel):
    """One fault of the input."""

    field: str = Field(description="A dotted path into the body, the query or the path.")
    message: str


class Problem(BaseModel):
    """What went wrong, as RFC 9457 has it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:arbiter:problem:agent-not-found",
                    "title": "Agent not found",
                    "status": 404,
                    "detail": "No agent has the id reviewer-7.",
                    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
                }
            ]
        }
    )

    type: str = Field(description="The kind of problem, for programs: `urn:arbiter:problem:...`.")
    title: str
    status: int
    detail: str
    hint: str | None = Field(default=None, description="The mend, where one is known.")
    errors: list[Fault] | None = Field(default=None, description="The faults of the input.")
    trace_id: str | None = Field(default=None, description="Finds this request in traces and logs.")
