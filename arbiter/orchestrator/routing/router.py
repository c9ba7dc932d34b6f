"""The task router (ARBITER-002): which agent gets a task, and what the outcome teaches.

Order of things, so that a crash between any two leaves nothing wrong. Routing: reserve the agent, store the decision,
then tell the caller; a decision that nobody was told of is taken back. Outcome: count it for the agent under the
decision's id, record the event under an id made of it, then store outcome and arm in one transaction; the first two
change nothing when they come again, so that a client's retry heals whatever was cut short.

A decision is about an agent as it was registered then. Its outcome, when the agent is gone by now or registered anew,
is stored and told to the tracker, and teaches nothing: neither the registry's averages nor the arm.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TypeVar

from arbiter.errors import LifecycleStateError
from arbiter.operation import operation
from arbiter.orchestrator.identifiers import new_id
from arbiter.orchestrator.routing.candidates import Candidates
from arbiter.orchestrator.routing.contents import Conclusion, Record, Store
from arbiter.orchestrator.routing.deciding import Decider, same_decision
from arbiter.orchestrator.routing.errors import (
    NoCapableAgent,
    NoCapacity,
    OutcomeConflict,
    RoutingUnavailable,
    TaskTypeDiffers,
    TaskUnknown,
)
from arbiter.orchestrator.routing.following import Following
from arbiter.orchestrator.routing.holding import Holding
from arbiter.orchestrator.routing.models import Decision, Explanation, Outcome, OutcomeReceipt, Task
from arbiter.orchestrator.routing.ports import Happening, Registry, Requirement, Tracker
from arbiter.orchestrator.routing.reporting import (
    Figures,
    Journal,
    annotate_outcome,
    explained,
)
from arbiter.orchestrator.routing.scoring import Arms
from arbiter.orchestrator.routing.settings import RoutingSettings
from arbiter.orchestrator.routing.turnstile import Turnstile
from arbiter.protocols import CheckResult, Clock, Live, Measurement, Status

__all__ = ["TaskRouter"]

Q = TypeVar("Q")
E = TypeVar("E")


class TaskRouter:
    """Chooses an agent for each task, holds it by a lease, and learns from what comes of it.

    Args:
        registry: who is there and who is free.
        tracker: where decisions and outcomes are written down.
        store: where they are durable.
        settings: the `[routing]` section, read once for each decision; the seed only here.
        clock: for leases and times.
        question: makes the registry's query of a requirement.
        event: makes the tracker's event of a happening.
    """

    def __init__(
        self,
        registry: Registry[Q],
        tracker: Tracker[E],
        store: Store,
        settings: Live[RoutingSettings],
        clock: Clock,
        question: Callable[[Requirement], Q],
        event: Callable[[Happening], E],
    ) -> None:
        self._store, self._settings, self._clock = store, settings, clock
        self._holding = Holding(registry, store, clock)
        self._following = Following(store, self._holding, clock)
        self._journal = Journal(tracker, event)
        self._figures = Figures()
        self._turnstile = Turnstile()
        self._learned: tuple[Arms, Decider] | None = None

        def decider(arms: Arms) -> Decider:
            candidates = Candidates(registry, question, arms)
            return Decider(candidates, arms, self._holding, self._journal, self._figures, settings, clock)

        self._decider = decider

    async def start(self) -> None:
        """Load what was learned, reserve again for every open lease, and begin to end leases in time."""
        arms = Arms()
        await self._store.open()
        try:
            self._following.begin(arms)
            await self._following.catch_up(arms)
            await self._holding.start()
        except BaseException:
            await self._store.close()
            raise
        self._learned = arms, self._decider(arms)

    async def stop(self) -> None:
        """Finish what was begun; leases stay in the store and are restored by the next start."""
        try:
            await self._following.end()
            await self._holding.stop()
        finally:
            await self._store.close()
        self._learned = None

    async def check(self) -> CheckResult:
        """Pass while the registry answers in time; warn when the last decision had to fall back."""
        self._memory()
        if self._figures.fallback_reason:
            return CheckResult(Status.WARN, f"the last decision fell back: {self._figures.fallback_reason}")
        return CheckResult(Status.PASS, f"{len(self._holding)} leases open")

    def measurements(self) -> Iterator[Measurement]:
        """Decisions, fallbacks, outcomes, open leases and the time that decisions take."""
        return self._figures.measurements(len(self._holding))

    @operation
    async def route(self, task: Task) -> Decision:
        """Choose an agent and hold it for the task. The same task again gets the same decision.

        Raises:
            NoCapableAgent: nobody that takes work can do it; names what is missing.
            NoCapacity: all who could are full.
            RoutingUnavailable: the registry does not answer, and nothing is known to fall back on.
            TaskExists: another task was routed under its id.
        """
        await asyncio.sleep(0)  # nothing below has to wait, and the loop is for others as well
        _, decider = self._memory()
        began = self._clock.monotonic()
        self._holding.release_expired()
        try:
            if task.task_id is None:
                decision = await decider.decide(task.model_copy(update={"task_id": new_id()}))
            else:
                async with self._turnstile.passing(task.task_id):
                    decision = await self._decided_before(task) or await decider.decide(task)
        except (NoCapableAgent, NoCapacity, RoutingUnavailable) as refusal:
            self._figures.refused(refusal.code)
            raise
        self._figures.took(self._clock.monotonic() - began)
        return decision

    @operation(span_attributes=("task_id",))
    async def report_outcome(self, task_id: str, outcome: Outcome) -> OutcomeReceipt:
        """Learn how a routed task went. Counts once; the same outcome again gets the same receipt.

        Raises:
            TaskUnknown: no such task was routed.
            OutcomeConflict: it has a different outcome already.
            TaskTypeDiffers: the outcome names another task type.
        """
        self._memory()
        self._holding.release_expired()
        async with self._turnstile.passing(task_id):
            record = await self._found(task_id)
            if record is None:
                raise TaskUnknown(task_id)
            outcome = _under_its_type(record, outcome)
            stored = record if record.outcome is not None else await self._conclude(record, outcome)
        if stored.outcome != outcome:
            raise OutcomeConflict(task_id)
        annotate_outcome(stored, success=outcome.success)
        return _receipt(stored, outcome)

    @operation(span_attributes=("decision_or_task_id",))
    async def explain(self, decision_or_task_id: str) -> Explanation:
        """Why a decision was made as it was, by its id or its task's; raises TaskUnknown."""
        self._memory()
        record = await self._store.decision(decision_or_task_id) or await self._store.find(
            decision_or_task_id
        )
        if record is None:
            raise TaskUnknown(decision_or_task_id)
        return explained(record)

    async def _decided_before(self, task: Task) -> Decision | None:
        record = await self._found(task.task_id or "")
        return None if record is None else same_decision(record, task)

    async def _found(self, task_id: str) -> Record | None:
        await self._holding.taken_back(task_id)
        return await self._store.find(task_id)

    async def _conclude(self, record: Record, outcome: Outcome) -> Record:
        decision, at = record.decision, self._clock.now()
        late = self._holding.is_over(record)
        report = outcome.report
        teaches = await self._holding.count(record.registration, report, key=decision.decision_id)
        await self._journal.concluded(record, report, at, late=late)
        return await self._holding.to_the_end(self._settle(record, outcome, at, late=late, teaches=teaches))

    async def _settle(
        self, record: Record, outcome: Outcome, at: datetime, *, late: bool, teaches: bool
    ) -> Record:
        discount = self._settings.current.discount if teaches else None
        conclusion = await self._store.conclude(
            record, outcome, at, late=late, discount=discount, then=self._concluded
        )
        self._holding.let_go(record.decision.task_id)
        return conclusion.record

    def _concluded(self, conclusion: Conclusion) -> None:
        """The outcome is durable: learn from it, once."""
        record = conclusion.record
        if not conclusion.counted or record.outcome is None or self._learned is None:
            return
        if conclusion.arm is not None:
            self._learned[0].put(conclusion.arm)
        self._figures.concluded(success=record.outcome.success, late=record.late)

    def _memory(self) -> tuple[Arms, Decider]:
        if self._learned is None:
            raise LifecycleStateError(
                "The router is not started.", hint="Start it, or the container that holds it."
            )
        return self._learned


def _under_its_type(record: Record, outcome: Outcome) -> Outcome:
    """The outcome with the task type spelled out, so that leaving it out or not makes no difference."""
    task_type = record.task.task_type
    if outcome.task_type not in (None, task_type):
        raise TaskTypeDiffers(task_type, outcome.task_type or "")
    return outcome.model_copy(update={"task_type": task_type})


def _receipt(record: Record, outcome: Outcome) -> OutcomeReceipt:
    decision = record.decision
    return OutcomeReceipt(
        task_id=decision.task_id,
        decision_id=decision.decision_id,
        agent_id=decision.selected_agent,
        success=outcome.success,
        late=record.late,
        recorded_at=record.outcome_at or decision.decided_at,
    )
