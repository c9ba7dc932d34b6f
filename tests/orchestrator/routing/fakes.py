"""Routing's neighbours in memory, and a router over them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from random import Random
from typing import Final

from arbiter.errors import NotFound
from arbiter.orchestrator.routing.contents import ArmRow, Conclusion, Elsewhere, Record, Refusal
from arbiter.orchestrator.routing.models import Outcome, Task
from arbiter.orchestrator.routing.ports import Happening, Registration, Requirement
from arbiter.orchestrator.routing.router import TaskRouter
from arbiter.orchestrator.routing.settings import RoutingSettings
from arbiter.orchestrator.vocabulary import PerformanceReport
from arbiter.testing.clock import FakeClock
from arbiter.testing.live import Fixed

__all__ = [
    "REGISTERED",
    "Bench",
    "FakeAgent",
    "FakePage",
    "FakeRegistry",
    "FakeRoster",
    "FakeStore",
    "FakeTracker",
    "arm_row",
    "bench",
    "outcome",
    "seeded",
]


REGISTERED: Final = datetime(2025, 12, 1, tzinfo=UTC)
"""When agents were registered, unless told otherwise."""


@dataclass
class FakeAgent:
    """An agent that can do `kinds`, in any language of `languages`."""

    id: str
    kinds: tuple[str, ...] = ("review",)
    languages: tuple[str, ...] = ()
    limit: int | None = None
    active: int = 0
    registered_at: datetime = REGISTERED

    @property
    def is_full(self) -> bool:
        """At its limit."""
        return self.limit is not None and self.active >= self.limit

    @property
    def utilization(self) -> float:
        """As the registry computes it."""
        return min(100.0, 100 * self.active / (self.limit or 10))


@dataclass
class FakePage:
    """A page of agents that fit."""

    agents: Sequence[FakeAgent]
    hint: str | None = None


@dataclass
class FakeRoster:
    """The agents that fit, looked at anew whenever it is asked."""

    agents: dict[str, FakeAgent]
    wanted: Requirement
    changes: list[str]

    def __iter__(self) -> Iterator[FakeAgent]:
        """All that fit."""
        return (agent for agent in self.agents.values() if _fits(agent, self.wanted))

    @property
    def version(self) -> int:
        """How many changes there were."""
        return len(self.changes)

    def get(self, agent_id: str, /) -> FakeAgent | None:
        """One of them."""
        agent = self.agents.get(agent_id)
        return agent if agent is not None and _fits(agent, self.wanted) else None

    def changed_since(self, version: int, /) -> Collection[str]:
        """Whose load changed."""
        return set(self.changes[max(0, version) :]) if version >= 0 else set(self.agents)


class FakeRegistry:
    """Agents in memory; `failure` is raised by queries, `hang` makes them wait,
    `refusing` are full whatever a query shows.
    """

    def __init__(self, *agents: FakeAgent) -> None:
        self.agents = {agent.id: agent for agent in agents}
        self.reports: dict[tuple[str, str], PerformanceReport] = {}
        self.released: Counter[str] = Counter()
        self.failure: Exception | None = None
        self.hang: asyncio.Event | None = None
        self.refusing: set[str] = set()
        self.changes: list[str] = []

    async def roster(self, query: Requirement, /) -> FakeRoster:
        """The agents that fit."""
        if self.failure is not None:
            raise self.failure
        if self.hang is not None:
            await self.hang.wait()
        return FakeRoster(self.agents, query, self.changes)

    async def query(self, query: Requirement, /) -> FakePage:
        """The same as a page."""
        return FakePage(list(await self.roster(query)))

    def reserve(self, agent_id: str, *, registered_at: datetime, elsewhere: bool = False) -> bool:
        """Count one more task, unless the agent is full or gone."""
        agent = self.agents.get(agent_id)
        gone = agent is None or agent.registered_at != registered_at
        refuses = not elsewhere and (agent_id in self.refusing or (agent is not None and agent.is_full))
        if agent is None or gone or refuses:
            return False
        agent.active += 1
        self.changes.append(agent_id)
        return True

    def release(self, agent_id: str, *, registered_at: datetime) -> None:
        """Count one task less."""
        agent = self.agents.get(agent_id)
        if agent is not None and agent.registered_at == registered_at:
            agent.active -= 1
            self.changes.append(agent_id)
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
        return sum(agent.active for agent in self.agents.values())

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
        self.full_elsewhere: set[str] = set()
        self.failure: Exception | None = None

    def follow(self, elsewhere: Elsewhere) -> Callable[[], None]:
        """Never tells anything."""
        return lambda: None

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    def add_at_once(self, record: Record) -> bool:
        """Never: others store to it as well."""
        return False

    async def add(self, record: Record, *, limit: int | None) -> Record | Refusal | None:
        """Keep the first decision of a task, unless the agent is among `full_elsewhere`."""
        if limit is not None and record.decision.selected_agent in self.full_elsewhere:
            return Refusal.FULL
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

    async def decision(self, decision_id: str) -> Record | None:
        """The decision of this id."""
        found = (one for one in self.records.values() if one.decision.decision_id == decision_id)
        return next(found, None)

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
        """Keep the first outcome, and count it."""
        if self.failure is not None:
            raise self.failure
        stored = self.records[record.decision.task_id]
        conclusion = Conclusion(stored, counted=False, arm=None)
        if stored.outcome is None:
            concluded = replace(stored, outcome=outcome, outcome_at=at, late=late)
            self.records[record.decision.task_id] = concluded
            arm = None if discount is None else self._teach(record, outcome, discount)
            conclusion = Conclusion(concluded, counted=True, arm=arm)
        then(conclusion)
        return conclusion

    def arm(self, agent_id: str, task_type: str, registered_at: datetime = REGISTERED) -> tuple[int, int]:
        """Pulls and successes of a registration."""
        row = self.learned[Registration(agent_id, registered_at), task_type]
        return row.pulls, row.successes

    def _teach(self, record: Record, outcome: Outcome, discount: float) -> ArmRow:
        agent, task_type = record.registration, record.task.task_type
        held = self.learned.get((agent, task_type), arm_row(*agent, task_type=task_type))
        taught = replace(
            held,
            pulls=held.pulls + 1,
            successes=held.successes + outcome.success,
            weight=held.weight * discount + 1,
            reward=held.reward * discount + outcome.success,
            latency_ms=held.latency_ms * discount + outcome.latency_ms,
            cost=held.cost * discount + (outcome.cost or 0),
            costed=held.costed * discount + (outcome.cost is not None),
        )
        self.learned[agent, task_type] = taught
        return taught

    async def open_leases(self, now: datetime) -> Sequence[Record]:
        """Those without an outcome whose time is not over."""
        return [r for r in self.records.values() if r.outcome is None and r.lease_expires_at > now]

    async def arms(self) -> Sequence[ArmRow]:
        """All that was learned."""
        return list(self.learned.values())


def arm_row(
    agent_id: str,
    registered_at: datetime = REGISTERED,
    pulls: int = 0,
    successes: int = 0,
    *,
    task_type: str = "review",
    latency_ms: float = 1000.0,
) -> ArmRow:
    """What an agent has shown, without a discount."""
    sums = (float(pulls), float(successes), latency_ms * pulls)
    return ArmRow(agent_id, registered_at, task_type, pulls, successes, *sums)


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


def _ask(requirement: Requirement) -> Requirement:
    return requirement


def _same(happening: Happening) -> Happening:
    return happening
