"""What routing needs of its neighbours, as Protocols of its own; the composition root introduces them.

The registry is asked with a query of its own kind and the tracker takes events of its own kind: two small functions,
given to the router by whoever composes it, make these of a `Requirement` and a `Happening`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol, TypeVar

from arbiter.orchestrator.vocabulary import PerformanceReport

__all__ = [
    "Candidate",
    "Happening",
    "Page",
    "Registration",
    "Registry",
    "Requirement",
    "Reservations",
    "Roster",
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
