"""Routing's tables: decisions with their outcomes, and the arms that they taught."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, select, update

from arbiter.orchestrator.routing.models import Decision, Outcome, Task
from arbiter.orchestrator.routing.ports import ArmRow, Conclusion, Record
from arbiter.orchestrator.storage.database import Database
from arbiter.orchestrator.storage.schema import arms, decisions
from arbiter.orchestrator.storage.statements import insert_or_ignore

__all__ = ["RoutingStore"]


class RoutingStore:
    """Keeps what routing must not forget.

    Args:
        database: started before the first call.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, record: Record) -> Record | None:
        """Store a decision. Where its task has one already, change nothing and return that one."""
        row = _row(record)

        def work(connection: Connection) -> Record | None:
            added = connection.execute(insert_or_ignore(connection, decisions), row)
            return None if added.rowcount else _found(connection, row["task_id"])

        return await self._database.write(work)

    async def forget(self, decision_id: str) -> None:
        """Take back a decision that nobody was told of."""
        statement = delete(decisions).where(decisions.c.decision_id == decision_id)
        await self._database.write(lambda connection: connection.execute(statement).rowcount)

    async def find(self, task_id: str) -> Record | None:
        """The decision for a task, or None."""
        return await self._database.read(lambda connection: _found(connection, task_id))

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
        """Store an outcome and, where it `teaches`, count it for its arm; nothing where there is one already.

        All in one transaction; `then` is called after the commit, also when the caller has gone.
        """
        task_id = record.decision.task_id
        closing = update(decisions).where(decisions.c.task_id == task_id, decisions.c.outcome_at.is_(None))
        values = {"outcome": outcome.model_dump(mode="json"), "outcome_at": at, "late": late}

        def work(connection: Connection) -> Conclusion:
            counted = bool(connection.execute(closing.values(values)).rowcount)
            taught = counted and teaches
            if taught:
                _count(connection, record, outcome, at)
            return Conclusion(_found(connection, task_id) or record, counted, taught)

        return await self._database.write(work, then=then)

    async def open_leases(self, now: datetime) -> Sequence[Record]:
        """Decisions without an outcome whose leases have not ended."""
        wanted = select(decisions).where(decisions.c.lease_expires_at > now, decisions.c.outcome_at.is_(None))

        def work(connection: Connection) -> list[Record]:
            return [_record(row) for row in connection.execute(wanted).mappings()]

        return await self._database.read(work)

    async def arms(self) -> Sequence[ArmRow]:
        """All that was learned of whatever registration."""
        known = arms.c
        wanted = select(
            known.agent_id, known.agent_registered_at, known.task_type, known.pulls, known.successes
        )
        return await self._database.read(lambda c: [ArmRow(*row) for row in c.execute(wanted)])


def _found(connection: Connection, task_id: str) -> Record | None:
    row = connection.execute(select(decisions).where(decisions.c.task_id == task_id)).mappings().first()
    return None if row is None else _record(row)


def _count(connection: Connection, record: Record, outcome: Outcome, at: datetime) -> None:
    agent_id, registered_at = record.registration
    kind = {"agent_id": agent_id, "task_type": record.task.task_type}
    key = {**kind, "agent_registered_at": registered_at}
    empty = {"pulls": 0, "successes": 0, "quality_sum": 0.0, "latency_sum_ms": 0.0, "updated_at": at}
    if connection.execute(insert_or_ignore(connection, arms), key | empty).rowcount:
        earlier = arms.c.agent_registered_at < registered_at
        connection.execute(delete(arms).filter_by(**kind).where(earlier))
    learned = {
        "pulls": arms.c.pulls + 1,
        "successes": arms.c.successes + int(outcome.success),
        "quality_sum": arms.c.quality_sum + outcome.quality_score,
        "latency_sum_ms": arms.c.latency_sum_ms + outcome.latency_ms,
        "updated_at": at,
    }
    connection.execute(update(arms).filter_by(**key).values(learned))


def _row(record: Record) -> dict[str, Any]:
    decision = record.decision
    return {
        "decision_id": decision.decision_id,
        "task_id": decision.task_id,
        "agent_id": decision.selected_agent,
        "agent_registered_at": record.agent_registered_at,
        "task": record.task.model_dump(mode="json"),
        "strategy": decision.strategy,
        "explored": decision.explored,
        "score": record.score,
        "confidence": decision.confidence,
        "reason": decision.reason,
        "alternatives": [alternative.model_dump() for alternative in decision.alternatives],
        "decided_at": decision.decided_at,
        "lease_expires_at": record.lease_expires_at,
        "trace_id": decision.trace_id,
    }


def _record(row: RowMapping) -> Record:
    decision = Decision(
        decision_id=row["decision_id"],
        task_id=row["task_id"],
        selected_agent=row["agent_id"],
        strategy=row["strategy"],
        explored=row["explored"],
        confidence=row["confidence"],
        reason=row["reason"],
        alternatives=row["alternatives"],
        decided_at=row["decided_at"],
        trace_id=row["trace_id"],
    )
    return Record(
        task=Task.model_validate(row["task"]),
        decision=decision,
        agent_registered_at=row["agent_registered_at"],
        score=row["score"],
        lease_expires_at=row["lease_expires_at"],
        outcome=None if row["outcome"] is None else Outcome.model_validate(row["outcome"]),
        outcome_at=row["outcome_at"],
        late=bool(row["late"]),
    )
