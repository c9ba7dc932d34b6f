"""Counts and sums of executions, of which rates and means are made: for the totals in the store and for the windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["Judged", "Sums"]


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


@dataclass(slots=True)
class Sums:
    """How many were judged, rated and timed, and what that adds up to."""

    judged: int = 0
    succeeded: int = 0
    rated: int = 0
    quality_sum: float = 0.0
    timed: int = 0
    latency_sum_ms: float = 0.0

    def tally(self, one: Judged) -> None:
        """Add one."""
        if one.success is not None:
            self.judged += 1
            self.succeeded += one.success
        if one.quality_score is not None:
            self.rated += 1
            self.quality_sum += one.quality_score
        if one.latency_ms is not None:
            self.timed += 1
            self.latency_sum_ms += one.latency_ms
