"""Events in the database. The only file of this room that knows SQLAlchemy."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, bindparam, case, delete, func, insert, or_, select, true
from sqlalchemy.sql.elements import ColumnElement

from arbiter.orchestrator.performance.chain import Head, Link, first_break, link
from arbiter.orchestrator.performance.contents import Completion
from arbiter.orchestrator.performance.models import ChainReport, EventType, PerformanceEvent, Summary
from arbiter.orchestrator.storage.database import Database
from arbiter.orchestrator.storage.schema import events

__all__ = ["EventStore"]

_CHUNK: Final = 5000
"""Rows that one job deletes or verifies, so that others get their turn between."""

_FIELDS = tuple(PerformanceEvent.model_fields)
_KNOWN = select(events.c.id).where(events.c.id.in_(bindparam("ids", expanding=True)))
_HEAD = (
    select(events.c.sequence, events.c.integrity_hash)
    .where(events.c.chain == bindparam("chain"))
    .order_by(events.c.sequence.desc())
    .limit(1)
)
_COMPLETIONS = (
    select(events)
    .where(events.c.type == EventType.TASK_EXECUTION_COMPLETE, events.c.position > bindparam("after"))
    .order_by(events.c.position)
    .limit(bindparam("limit"))
)


class EventStore:
    """Keeps events in `database`, each linked to the one before it in a chain of this object's own.

    What each method does is said in `contents.Store`; all raise StorageError and StorageUnavailable.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._head = Head(uuid.uuid4().hex)
        self._is_certain = True

    async def append(self, batch: Sequence[PerformanceEvent], at: datetime) -> frozenset[str]:
        """Store the events whose ids are new, all or none; returns their ids. Never called twice at once."""
        is_certain = self._is_certain

        def work(connection: Connection) -> tuple[frozenset[str], Head]:
            fresh = _unknown(connection, batch)
            before = self._head if is_certain else self._stored_head(connection)
            links, head = link(before, fresh.values())
            if links:
                connection.execute(insert(events), [_row(one, at) for one in links])
            return frozenset(fresh), head

        def then(stored: tuple[frozenset[str], Head]) -> None:
            self._head, self._is_certain = stored[1], True

        self._is_certain = False  # until `then` says so, nobody knows whether the commit came through
        stored, _ = await self._database.write(work, then=then)
        return stored

    async def summarize(self, agent_id: str | None) -> Summary:
        """What one agent's events, or all events, add up to: computed by the database."""
        return await self._database.read(lambda connection: _summary(connection, agent_id))

    async def completions(self, after: int, limit: int) -> Sequence[Completion]:
        """Up to `limit` completed executions behind the position `after`, in their order."""

        def work(connection: Connection) -> Sequence[Completion]:
            rows = connection.execute(_COMPLETIONS, {"after": after, "limit": limit})
            return [Completion(row.position, _event(row)) for row in rows]

        return await self._database.read(work)

    async def delete_recorded_before(self, moment: datetime) -> int:
        """Delete the events that were stored before `moment`, in portions; returns how many."""
        portion = select(events.c.position).where(events.c.recorded_at < moment).limit(_CHUNK)
        statement = delete(events).where(events.c.position.in_(portion))
        deleted = 0
        while (
            count := await self._database.write(lambda connection: connection.execute(statement).rowcount)
        ) > 0:
            deleted += count
        return deleted

    async def verify(self) -> ChainReport:
        """Look at every event's hash, chain by chain."""
        seen, chains, before = 0, 0, None
        while links := await self._links_after(before):
            broken = first_break(links, before)
            if broken is not None:
                return ChainReport(events=seen, chains=chains, broken_at=broken.event.id)
            seen += len(links)
            chains += len({one.chain for one in links} - {before.chain if before else ""})
            before = links[-1]
        return ChainReport(events=seen, chains=chains)

    async def ping(self) -> None:
        """Raise when the database does not answer."""
        await self._database.check()

    async def _links_after(self, before: Link | None) -> Sequence[Link]:
        statement = select(events).order_by(events.c.chain, events.c.sequence).limit(_CHUNK)
        if before is not None:
            same_chain = and_(events.c.chain == before.chain, events.c.sequence > before.sequence)
            statement = statement.where(or_(events.c.chain > before.chain, same_chain))
        return await self._database.read(
            lambda connection: [_link(row) for row in connection.execute(statement)]
        )

    def _stored_head(self, connection: Connection) -> Head:
        row = connection.execute(_HEAD, {"chain": self._head.chain}).first()
        return self._head if row is None else Head(self._head.chain, row.sequence, row.integrity_hash)


