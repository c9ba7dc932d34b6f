"""Holding agents for tasks: reserve, keep by a lease, give back exactly once, whatever is cancelled in between."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from datetime import datetime
from typing import Any, Final, TypeVar

import structlog

from arbiter.errors import NotFound
from arbiter.orchestrator.routing.contents import Record, Refusal, Store
from arbiter.orchestrator.routing.leases import Lease, Leases
from arbiter.orchestrator.routing.ports import Registration, Reservations
from arbiter.orchestrator.vocabulary import PerformanceReport
from arbiter.protocols import Clock

__all__ = ["Holding"]

T = TypeVar("T")

log = structlog.get_logger(__name__)

_LOOK_EVERY_S: Final = 1.0
_RETRY_AT_MOST_S: Final = 5.0
"""Most tasks end long before their lease does, so a caller is never told to wait for longer than this."""


class Holding:
    """The agents that are held for tasks, and what must be finished although its caller has gone."""

    def __init__(self, registry: Reservations, store: Store, clock: Clock) -> None:
        self._registry, self._store, self._clock = registry, store, clock
        self._leases = Leases()
        self._ended: deque[str] = deque(maxlen=10_000)
        self._unfinished: set[asyncio.Task[Any]] = set()
        self._taking_back: dict[str, asyncio.Task[None]] = {}
        self._watch: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._leases)

    async def start(self) -> None:
        """Reserve again for every open lease in the store, and begin to look for leases that end."""
        await self.catch_up()
        self._watch = asyncio.create_task(self._look(), name="arbiter-routing-leases")

    async def catch_up(self) -> None:
        """Hold exactly the leases that are open in the store, whoever opened them."""
        before = self._leases.tasks()
        self._ended.clear()
        stored = {
            record.decision.task_id: record for record in await self._store.open_leases(self._clock.now())
        }
        for task_id in before - stored.keys():
            self.let_go(task_id)
        for task_id, record in stored.items():
            if task_id in self._ended:
                continue  # while the store was being read
            self.hold(task_id, record.registration, record.lease_expires_at)

    def hold(self, task_id: str, agent: Registration, ends_at: datetime) -> None:
        """Hold an agent for a lease that is open already: another instance opened it, or this one before a restart."""
        left_s = (ends_at - self._clock.now()).total_seconds()
        if self._leases.get(task_id) is None and left_s > 0:
            self._registry.reserve(agent.agent_id, registered_at=agent.registered_at, elsewhere=True)
            self._leases.hold(Lease(task_id, agent, self._clock.monotonic() + left_s))

    async def stop(self) -> None:
        """Stop looking, finish what is unfinished, give back what is held; the store keeps the leases."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            self._watch = None
        await asyncio.gather(*self._unfinished, return_exceptions=True)
        for lease in self._leases.take_all():
            self._release(lease.agent)

    def reserve(self, agent: Registration) -> bool:
        """Count one more task for the agent; False when it is full or gone."""
        return self._registry.reserve(agent.agent_id, registered_at=agent.registered_at)

    async def keep(
        self, record: Record, lease_s: float, limit: int | None, *, at_once: bool
    ) -> Record | Refusal | None:
        """Store the decision for an agent just reserved, and hold the agent; give it back if that fails.

        Args:
            record: the decision.
            lease_s: for how long the agent is held.
            limit: how many leases the agent may have at once, wherever they were made.
            at_once: do not wait for the commit, where the store can do without.

        Returns:
            The decision that the task had already, or why there is none, in which case nothing is held; else None.
        """
        decision = record.decision
        try:
            stored = at_once and self._store.add_at_once(record)
            taken = None if stored else await self._store.add(record, limit=limit)
        except BaseException:
            undoing = self._finish(self._take_back(record))
            self._taking_back[decision.task_id] = undoing
            undoing.add_done_callback(lambda _: self._taking_back.pop(decision.task_id, None))
            raise
        if taken is None:
            end = self._clock.monotonic() + lease_s
            self._leases.hold(Lease(decision.task_id, record.registration, end))
        else:
            self._release(record.registration)
        return taken

    async def taken_back(self, task_id: str) -> None:
        """Wait until an abandoned decision for the task, if there is one, is out of the store."""
        if (undoing := self._taking_back.get(task_id)) is not None:
            await asyncio.shield(undoing)

    def let_go(self, task_id: str) -> None:
        """End the task's lease, if it is open, and give the agent back."""
        self._ended.append(task_id)
        if (lease := self._leases.take(task_id)) is not None:
            self._release(lease.agent)

    def release_expired(self) -> None:
        """End the leases whose time is over."""
        for lease in self._leases.take_expired(self._clock.monotonic()):
            self._release(lease.agent)

    async def count(self, agent: Registration, report: PerformanceReport, *, key: str) -> bool:
        """Count an outcome into the agent's record; False when the agent has gone, also if its id is in use again."""
        agent_id, registered_at = agent
        try:
            await self._registry.update_performance(agent_id, report, key=key, registered_at=registered_at)
        except NotFound:
            log.info("the outcome is of an agent that is gone", agent_id=agent_id)
            return False
        return True

    async def to_the_end(self, work: Coroutine[Any, Any, T]) -> T:
        """Await `work`, which goes on to its end when the caller is cancelled."""
        task = asyncio.create_task(work)
        self._unfinished.add(task)
        task.add_done_callback(self._unfinished.discard)
        return await asyncio.shield(task)

    def is_over(self, record: Record) -> bool:
        """Whether the lease of a decision has ended: by this process' clock if it holds it, else by the stored time."""
        lease = self._leases.get(record.decision.task_id)
        if lease is not None:
            return lease.ends_at <= self._clock.monotonic()
        return record.lease_expires_at <= self._clock.now()

    def retry_after_s(self) -> float:
        """Seconds after which a full agent may be free: the next lease's end, between 1 and 5."""
        end = self._leases.next_end()
        left_s = _RETRY_AT_MOST_S if end is None else end - self._clock.monotonic()
        return min(max(left_s, 1.0), _RETRY_AT_MOST_S)

    async def _look(self) -> None:
        while True:
            await self._clock.sleep(_LOOK_EVERY_S)
            self.release_expired()

    async def _take_back(self, record: Record) -> None:
        self._release(record.registration)
        await self._store.forget(record.decision.decision_id)

    def _release(self, agent: Registration) -> None:
        self._registry.release(agent.agent_id, registered_at=agent.registered_at)

    def _finish(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` to its end, whoever is cancelled; what it raises is logged."""

        async def finishing() -> None:
            try:
                await work
            except Exception:
                log.exception("routing could not tidy up")

        task = asyncio.create_task(finishing())
        self._unfinished.add(task)
        task.add_done_callback(self._unfinished.discard)
        return task
