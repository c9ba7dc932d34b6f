"""What routing keeps: decisions with their grounds and outcomes, what they taught, and the store that holds both."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from arbiter.orchestrator.routing.models import Decision, Outcome, Task
from arbiter.orchestrator.routing.ports import Registration

__all__ = ["ArmRow", "Conclusion", "Elsewhere", "Grounds", "Record", "Refusal", "Store"]


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

    async def open(self) -> None:
        """Before the first use."""
        ...

    async def close(self) -> None:
        """After the last."""
        ...

    def add_at_once(self, record: Record) -> bool:
        """Store a decision for a task that has none, without waiting: no signal that comes next loses it.

        False where the store cannot do that now, and nothing was stored: it is full, or others store to it as well.
        """
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
