"""Events in the database. With the other `store_*` the only file of this room that knows SQLAlchemy."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import Connection, bindparam, delete, select
from sqlalchemy.exc import IntegrityError

from arbiter.orchestrator.performance import store_totals as totals
from arbiter.orchestrator.performance.chain import Head, Link, Place, link
from arbiter.orchestrator.performance.contents import Completion, Others, Stored
from arbiter.orchestrator.performance.models import ChainReport, EventType, PerformanceEvent, Summary
from arbiter.orchestrator.performance.store_chain import event_of, verified
from arbiter.orchestrator.performance.store_order import hold, settled
from arbiter.orchestrator.performance.sums import totals_of
from arbiter.orchestrator.performance.windows import Execution
from arbiter.orchestrator.storage.bulk import insert_rows
from arbiter.orchestrator.storage.database import Database
from arbiter.orchestrator.storage.schema import events, microseconds

__all__ = ["EventStore"]

_CHUNK: Final = 5000
"""Rows that one job deletes, so that others get their turn between."""

_NAMES: Final = {kind: kind.value for kind in EventType}
"""What is exactly text goes straight through SQLite's driver, which asks everything else whether it can adapt itself."""

_COLUMNS = tuple(column.name for column in events.columns if column.name != "position")
_KNOWN = select(events.c.id).where(events.c.id.in_(bindparam("ids", expanding=True)))
_HEAD = (
    select(events.c.sequence, events.c.integrity_hash)
    .where(events.c.chain == bindparam("chain"))
    .order_by(events.c.sequence.desc())
    .limit(1)
)
_COMPLETIONS = (
    select(events)
    .where(
        events.c.type == EventType.TASK_EXECUTION_COMPLETE,
        events.c.position > bindparam("after"),
        events.c.position <= bindparam("until"),
    )
    .order_by(events.c.position)
    .limit(bindparam("limit"))
)
_OTHERS = (
    select(
        events.c.position,
        events.c.agent_id,
        events.c.recorded_at,
        events.c.success,
        events.c.quality_score,
        events.c.latency_ms,
        events.c.cost,
    )
    .where(
        events.c.position > bindparam("after"),
        events.c.position <= bindparam("until"),
        events.c.type == EventType.TASK_EXECUTION_COMPLETE,
        events.c.chain != bindparam("chain"),
        events.c.agent_id.is_not(None),
    )
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
        self._appending = 0

    @property
    def identity(self) -> str:
        """That of the database."""
        return self._database.identity

    async def append(self, batch: Sequence[PerformanceEvent], at: datetime) -> Stored:
        """Store the events whose ids are new, all or none; says which were. In the order of the calls."""
        known = self._head if self._is_certain and not self._appending else None

        def work(connection: Connection) -> tuple[Stored, Head]:
            hold(connection)
            before = known or self._stored_head(connection)
            candidates = {event.id: event for event in reversed(batch)}  # the first of an id wins
            fresh = dict(reversed(candidates.items()))
            try:
                with connection.begin_nested():
                    head = _insert(connection, fresh, before, at)
            except IntegrityError:  # seldom: some are stored already, so look which
                for stored in connection.execute(_KNOWN, {"ids": list(fresh)}).scalars():
                    del fresh[stored]
                head = _insert(connection, fresh, before, at)
            added = totals_of(fresh.values())
            totals.add(connection, added)
            return Stored(frozenset(fresh), added), head

        def then(stored: tuple[Stored, Head]) -> None:
            self._head, self._is_certain = stored[1], True

        self._appending += 1
        try:
            stored, _ = await self._database.write(work, then=then)
        except BaseException:
            self._is_certain = False  # nobody knows whether the commit came through
            raise
        finally:
            self._appending -= 1
        return stored

    async def summarize(self, agent_id: str | None) -> Summary:
        """What one agent's events, or all events, add up to: read off the totals."""
        return await self._database.read(lambda connection: totals.summary(connection, agent_id))

    async def completions(self, after: int, limit: int) -> Sequence[Completion]:
        """Up to `limit` completed executions behind the position `after`, in their order."""
        until = await self._database.read(settled)

        def work(connection: Connection) -> Sequence[Completion]:
            rows = connection.execute(_COMPLETIONS, {"after": after, "until": until, "limit": limit})
            return [Completion(row.position, event_of(row)) for row in rows]

        return await self._database.read(work)

    async def position_at(self, moment: datetime, most: int) -> int:
        """The position behind which at most `most` events lie, all stored at `moment` or later."""
        last = await self._database.read(settled)
        first = select(events.c.position).where(events.c.recorded_at >= moment, events.c.position <= last)

        def work(connection: Connection) -> int:
            oldest = connection.execute(first.order_by(events.c.recorded_at).limit(1)).scalar()
            return last if oldest is None else max(oldest - 1, last - most)

        return await self._database.read(work)

    async def others_after(self, position: int, limit: int) -> Others:
        """Completed executions of others behind `position`, up to `limit`, in their order."""
        last = await self._database.read(settled)

        def work(connection: Connection) -> Others:
            found = connection.execute(
                _OTHERS, {"after": position, "until": last, "chain": self._head.chain, "limit": limit}
            ).all()
            until = found[-1].position if len(found) == limit else max(last, position)
            return Others(until, [_execution(row) for row in found])

        return await self._database.read(work)

    async def delete_recorded_before(self, moment: datetime) -> int:
        """Delete the events that were stored before `moment`, in portions; returns how many."""
        portion = select(events.c.position).where(events.c.recorded_at < moment).limit(_CHUNK)
        statement = delete(events).where(events.c.position.in_(portion)).returning(*totals.SUMMED)

        def work(connection: Connection) -> int:
            gone = connection.execute(statement).all()
            totals.take_off(connection, gone)
            return len(gone)

        deleted = 0
        while (count := await self._database.write(work)) > 0:
            deleted += count
        return deleted

    async def verify(self, after: Place | None, limit: int) -> tuple[ChainReport, Place | None]:
        """Look at the hashes of up to `limit` events behind `after`, chain by chain."""
        return await self._database.read(lambda connection: verified(connection, after, limit))

    async def ping(self) -> None:
        """Raise when the database does not answer."""
        await self._database.check()

    def _stored_head(self, connection: Connection) -> Head:
        row = connection.execute(_HEAD, {"chain": self._head.chain}).first()
        return self._head if row is None else Head(self._head.chain, row.sequence, row.integrity_hash)


def _insert(connection: Connection, fresh: dict[str, PerformanceEvent], before: Head, at: datetime) -> Head:
    links, at_us = list(link(before, fresh.values())), microseconds(at)
    insert_rows(connection, events, _COLUMNS, [_row(one, at_us) for one in links])
    return links[-1].head if links else before


def _row(one: Link, at: int) -> tuple[Any, ...]:
    event = one.event
    return (
        event.id,
        _NAMES.get(event.type),
        microseconds(event.timestamp),
        event.agent_id,
        event.task_id,
        event.task_type,
        event.success,
        event.quality_score,
        event.latency_ms,
        event.cost,
        event.tokens_used,
        orjson.dumps(event.metadata).decode(),
        at,
        one.chain,
        one.sequence,
        one.previous_hash,
        one.integrity_hash,
    )


def _execution(row: Any) -> Execution:
    at_s = row.recorded_at.timestamp()
    return Execution(row.agent_id, at_s, row.success, row.quality_score, row.latency_ms, row.cost)
