"""What routing needs of its neighbours, as Protocols of its own; the composition root introduces them.

The registry is asked with a query of its own kind and the tracker takes events of its own kind: two small functions,
given to the router by whoever composes it, make these out of a `Requirement` and a `Happening`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol, TypeVar

from arbiter.orchestrator.routing.models import Decision, Outcome, Task
from arbiter.orchestrator.vocabulary import PerformanceReport

__all__ = [
    "ArmRow",
    "Candidate",
    "Conclusion",
    "Happening",
    "Load",
    "Match",
    "Page",
    "Record",
    "Registration",
    "Registry",
    "Requirement",
    "Reservations",
    "Store",
    "Tracker",
]

Q_contra = TypeVar("Q_contra", contravariant=True)
E_contra = TypeVar("E_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Requirement:
    """What an agent must have for a task: the task type, and all of the languages and specialisations."""

    task_type: str | None
    languages: tuple[str, ...] = ()
    specializations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Happening:
    """One entry for the tracker. `type` is `routing_decision` or `task_execution_complete`; `id` makes it count once."""

    id: str
    type: str
    timestamp: datetime
    agent_id: str
    task_id: str
    task_type: str
    success: bool | None = None
    quality_score: float | None = None
    latency_ms: float | None = None
    cost: float | None = None
    tokens_used: int | None = None
    metadata: dict[str, str | float | bool | None] = field(default_factory=dict)


class Registration(NamedTuple):
    """An agent as it was registered once. The same id registered again is another agent, of which nothing is known.

    The time tells them apart, since a registration waits until the removal before it is durable.
    """

    agent_id: str
    registered_at: datetime


class Load(Protocol):
    """What an agent carries."""

    @property
    def active_tasks(self) -> int:
        """Tasks reserved and not released."""
        ...

    @property
    def utilization_percent(self) -> float:
        """0 to 100."""
        ...


class Candidate(Protocol):
    """An agent, as far as routing looks at it."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def registered_at(self) -> datetime:
        """When it was registered under this id (see `Registration`)."""
        ...

    @property
    def max_concurrent_tasks(self) -> int | None:
        """Tasks it takes at once; None is no limit."""
        ...

    @property
    def current_load(self) -> Load:
        """What it carries now."""
        ...


class Match(Protocol):
    """A capable agent."""

    @property
    def agent(self) -> Candidate:
        """The agent."""
        ...


class Page(Protocol):
    """Some of the capable agents."""

    @property
    def agents(self) -> Sequence[Match]:
        """They."""
        ...

    @property
    def next(self) -> str | None:
        """The cursor of the following page; None on the last."""
        ...

    @property
    def hint(self) -> str | None:
        """Where there are none: what was perhaps meant."""
        ...


class Reservations(Protocol):
    """The registry's part that does not depend on how it is queried.

    An agent that was registered anew after `registered_at` is not the one that is meant, and is as good as unknown.
    """

    async def reserve(self, agent_id: str, *, registered_at: datetime) -> bool:
        """Count one more task for the agent; False when it is full or unknown. May raise a NotFound."""
        ...

    async def release(self, agent_id: str, *, registered_at: datetime) -> object:
        """Count one task less; nothing for an unknown agent. May raise a NotFound."""
        ...

    async def update_performance(
        self, agent_id: str, report: PerformanceReport, *, key: str, registered_at: datetime
    ) -> object:
        """Count an outcome, once for each key. Raises a NotFound for an unknown agent."""
        ...


class Registry(Reservations, Protocol[Q_contra]):
    """Who is there, and who is free."""

    async def query(self, query: Q_contra, /) -> Page:
        """One page of the agents that take work and match."""
        ...


class Tracker(Protocol[E_contra]):
    """Where it is written down what happened."""

    def offer(self, event: E_contra, /) -> bool:
        """Take it if there is room; never waits."""
        ...

    async def record(self, event: E_contra, /) -> object:
        """Return when it is durable; an id that is there already is passed over."""
        ...


@dataclass(frozen=True, slots=True)
class Record:
    """A decision as it is stored, with the outcome once there is one. The task has its id."""

    task: Task
    decision: Decision
    agent_registered_at: datetime
    score: float
    lease_expires_at: datetime
    outcome: Outcome | None = None
    outcome_at: datetime | None = None
    late: bool = False

    @property
    def registration(self) -> Registration:
        """The agent that was chosen: whom the outcome is about."""
        return Registration(self.decision.selected_agent, self.agent_registered_at)


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What came of storing an outcome: the record as it now stands.

    Attributes:
        counted: this call has stored the outcome.
        taught: and the agent's arm has learned from it.
    """

    record: Record
    counted: bool
    taught: bool


@dataclass(frozen=True, slots=True)
class ArmRow:
    """What an agent has shown in one task type, since it was registered."""

    agent_id: str
    registered_at: datetime
    task_type: str
    pulls: int
    successes: int


class Store(Protocol):
    """Where decisions, outcomes and what was learned are durable."""

    async def add(self, record: Record) -> Record | None:
        """Store a decision. Where its task has one already, change nothing and return that one."""
        ...

    async def forget(self, decision_id: str) -> None:
        """Take back a decision that nobody was told of."""
        ...

    async def find(self, task_id: str) -> Record | None:
        """The decision for a task, or None."""
        ...

    async def conclude(
        self,
        record: Record,
        outcome: Outcome,
        at: datetime,
        *,
        late: bool,
        teaches: bool,
        then: Callable[[Conclusion], None],
    ) -> Conclusion:
        """Store an outcome and, where it `teaches`, count it for its arm, in one transaction.

        Changes nothing where there is an outcome already. An arm belongs to a registration; the first outcome of a
        registration removes the arms of earlier ones of the same agent. `then` is called after the commit, also when
        the caller has gone.
        """
        ...

    async def open_leases(self, now: datetime) -> Sequence[Record]:
        """Decisions without an outcome whose leases have not ended."""
        ...

    async def arms(self) -> Sequence[ArmRow]:
        """All that was learned of whatever registration."""
        ...
