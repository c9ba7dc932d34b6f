"""Counts and sums of executions, of which rates and means are made: for the totals in the store and for the windows.

What is stored together is added up once, by agent and kind; totals and windows take over the sums.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from arbiter.orchestrator.performance.sketch import bucket_of

__all__ = ["Judged", "Key", "Sums", "Total", "totals_of"]

Key = tuple[str, str]
"""Whose events, empty for those that name no agent, and of which kind."""


class Judged(Protocol):
    """What is looked at of an execution; what it lacks counts into no mean."""

    @property
    def success(self) -> bool | None:
        """Whether it succeeded."""
        ...

    @property
    def quality_score(self) -> float | None:
        """0 to 1."""
        ...

    @property
    def latency_ms(self) -> float | None:
        """How long it took."""
        ...

    @property
    def cost(self) -> float | None:
        """In the deployment's one currency."""
        ...


@dataclass(slots=True)
class Sums:
    """How many there were, how many of them were judged, rated, timed and priced, and what that adds up to.

    Attributes:
        latencies: how many of each bucket (see `sketch`).
    """

    events: int = 0
    judged: int = 0
    succeeded: int = 0
    rated: int = 0
    quality_sum: float = 0.0
    timed: int = 0
    latency_sum_ms: float = 0.0
    priced: int = 0
    cost: float = 0.0
    latencies: dict[int, int] = field(default_factory=dict)

    def tally(self, one: Judged) -> None:
        """Add one."""
        self.events += 1
        if (success := one.success) is not None:
            self.judged += 1
            self.succeeded += success
        if (quality := one.quality_score) is not None:
            self.rated += 1
            self.quality_sum += quality
        if (latency_ms := one.latency_ms) is not None:
            self.timed += 1
            self.latency_sum_ms += latency_ms
            bucket = bucket_of(latency_ms)
            self.latencies[bucket] = self.latencies.get(bucket, 0) + 1
        if (cost := one.cost) is not None:
            self.priced += 1
            self.cost += cost

    def add(self, other: Sums) -> None:
        """Add what others came to."""
        self.events += other.events
        self.judged += other.judged
        self.succeeded += other.succeeded
        self.rated += other.rated
        self.quality_sum += other.quality_sum
        self.timed += other.timed
        self.latency_sum_ms += other.latency_sum_ms
        self.priced += other.priced
        self.cost += other.cost
        for bucket, count in other.latencies.items():
            self.latencies[bucket] = self.latencies.get(bucket, 0) + count


@dataclass(slots=True, kw_only=True)
class Total(Sums):
    """One agent's events of one kind."""

    first_at: datetime
    last_at: datetime
    tokens: int = 0


def totals_of(events: Iterable[Any]) -> dict[Key, Total]:
    """What `events`, or rows with an event's columns, add up to for each agent and kind."""
    found: dict[Key, Total] = {}
    for one in events:
        key, at = (one.agent_id or "", one.type), one.timestamp
        total = found.get(key)
        if total is None:
            total = found[key] = Total(first_at=at, last_at=at)
        elif at < total.first_at:
            total.first_at = at
        elif at > total.last_at:
            total.last_at = at
        total.tally(one)
        total.tokens += one.tokens_used or 0
    return found
