"""What routing tells: events to the tracker, attributes to the span, figures to whoever measures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TypeVar

import structlog
from opentelemetry import trace

from arbiter.histogram import COUNTS, Histogram
from arbiter.orchestrator.routing.contents import Record
from arbiter.orchestrator.routing.models import DECISION, OUTCOME, Decision, Explanation
from arbiter.orchestrator.routing.ports import Happening, Tracker
from arbiter.orchestrator.vocabulary import PerformanceReport
from arbiter.protocols import Measurement

__all__ = ["Figures", "Journal", "annotate", "annotate_outcome", "explained", "trace_id"]

log = structlog.get_logger(__name__)

E = TypeVar("E")


class Journal:
    """Writes decisions and outcomes to the tracker, under ids that make each count once."""

    def __init__(self, tracker: Tracker[E], event: Callable[[Happening], E]) -> None:
        async def record(happening: Happening) -> None:
            await tracker.record(event(happening))

        def offer(happening: Happening) -> None:
            tracker.offer(event(happening))

        self._record, self._offer = record, offer

    def decided(self, record: Record) -> None:
        """Offer the decision; a tracker that cannot take it never hinders a decision."""
        decision, task = record.decision, record.task
        happening = Happening(
            id=f"{decision.decision_id}{DECISION}",
            type="routing_decision",
            timestamp=decision.decided_at,
            agent_id=decision.selected_agent,
            task_id=decision.task_id,
            task_type=task.task_type,
            metadata={
                "strategy": decision.strategy,
                "explored": decision.explored,
                "confidence": decision.confidence,
                "score": record.grounds.score,
            },
        )
        try:
            self._offer(happening)
        except Exception as error:  # noqa: BLE001  the decision is durable in routing's own store
            log.warning(
                "the tracker did not take a decision", decision_id=decision.decision_id, reason=str(error)
            )

    async def concluded(self, record: Record, report: PerformanceReport, at: datetime, *, late: bool) -> None:
        """Record the outcome; return when it is durable."""
        decision = record.decision
        await self._record(
            Happening(
                id=f"{decision.decision_id}{OUTCOME}",
                type="task_execution_complete",
                timestamp=at,
                agent_id=decision.selected_agent,
                task_id=decision.task_id,
                task_type=record.task.task_type,
                success=report.success,
                quality_score=report.quality_score,
                latency_ms=report.latency_ms,
                cost=report.cost,
                tokens_used=report.tokens_used,
                metadata={
                    "explored": decision.explored,
                    "propensity": record.grounds.propensity,
                    "late": late,
                },
            )
        )


class Figures:
    """Counts in plain numbers, read when an exporter asks."""

    def __init__(self) -> None:
        self.fallback_reason = ""
        """Why the last decision had to fall back; empty when it did not."""
        self._decisions: Counter[tuple[str, bool]] = Counter()
        self._outcomes: Counter[tuple[bool, bool]] = Counter()
        self._refusals: Counter[str] = Counter()
        self._fallbacks = 0
        self._durations, self._candidates = Histogram(), Histogram(COUNTS)

    def decided(self, decision: Decision, candidates: int, fallback_reason: str) -> None:
        """One decision more, made among so many."""
        self._candidates.observe(candidates)
        self._decisions[decision.strategy, decision.explored] += 1
        self.fallback_reason = fallback_reason
        self._fallbacks += bool(fallback_reason)

    def refused(self, reason: str) -> None:
        """One task that got no agent, by the code of the error."""
        self._refusals[reason] += 1

    def took(self, seconds: float) -> None:
        """How long a decision took, from call to durable."""
        self._durations.observe(seconds)

    def concluded(self, *, success: bool, late: bool) -> None:
        """One outcome more."""
        self._outcomes[success, late] += 1

    def measurements(self, leases: int) -> Iterator[Measurement]:
        """The present numbers."""
        for (strategy, explored), count in self._decisions.copy().items():
            labels = (("strategy", strategy), ("explored", str(explored).lower()))
            about = "Decisions made, by strategy and by whether they explored."
            yield Measurement("arbiter.router.decisions", "counter", count, about, "{decision}", labels)
        for (success, late), count in self._outcomes.copy().items():
            labels = (("success", str(success).lower()), ("late", str(late).lower()))
            about = "Outcomes taken, by success and by whether the lease had ended."
            yield Measurement("arbiter.router.outcomes", "counter", count, about, "{outcome}", labels)
        for reason, count in self._refusals.copy().items():
            about = "Tasks that got no agent, by the code of the answer: no decision is among them."
            yield Measurement(
                "arbiter.router.refusals", "counter", count, about, "{task}", (("reason", reason),)
            )
        about = "Decisions made by the fallback, since the registry did not answer."
        yield Measurement("arbiter.router.fallbacks", "counter", self._fallbacks, about, "{decision}")
        yield Measurement("arbiter.router.leases", "gauge", leases, "Leases open.", "{lease}")
        about = "Time that decisions took, from call to durable; a task routed again counts as well."
        yield self._durations.measurement("arbiter.router.decision.duration", about, "s")
        about = "Agents that a decision had to choose from."
        yield self._candidates.measurement("arbiter.router.candidates", about, "{agent}")


def annotate(record: Record, *, fallback: bool) -> None:
    """Say on the current span what was decided."""
    span = trace.get_current_span()
    if not span.is_recording():
        return
    decision = record.decision
    span.set_attributes(
        {
            "arbiter.router.task_type": record.task.task_type,
            "arbiter.router.task_id": decision.task_id,
            "arbiter.router.candidates": record.grounds.candidates,
            "arbiter.router.strategy": decision.strategy,
            "arbiter.router.explored": decision.explored,
            "arbiter.router.score": record.grounds.score,
            "arbiter.router.agent_id": decision.selected_agent,
            "arbiter.router.fallback": fallback,
        }
    )


def annotate_outcome(record: Record, *, success: bool) -> None:
    """Say on the current span how a task went."""
    span = trace.get_current_span()
    if span.is_recording():
        decision = record.decision
        span.set_attributes(
            {
                "arbiter.router.task_type": record.task.task_type,
                "arbiter.router.task_id": decision.task_id,
                "arbiter.router.agent_id": decision.selected_agent,
                "arbiter.router.success": success,
                "arbiter.router.late": record.late,
            }
        )


def explained(record: Record) -> Explanation:
    """A decision with its grounds and its outcome, as people and programs ask for it."""
    grounds = record.grounds
    return Explanation(
        decision=record.decision,
        task=record.task,
        score=grounds.score,
        propensity=grounds.propensity,
        candidates=grounds.candidates,
        seed=grounds.seed,
        state_sequence=grounds.state_sequence,
        lease_expires_at=record.lease_expires_at,
        outcome=record.outcome,
        outcome_at=record.outcome_at,
        late=record.late,
    )


def trace_id() -> str:
    """The current trace's id, 32 hexadecimal digits; empty where there is none."""
    context = trace.get_current_span().get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else ""
