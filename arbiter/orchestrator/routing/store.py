"""Routing's tables: decisions with their outcomes, and the arms that they taught."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, replace
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Connection, bindparam, delete, func, select, update

from arbiter.orchestrator.routing.contents import ArmRow, Conclusion, Elsewhere, Record, Refusal
from arbiter.orchestrator.routing.models import Outcome
from arbiter.orchestrator.routing.ports import Registration
from arbiter.orchestrator.routing.store_rows import record_of, row_of
from arbiter.orchestrator.storage.behind import WriteBehind
from arbiter.orchestrator.storage.bulk import insert_new
from arbiter.orchestrator.storage.database import Database
from arbiter.orchestrator.storage.journal import Row
from arbiter.orchestrator.storage.news import announce
from arbiter.orchestrator.storage.schema import arms, decisions
from arbiter.orchestrator.storage.statements import add_row

__all__ = ["RoutingStore"]

log = structlog.get_logger(__name__)

_TOPIC = "routing"
_OPEN_LEASES = (
    select(func.count())
    .select_from(decisions)
    .where(
        decisions.c.agent_id == bindparam("agent_id"),
        decisions.c.agent_registered_at == bindparam("registered_at"),
        decisions.c.lease_expires_at > bindparam("now"),
        decisions.c.outcome_at.is_(None),
    )
)
_ARMS = select(
    arms.c.agent_id,
    arms.c.agent_registered_at,
    arms.c.task_type,
    arms.c.pulls,
    arms.c.successes,
    arms.c.weight,
    arms.c.reward,
    arms.c.latency_ms,
    arms.c.cost,
    arms.c.costed,
)
_EMPTY: Mapping[str, float] = dict.fromkeys(
    (
        "pulls",
        "successes",
        "quality_sum",
        "latency_sum_ms",
        "weight",
        "reward",
        "latency_ms",
        "cost",
        "costed",
    ),
    0,
)


class RoutingStore:
    """Keeps what routing must not forget.

    Args:
        database: started before the first call.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._behind: WriteBehind | None = None
        self._unwritten: dict[str, Record] = {}

    async def open(self) -> None:
        """From now on decisions may be stored by their journal; first come those of a process that was killed."""
        if (journal := self._database.journal(_TOPIC)) is not None:
            self._behind = WriteBehind(self._database, journal, _insert, self._written)
            if recovered := await self._behind.recover():
                log.warning("decisions of an earlier run were in its journal only", decisions=recovered)

    async def close(self) -> None:
        """Bring what is in the journal into the database."""
        closing, self._behind = self._behind, None
        if closing is not None:
            try:
                await closing.close()
            finally:
                self._unwritten.clear()  # what could not be written is in the journal, for the next start

    def follow(self, elsewhere: Elsewhere) -> Callable[[], None]:
        """Tell of what other instances do, until what is returned is called."""

        def take(fact: list[Any]) -> None:
            match fact:
                case ["opened", task_id, agent_id, registered_at, ends_at]:
                    agent = Registration(agent_id, datetime.fromisoformat(registered_at))
                    elsewhere.opened(task_id, agent, datetime.fromisoformat(ends_at))
                case ["closed", task_id]:
                    elsewhere.closed(task_id)
                case ["learned", agent_id, registered_at, *shown]:
                    elsewhere.learned(ArmRow(agent_id, datetime.fromisoformat(registered_at), *shown))

        return self._database.follow(_TOPIC, take, elsewhere.lost)

    def add_at_once(self, record: Record) -> bool:
        """Store a decision by its journal, before the database has it."""
        if self._behind is None or not self._behind.put(row_of(record)):
            return False
        self._unwritten[record.decision.task_id] = record
        return True

    async def add(self, record: Record, *, limit: int | None) -> Record | Refusal | None:
        """Store a decision. Where its task has one already, change nothing and return that one.

        With a `limit`, nothing is stored either when so many leases of the agent are open, here or at other instances.
        """
        row, agent_id = row_of(record), record.decision.selected_agent

        def work(connection: Connection) -> Record | Refusal | None:
            if limit is not None and _open_leases(connection, record) >= limit:
                return _found(connection, row["task_id"]) or Refusal.FULL
            if not _insert(connection, (row,)):
                return _found(connection, row["task_id"])
            announce(connection, _TOPIC, _opened(record))
            return None

        return await self._database.write(work, lock=agent_id)

    async def forget(self, decision_id: str) -> None:
        """Take back a decision that nobody was told of."""
        forgetting = (
            delete(decisions).where(decisions.c.decision_id == decision_id).returning(decisions.c.task_id)
        )

        def work(connection: Connection) -> None:
            for task_id in connection.execute(forgetting).scalars():
                announce(connection, _TOPIC, ("closed", task_id))

        await self._database.write(work)

    async def find(self, task_id: str) -> Record | None:
        """The decision for a task, or None."""
        if (unwritten := self._unwritten.get(task_id)) is not None:
            return unwritten
        return await self._database.read(lambda connection: _found(connection, task_id))

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
        """Store an outcome and, unless `discount` is None, count it for its arm; nothing where there is one already.

        All in one transaction; `then` is called after the commit, also when the caller has gone.
        """
        task_id = record.decision.task_id
        closing = update(decisions).where(decisions.c.task_id == task_id, decisions.c.outcome_at.is_(None))
        values = {"outcome": outcome.model_dump(mode="json"), "outcome_at": at, "late": late}
        unwritten = self._unwritten.get(task_id)

        def work(connection: Connection) -> Conclusion:
            if unwritten is not None:  # its own write comes before this one, and may have failed
                _insert(connection, (row_of(unwritten),))
            if not connection.execute(closing.values(values)).rowcount:
                return Conclusion(_found(connection, task_id) or record, counted=False, arm=None)
            arm = None if discount is None else _count(connection, record, outcome, at, discount)
            announce(connection, _TOPIC, ("closed", task_id))
            concluded = replace(record, outcome=outcome, outcome_at=at, late=late)
            return Conclusion(concluded, counted=True, arm=arm)

        def committed(conclusion: Conclusion) -> None:
            """The database has the decision, and with its outcome."""
            self._unwritten.pop(task_id, None)
            then(conclusion)

        return await self._database.write(work, then=committed, lock=record.decision.selected_agent)

    async def open_leases(self, now: datetime) -> Sequence[Record]:
        """Decisions without an outcome whose leases have not ended."""
        wanted = select(decisions).where(decisions.c.lease_expires_at > now, decisions.c.outcome_at.is_(None))

        def work(connection: Connection) -> list[Record]:
            return [record_of(row) for row in connection.execute(wanted).mappings()]

        return await self._database.read(work)

    async def decision(self, decision_id: str) -> Record | None:
        """The decision of this id, or None."""
        for unwritten in self._unwritten.values():
            if unwritten.decision.decision_id == decision_id:
                return unwritten
        wanted = select(decisions).where(decisions.c.decision_id == decision_id)

        def work(connection: Connection) -> Record | None:
            row = connection.execute(wanted).mappings().first()
            return None if row is None else record_of(row)

        return await self._database.read(work)

    async def arms(self) -> Sequence[ArmRow]:
        """All that was learned of whatever registration."""
        return await self._database.read(lambda c: [ArmRow(*tuple(row)) for row in c.execute(_ARMS)])

    def _written(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._unwritten.pop(row["task_id"], None)


def _insert(connection: Connection, rows: Sequence[Row]) -> int:
    return insert_new(connection, decisions, rows) if rows else 0


def _found(connection: Connection, task_id: str) -> Record | None:
    row = connection.execute(select(decisions).where(decisions.c.task_id == task_id)).mappings().first()
    return None if row is None else record_of(row)


def _opened(record: Record) -> tuple[str, ...]:
    agent_id, registered_at = record.registration
    ends_at = record.lease_expires_at
    return ("opened", record.decision.task_id, agent_id, registered_at.isoformat(), ends_at.isoformat())


def _open_leases(connection: Connection, record: Record) -> int:
    agent_id, registered_at = record.registration
    asked = {"agent_id": agent_id, "registered_at": registered_at, "now": record.decision.decided_at}
    return connection.execute(_OPEN_LEASES, asked).scalar_one()


def _count(connection: Connection, record: Record, outcome: Outcome, at: datetime, discount: float) -> ArmRow:
    agent_id, registered_at = record.registration
    kind = {"agent_id": agent_id, "task_type": record.task.task_type}
    key = {**kind, "agent_registered_at": registered_at}
    if add_row(connection, arms, {**key, **_EMPTY, "updated_at": at}):
        earlier = arms.c.agent_registered_at < registered_at
        connection.execute(delete(arms).where(arms.c.agent_id == agent_id, earlier))
    learned = {
        "pulls": arms.c.pulls + 1,
        "successes": arms.c.successes + int(outcome.success),
        "quality_sum": arms.c.quality_sum + outcome.quality_score,
        "latency_sum_ms": arms.c.latency_sum_ms + outcome.latency_ms,
        "weight": arms.c.weight * discount + 1,
        "reward": arms.c.reward * discount + int(outcome.success),
        "latency_ms": arms.c.latency_ms * discount + outcome.latency_ms,
        "cost": arms.c.cost * discount + (outcome.cost or 0.0),
        "costed": arms.c.costed * discount + int(outcome.cost is not None),
        "updated_at": at,
    }
    connection.execute(update(arms).filter_by(**key).values(learned))
    arm = ArmRow(*tuple(connection.execute(_ARMS.filter_by(**key)).one()))
    announce(connection, _TOPIC, ("learned", *astuple(arm)))
    return arm