def _unknown(connection: Connection, candidates: Iterable[PerformanceEvent]) -> dict[str, PerformanceEvent]:
    by_id: dict[str, PerformanceEvent] = {}
    for event in candidates:
        by_id.setdefault(event.id, event)
    for known in connection.execute(_KNOWN, {"ids": list(by_id)}).scalars():
        del by_id[known]
    return by_id


def _summary(connection: Connection, agent_id: str | None) -> Summary:
    whose: ColumnElement[bool] = true() if agent_id is None else events.c.agent_id == agent_id
    rows = {row.type: row for row in connection.execute(_BY_TYPE.where(whose)).all()}
    done = rows.get(EventType.TASK_EXECUTION_COMPLETE)
    return Summary(
        events=sum(row.events for row in rows.values()),
        by_type={kind: row.events for kind, row in sorted(rows.items())},
        completed=done.events if done else 0,
        succeeded=done.succeeded if done else 0,
        success_rate=done.succeeded / done.judged if done and done.judged else None,
        average_quality=done.quality if done else None,
        average_latency_ms=done.latency_ms if done else None,
        p95_latency_ms=_percentile(connection, whose, done.timed) if done and done.timed else None,
        total_cost=sum(row.cost or 0.0 for row in rows.values()),
        total_tokens=sum(int(row.tokens or 0) for row in rows.values()),
        first_at=min((row.first_at for row in rows.values()), default=None),
        last_at=max((row.last_at for row in rows.values()), default=None),
    )


def _percentile(connection: Connection, whose: ColumnElement[bool], count: int) -> float | None:
    rank = math.ceil(0.95 * count)  # nearest rank
    latencies = select(events.c.latency_ms).where(
        whose, events.c.type == EventType.TASK_EXECUTION_COMPLETE, events.c.latency_ms.is_not(None)
    )
    return connection.execute(latencies.order_by(events.c.latency_ms).offset(rank - 1).limit(1)).scalar()


_BY_TYPE = select(
    events.c.type,
    func.count().label("events"),
    func.count(events.c.success).label("judged"),
    func.count(case((events.c.success.is_(True), 1))).label("succeeded"),
    func.avg(events.c.quality_score).label("quality"),
    func.avg(events.c.latency_ms).label("latency_ms"),
    func.count(events.c.latency_ms).label("timed"),
    func.sum(events.c.cost).label("cost"),
    func.sum(events.c.tokens_used).label("tokens"),
    func.min(events.c.timestamp).label("first_at"),
    func.max(events.c.timestamp).label("last_at"),
).group_by(events.c.type)


def _row(one: Link, at: datetime) -> dict[str, Any]:
    return {
        **one.event.model_dump(),
        "recorded_at": at,
        "chain": one.chain,
        "sequence": one.sequence,
        "previous_hash": one.previous_hash,
        "integrity_hash": one.integrity_hash,
    }


def _event(row: Row[Any]) -> PerformanceEvent:
    return PerformanceEvent(**{name: getattr(row, name) for name in _FIELDS})


def _link(row: Row[Any]) -> Link:
    return Link(_event(row), row.chain, row.sequence, row.previous_hash, row.integrity_hash)
