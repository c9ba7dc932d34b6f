"""Routing's neighbours in memory, and a router over them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from random import Random
from typing import Final

from arbiter.errors import NotFound
from arbiter.orchestrator.routing.models import Outcome, Task
from arbiter.orchestrator.routing.ports import (
    ArmRow,
    Conclusion,
    Happening,
    Record,
    Registration,
    Requirement,
)
from arbiter.orchestrator.routing.router import TaskRouter
from arbiter.orchestrator.routing.settings import RoutingSettings
from arbiter.orchestrator.vocabulary import PerformanceReport
from arbiter.testing.clock import FakeClock
from arbiter.testing.live import Fixed

__all__ = [
    "REGISTERED",
    "Bench",
    "FakeAgent",
    "FakeMatch",
    "FakePage",
    "FakeRegistry",
    "FakeStore",
    "FakeTracker",
    "bench",
    "outcome",
    "seeded",
]


REGISTERED: Final = datetime(2025, 12, 1, tzinfo=UTC)
"""When agents were registered, unless told otherwise."""


@dataclass
class FakeLoad:
    """What an agent carries; utilisation by its limit, or by 10."""

    active_tasks: int = 0
    limit: int | None = None

    @property
    def utilization_percent(self) -> float:
        """As the registry computes it."""
        return min(100.0, 100 * self.active_tasks / (self.limit or 10))


@dataclass
class FakeAgent:
    """An agent that can do `kinds`, in any language of `languages`."""

    id: str
    kinds: tuple[str, ...] = ("review",)
    languages: tuple[str, ...] = ()
    max_concurrent_tasks: int | None = None
    current_load: FakeLoad = field(default_factory=FakeLoad)
    registered_at: datetime = REGISTERED

    def __post_init__(self) -> None:
        self.current_load.limit = self.max_concurrent_tasks


@dataclass
class FakeMatch:
    """An agent that fits."""

    agent: FakeAgent


@dataclass
class FakePage:
    """A page of agents that fit."""

    agents: Sequence[FakeMatch]
    next: str | None = None
    hint: str | None = None


class FakeRegistry:
    """Agents in memory; `failure` is raised by queries, `hang` makes them wait,
    `page_size` cuts answers up,
    `refusing` are full whatever a query shows.
    """

    def __init__(self, *agents: FakeAgent) -> None:
        self.agents = {agent.id: agent for agent in agents}
        self.reports: dict[tuple[str, str], PerformanceReport] = {}
        self.released: Counter[str] = Counter()
        self.failure: Exception | None = None
        self.hang: asyncio.Event | None = None
        self.reserving: asyncio.Event | None = None
        self.refusing: set[str] = set()
        self.page_size = 1000

    async def query(self, query: tuple[Requirement, str], /) -> FakePage:
        """One page of the agents that fit."""
        wanted, cursor = query
        if self.failure is not None:
            raise self.failure
        if self.hang is not None:
            await self.hang.wait()
        fitting = [FakeMatch(agent) for agent in self.agents.values() if _fits(agent, wanted)]
        begin = int(cursor or 0)
        end = begin + self.page_size
        return FakePage(fitting[begin:end], str(end) if end < len(fitting) else None)

    async def reserve(self, agent_id: str, *, registered_at: datetime) -> bool:
        """Count one more task, unless the agent is full."""
        agent = self._agent(agent_id, registered_at)
        full = agent_id in self.refusing or (
            agent.max_concurrent_tasks is not None
            and agent.current_load.active_tasks >= agent.max_concurrent_tasks
        )
        agent.current_load.active_tasks += not full
        if self.reserving is not None:
            await self.reserving.wait()
        return not full

    async def release(self, agent_id: str, *, registered_at: datetime) -> None:
        """Count one task less."""
        self._agent(agent_id, registered_at).current_load.active_tasks -= 1
        self.released[agent_id] += 1

    async def update_performance(
        self, agent_id: str, report: PerformanceReport, *, key: str, registered_at: datetime
    ) -> None:
        """Keep the report, once for each key."""
        self._agent(agent_id, registered_at)
        self.reports.setdefault((agent_id, key), report)

    @property
    def active(self) -> int:
        """Tasks carried by all agents together."""
        return sum(agent.current_load.active_tasks for agent in self.agents.values())

    def _agent(self, agent_id: str, registered_at: datetime) -> FakeAgent:
        agent = self.agents.get(agent_id)
        if agent is None or agent.registered_at != registered_at:
            raise NotFound(agent_id)
        return agent


def _fits(agent: FakeAgent, wanted: Requirement) -> bool:
    takes_it = wanted.task_type is None or wanted.task_type in agent.kinds
    return takes_it and set(wanted.languages) <= set(agent.languages) and not wanted.specializations


class FakeTracker:
    """Events in memory, once for each id; `failure` is raised instead of taking one."""

    def __init__(self) -> None:
        self.events: dict[str, Happening] = {}
        self.failure: Exception | None = None

    def offer(self, event: Happening, /) -> bool:
        """Take it, once for each id."""
        if self.failure is not None:
            raise self.failure
        self.events.setdefault(event.id, event)
        return True

    async def record(self, event: Happening, /) -> None:
        """The same, awaited."""
        self.offer(event)


class FakeStore:
    """Routing's store in memory; `adding` makes `add` wait, `failure` makes `conclude` raise."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.learned: dict[tuple[Registration, str], ArmRow] = {}
        self.adding: asyncio.Event | None = None
        self.failure: Exception | None = None

    async def add(self, record: Record) -> Record | None:
        """Keep the first decision of a task."""
        taken = self.records.setdefault(record.decision.task_id, record)
        if self.adding is not None:
            await self.adding.wait()
        return None if taken is record else taken

    async def forget(self, decision_id: str) -> None:
        """Drop a decision."""
        kept = {
            task_id: one for task_id, one in self.records.items() if one.decision.decision_id != decision_id
        }
        self.records = kept

    async def find(self, task_id: str) -> Record | None:
        """The task's decision."""
        return self.records.get(task_id)

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
        """Keep the first outcome, and count it."""
        if self.failure is not None:
            raise self.failure
        stored = self.records[record.decision.task_id]
        conclusion = Conclusion(stored, counted=False, taught=False)
        if stored.outcome is None:
            concluded = replace(stored, outcome=outcome, outcome_at=at, late=late)
            self.records[record.decision.task_id] = concluded
            if teaches:
                self._teach(record, outcome)
            conclusion = Conclusion(concluded, counted=True, taught=teaches)
        then(conclusion)
        return conclusion

    def arm(self, agent_id: str, task_type: str, registered_at: datetime = REGISTERED) -> tuple[int, int]:
        """Pulls and successes of a registration."""
        row = self.learned[Registration(agent_id, registered_at), task_type]
        return row.pulls, row.successes

    def _teach(self, record: Record, outcome: Outcome) -> None:
        agent, task_type = record.registration, record.task.task_type
        arm = self.learned.get((agent, task_type), ArmRow(*agent, task_type, 0, 0))
        taught = replace(arm, pulls=arm.pulls + 1, successes=arm.successes + outcome.success)
        self.learned[agent, task_type] = taught

    async def open_leases(self, now: datetime) -> Sequence[Record]:
        """Those without an outcome whose time is not over."""
        return [r for r in self.records.values() if r.outcome is None and r.lease_expires_at > now]

    async def arms(self) -> Sequence[ArmRow]:
        """All that was learned."""
        return list(self.learned.values())


