"""What instances tell each other about one circuit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["Decision", "Lease", "Record", "Reply", "Store", "StoreFailed"]


class StoreFailed(Exception):
    """The shared store does not answer, or not in time."""


@dataclass(frozen=True, slots=True)
class Record:
    """How one circuit stands for all instances.

    Attributes:
        version: grows with every change; a change that was decided on an older one is refused.
        state: the circuit's state.
        left_s: seconds until an open circuit lets trials through, by the store's clock, when this was read.
        attempt: failed half-open periods since the circuit was last closed.
    """

    version: int
    state: str
    left_s: float
    attempt: int


@dataclass(frozen=True, slots=True)
class Lease:
    """Leave to make one trial in the half-open period that began with `version`."""

    version: int
    id: str


@dataclass(frozen=True, slots=True)
class Decision:
    """One instance changed a circuit's state; forced where an operator did, who may overrule what is not yet known."""

    state: str
    interval_s: float
    attempt: int
    forced: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """Whether the store did what was asked, and how the circuit stands now; None where it knows nothing of it."""

    done: bool
    record: Record | None


class Store(Protocol):
    """Where records are kept; every method raises `StoreFailed` when there is no answer."""

    def generation(self) -> int:
        """A number that differs whenever any record has changed."""
        ...

    def read(self, names: list[str]) -> dict[str, Record]:
        """The records that there are, by circuit."""
        ...

    def lease(self, name: str, lease: Lease, permits: int, max_age_s: float, attempt: int) -> Reply:
        """Take a trial's lease, if the interval is over and fewer than `permits` are out."""
        ...

    def settle(self, name: str, lease: Lease, verdict: str, threshold: int, decision: Decision) -> Reply:
        """Give a lease back with "ok", "failed" (which opens as `decision` says) or "released"."""
        ...

    def decide(self, name: str, version: int, decision: Decision) -> Reply:
        """Change the state, unless the record is newer than `version`."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...
