"""What the tracker needs of whoever keeps its events. `EventStore` keeps them in a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from arbiter.orchestrator.performance.chain import Place
from arbiter.orchestrator.performance.models import ChainReport, PerformanceEvent, Summary
from arbiter.orchestrator.performance.sums import Key, Total
from arbiter.orchestrator.performance.windows import Execution

__all__ = ["Completion", "Others", "Store", "Stored"]


@dataclass(frozen=True, slots=True)
class Stored:
    """What of a batch of events was new.

    Attributes:
        ids: of the events that were.
        totals: what they add up to, where the store knows; the spool does not.
    """

    ids: frozenset[str]
    totals: Mapping[Key, Total] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Completion:
    """A completed execution, and its place in the order of storing."""

    position: int
    event: PerformanceEvent


@dataclass(frozen=True, slots=True)
class Others:
    """Completed executions that another run or instance stored, up to the position `until`."""

    until: int
    executions: Sequence[Execution]


class Store(Protocol):
    """Keeps events, chained."""

    @property
    def identity(self) -> str:
        """Tells stores apart, in every process alike: a few characters that may stand in a file's name."""
        ...

    async def append(self, events: Sequence[PerformanceEvent], at: datetime, /) -> Stored:
        """Store the events whose ids are new, all or none; says which were.

        May be called again before it has answered; what it is told first it stores and answers first.
        """
        ...

    async def summarize(self, agent_id: str | None) -> Summary:
        """What one agent's events, or all events, add up to."""
        ...

    async def completions(self, after: int, limit: int) -> Sequence[Completion]:
        """Up to `limit` completed executions behind the position `after`, in their order."""
        ...

    async def position_at(self, moment: datetime, most: int) -> int:
        """The position behind which at most `most` events lie, all stored at `moment` or later."""
        ...

    async def others_after(self, position: int, limit: int) -> Others:
        """Completed executions of others behind `position`, up to `limit`, in their order."""
        ...

    async def delete_recorded_before(self, moment: datetime) -> int:
        """Delete the events that were stored before `moment`; returns how many."""
        ...

    async def verify(self, after: Place | None, limit: int) -> tuple[ChainReport, Place | None]:
        """Look at the integrity hashes of up to `limit` events behind `after`, chain by chain.

        Returns:
            What was found, and the place of the last one that was looked at.
        """
        ...

    async def ping(self) -> None:
        """Raise when the store does not answer."""
        ...
