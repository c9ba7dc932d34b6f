"""The leases that this process holds: which task keeps which agent, and until when."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

from arbiter.orchestrator.routing.ports import Registration

__all__ = ["Lease", "Leases"]


@dataclass(frozen=True, slots=True)
class Lease:
    """One agent held for one task; `ends_at` is on the monotonic clock, in seconds."""

    task_id: str
    agent: Registration
    ends_at: float


class Leases:
    """Open leases by task, and in the order of their ends."""

    def __init__(self) -> None:
        self._by_task: dict[str, Lease] = {}
        self._by_end: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._by_task)

    def hold(self, lease: Lease) -> None:
        """Keep one more."""
        self._by_task[lease.task_id] = lease
        heapq.heappush(self._by_end, (lease.ends_at, lease.task_id))

    def tasks(self) -> set[str]:
        """The tasks that have one."""
        return set(self._by_task)

    def get(self, task_id: str) -> Lease | None:
        """The task's lease, if it is open."""
        return self._by_task.get(task_id)

    def take(self, task_id: str) -> Lease | None:
        """End the task's lease: whoever gets it, and nobody else, gives the agent back."""
        return self._by_task.pop(task_id, None)

    def take_expired(self, now: float) -> list[Lease]:
        """End and return the leases whose time is over."""
        expired = []
        while self._by_end and self._by_end[0][0] <= now:
            ends_at, task_id = heapq.heappop(self._by_end)
            lease = self._by_task.get(task_id)
            if lease is not None and lease.ends_at == ends_at:
                expired.append(self._by_task.pop(task_id))
        return expired

    def take_all(self) -> list[Lease]:
        """End and return every lease."""
        held = list(self._by_task.values())
        self._by_task.clear()
        self._by_end.clear()
        return held

    def next_end(self) -> float | None:
        """When the next lease ends; None where none is open."""
        while self._by_end and not self._is_open(*self._by_end[0]):
            heapq.heappop(self._by_end)
        return self._by_end[0][0] if self._by_end else None

    def _is_open(self, ends_at: float, task_id: str) -> bool:
        lease = self._by_task.get(task_id)
        return lease is not None and lease.ends_at == ends_at
