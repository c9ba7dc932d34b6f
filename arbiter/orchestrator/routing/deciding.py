"""Making a decision: who could do the task, who is chosen, who is held for it, and what is written down."""

from __future__ import annotations

from datetime import timedelta

from arbiter.orchestrator.identifiers import new_id
from arbiter.orchestrator.routing.board import Slate, Weights
from arbiter.orchestrator.routing.candidates import Candidates
from arbiter.orchestrator.routing.contents import Grounds, Record, Refusal
from arbiter.orchestrator.routing.draws import Draws
from arbiter.orchestrator.routing.errors import NoCapacity, TaskExists
from arbiter.orchestrator.routing.holding import Holding
from arbiter.orchestrator.routing.models import Decision, Task
from arbiter.orchestrator.routing.ports import Requirement
from arbiter.orchestrator.routing.reporting import Figures, Journal, annotate, trace_id
from arbiter.orchestrator.routing.scoring import Arms
from arbiter.orchestrator.routing.settings import RoutingSettings
from arbiter.orchestrator.routing.strategies import STRATEGIES, Choice, RoundRobin, Strategy, Turns
from arbiter.protocols import Clock, Live

__all__ = ["Decider", "same_decision"]


class Decider:
    """Makes decisions of what is known now.

    Args:
        candidates: who could do a task.
        arms: what was learned of them.
        holding: holds whoever is chosen, and stores the decision.
        journal: tells the tracker.
        figures: count.
        settings: the `[routing]` section, read once for each decision; the seed only here.
        clock: for times.
    """

    def __init__(
        self,
        candidates: Candidates,
        arms: Arms,
        holding: Holding,
        journal: Journal,
        figures: Figures,
        settings: Live[RoutingSettings],
        clock: Clock,
    ) -> None:
        self._candidates, self._arms, self._holding = candidates, arms, holding
        self._journal, self._figures = journal, figures
        self._settings, self._clock = settings, clock
        self._turns = Turns()
        self._draws = Draws(settings.current.seed)

    async def decide(self, task: Task) -> Decision:
        """Choose an agent for a task that has its id, hold it, and store and tell that.

        Raises:
            NoCapableAgent, NoCapacity, RoutingUnavailable, TaskExists: as `TaskRouter.route`.
        """
        settings = self._settings.current
        began, limit_s = self._clock.monotonic(), settings.max_routing_time_ms / 1000
        requirement = Requirement(task.task_type, task.languages, task.specializations)
        weights = Weights(settings.load_weight, settings.latency_weight, settings.cost_weight)
        board, stale = await self._candidates.find(requirement, weights, limit_s)
        if not stale and self._clock.monotonic() - began > limit_s:
            stale = f"the candidates were not known within {settings.max_routing_time_ms:g} ms"
        slate = board.slate(
            within_ms=task.timeout_ms, may_explore=task.priority <= settings.explore_up_to_priority
        )
        strategy = self._strategy(task.task_type, settings, fall_back=bool(stale))
        while slate.free:
            seed, rng = self._draws.next()
            choice = strategy.choose(slate, rng)
            if self._holding.reserve(choice.contender.registration):
                grounds = Grounds(
                    choice.contender.score,
                    seed,
                    self._arms.changes.version,
                    choice.propensity,
                    len(slate.free),
                )
                record = self._record(task, slate, strategy, choice, stale, grounds)
                kept = await self._keep(record, choice.contender.limit, settings)
                if kept is None:
                    self._made(record, stale)
                    return record.decision
                if isinstance(kept, Record):
                    return same_decision(kept, task)
            slate.strike(choice.contender.id)
        raise NoCapacity(task.task_type, len(slate), self._holding.retry_after_s())

    async def _keep(
        self, record: Record, limit: int | None, settings: RoutingSettings
    ) -> Record | Refusal | None:
        lease_s = (record.lease_expires_at - record.decision.decided_at).total_seconds()
        at_once = settings.acknowledge == "journal"
        return await self._holding.keep(record, lease_s, limit, at_once=at_once)

    def _strategy(self, task_type: str, settings: RoutingSettings, *, fall_back: bool) -> Strategy:
        if fall_back:
            return RoundRobin(self._turns)
        return STRATEGIES[settings.strategies.get(task_type, settings.strategy)](settings, self._turns)

    def _record(
        self, task: Task, slate: Slate, strategy: Strategy, choice: Choice, stale: str, grounds: Grounds
    ) -> Record:
        chosen, now = choice.contender, self._clock.now()
        fallback = f"fallback, since {stale}: " if stale else ""
        # All of it is our own: nothing to validate, in the one place where it would be paid for at each decision.
        decision = Decision.trusted(
            decision_id=new_id(),
            task_id=task.task_id or "",
            selected_agent=chosen.id,
            strategy=strategy.name,
            explored=choice.explored,
            confidence=chosen.belief.confidence,
            reason=f"{fallback}{choice.reason}; {chosen.standing}",
            alternatives=slate.alternatives(chosen),
            decided_at=now,
            trace_id=trace_id(),
        )
        lease_s = self._settings.current.lease_s if task.timeout_ms is None else task.timeout_ms / 1000
        return Record(task, decision, chosen.registered_at, grounds, now + timedelta(seconds=lease_s))

    def _made(self, record: Record, stale: str) -> None:
        self._figures.decided(record.decision, record.grounds.candidates, stale)
        annotate(record, fallback=bool(stale))
        self._journal.decided(record)


def same_decision(record: Record, task: Task) -> Decision:
    """What was decided for the task; raises TaskExists where that was another task of its id."""
    if record.task != task:
        raise TaskExists(record.decision.task_id)
    return record.decision