@dataclass
class Bench:
    """A started router and what stands around it."""

    router: TaskRouter
    registry: FakeRegistry
    tracker: FakeTracker
    store: FakeStore
    settings: Fixed[RoutingSettings]
    clock: FakeClock

    async def route(self, task_type: str = "review", **more: object) -> str:
        """The agent that a task goes to."""
        return (await self.router.route(Task.model_validate({"task_type": task_type, **more}))).selected_agent


@asynccontextmanager
async def bench(
    *agents: FakeAgent, store: FakeStore | None = None, clock: FakeClock | None = None, **settings: object
) -> AsyncIterator[Bench]:
    """A started router over fakes; it is stopped at the end. Without a seed of its own a test has seed 1."""
    live = Fixed(RoutingSettings.model_validate({"seed": 1, **settings}))
    registry, tracker = FakeRegistry(*agents), FakeTracker()
    store, clock = store or FakeStore(), clock or FakeClock()
    router = TaskRouter(registry, tracker, store, live, clock, _ask, _same)
    made = Bench(router, registry, tracker, store, live, clock)
    await made.router.start()
    try:
        yield made
    finally:
        await made.router.stop()


def seeded(seed: int) -> Random:
    """Draws that repeat."""
    return Random(seed)  # noqa: S311  a test's draws are no secret


def outcome(*, success: bool = True, **more: object) -> Outcome:
    """How a task went."""
    return Outcome.model_validate({"success": success, "quality_score": 0.9, "latency_ms": 100, **more})


def _ask(requirement: Requirement, cursor: str) -> tuple[Requirement, str]:
    return requirement, cursor


def _same(happening: Happening) -> Happening:
    return happening
