"""What routing needs of its neighbours, as Protocols of its own; the composition root introduces them.

The registry is asked with a query of its own kind and the tracker takes events of its own kind: two small functions,
given to the router by whoever composes it, make these of a `Requirement` and a `Happening`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol, TypeVar

from arbiter.orchestrator.routing.models import Decision, Outcome, Task
from arbiter.orchestrator.vocabulary import PerformanceReport

__all__ = [
    "ArmRow",
    "Candidate",
    "Conclusion",
    "Elsewhere",
    "Grounds",
    "Happening",
    "Page",
    "Record",
    "Refusal",
    "Registration",
    "Registry",
    "Requirement",
    "Reservations",
    "Roster",
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


class Candidate(Protocol):
    """An agent, as far as routing looks at it. Its load changes while it is looked at; the rest does not."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def registered_at(self) -> datetime:
        """When it was registered under this id (see `Registration`)."""
        ...

    @property
    def limit(self) -> int | None:
        """Tasks it takes at once; None is no limit."""
        ...

    @property
    def is_full(self) -> bool:
        """Whether it has a limit, and has reached it."""
        ...

    @property
    def utilization(self) -> float:
        """What it carries, in percent of what it takes: 0 to 100."""
        ...


class Roster(Protocol):
    """The agents that can do something and take work, as they stand whenever they are looked at."""

    def __iter__(self) -> Iterator[Candidate]:
        """All of them, in whatever order."""
        ...

    @property
    def version(self) -> int:
        """Grows with every change that a choice may depend on, the load included."""
        ...

    def get(self, agent_id: str, /) -> Candidate | None:
        """The agent, if it is among them now."""
        ...

    def changed_since(self, version: int, /) -> Collection[str] | None:
        """Ids of agents that came, changed or went since then, and maybe others; None: better look at all again."""
        ...


class Page(Protocol):
    """What the registry answers to a question that nobody meets, or somebody."""

    @property
    def agents(self) -> Sequence[object]:
        """Those that meet it, as many as a page holds."""
        ...

    @property
    def hint(self) -> str | None:
        """Where there are none: what was perhaps meant."""
        ...


class Reservations(Protocol):
    """The registry's part that does not depend on how it is queried.

    An agent that was registered anew after `registered_at` is not the one that is meant, and is as good as unknown.
    """

    def reserve(self, agent_id: str, *, registered_at: datetime, elsewhere: bool = False) -> bool:
        """Count one more task for the agent, in memory; False when it is full or unknown.

        What was reserved `elsewhere` is counted in any case.
        """
        ...

    def release(self, agent_id: str, *, registered_at: datetime) -> None:
        """Count one task less; nothing for an unknown agent."""
        ...

    async def update_performance(
        self, agent_id: str, report: PerformanceReport, *, key: str, registered_at: datetime
    ) -> object:
        """Count an outcome, once for each key. Raises a NotFound for an unknown agent."""
        ...


class Registry(Reservations, Protocol[Q_contra]):
    """Who is there, and who is free."""

    async def roster(self, query: Q_contra, /) -> Roster:
        """The agents that can do what is asked and take work."""
        ...

    async def query(self, query: Q_contra, /) -> Page:
        """The same as an answer to people, with a hint where there are none."""
        ...


class Tracker(Protocol[E_contra]):
    """Where it is written down what happened."""

    def offer(self, event: E_contra, /) -> bool:
        """Take it if there is room; never waits."""
        ...

    async def record(self, event: E_contra, /) -> object:
        """Return when it is durable; an id that is there already is passed over."""
        ...


class Refusal(enum.Enum):
    """Why a decision was not stored."""

    FULL = enum.auto()
    """The agent has as many open leases as it takes at once, whoever made them."""


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a decision can be told again from, and weighed when another way of choosing is judged by its outcomes.

    Attributes:
        score: of the agent that was chosen.
        seed: every draw of the decision came from a generator that was seeded with it.
        state_sequence: how many outcomes had been learned when it was made.
        propensity: how probable the choice was, 0 to 1, given what was known.
        candidates: among how many agents with room it was made.
    """

    score: float
    seed: int = 0
    state_sequence: int = 0
    propensity: float = 0.0
    candidates: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """A decision as it is stored, with the outcome once there is one. The task has its id."""

    task: Task
    decision: Decision
    agent_registered_at: datetime
    grounds: Grounds
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
        arm: what the agent's arm holds since; None where it learned nothing from it.
    """

    record: Record
    counted: bool
    arm: ArmRow | None


@dataclass(frozen=True, slots=True)
class ArmRow:
    """What an agent has shown in one task type, since it was registered.

    `pulls` and `successes` count outcomes. The sums after them are of the same outcomes, of which older ones may count
    for less (see `scoring`): weights, successes, milliseconds; cost, and the weights of those that had one.
    """

    agent_id: str
    registered_at: datetime
    task_type: str
    pulls: int
    successes: int
    weight: float
    reward: float
    latency_ms: float
    cost: float = 0.0
    costed: float = 0.0


class Elsewhere(Protocol):
    """Who wants to know what other instances do. All is called on the loop that asked for it, in the order of commits."""

    def opened(self, task_id: str, agent: Registration, ends_at: datetime) -> None:
        """A lease was opened: the agent is held for the task until then."""
        ...

    def closed(self, task_id: str) -> None:
        """The task's lease is over: it has its outcome, or its decision was taken back."""
        ...

    def learned(self, arm: ArmRow) -> None:
        """An arm holds this now."""
        ...

    def lost(self) -> None:
        """Something may have been missed: look at everything again."""
        ...


class Store(Protocol):
    """Where decisions, outcomes and what was learned are durable."""

    def follow(self, elsewhere: Elsewhere) -> Callable[[], None]:
        """Tell of what other instances do, until what is returned is called."""
        ...

    async def add(self, record: Record, *, limit: int | None) -> Record | Refusal | None:
        """Store a decision. Where its task has one already, change nothing and return that one.

        With a `limit`, nothing is stored either when so many leases of the agent are open, here or at other instances.
        """
        ...

    async def forget(self, decision_id: str) -> None:
        """Take back a decision that nobody was told of."""
        ...

    async def find(self, task_id: str) -> Record | None:
        """The decision for a task, or None."""
        ...

    async def decision(self, decision_id: str) -> Record | None:
        """The decision of this id, or None."""
        ...

    async def conclude(
        self,
        record: Record,
        outcome: Outcome,
        at: datetime,
        *,
        late: bool,
        discount: float | None,
        then: Callable[[Conclusion], None],
    ) -> Conclusion:
        """Store an outcome and, unless `discount` is None, count it for its arm, in one transaction.

        What the arm's sums held before is multiplied by `discount` first; 1 forgets nothing.

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
