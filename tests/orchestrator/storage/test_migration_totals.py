"""Revision 0002 sums up the events that a database of revision 0001 held."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection, delete, select, text

from arbiter.orchestrator.performance.store import EventStore
from arbiter.orchestrator.storage.database import Database
from arbiter.orchestrator.storage.migrations.versions import v0002_event_totals
from arbiter.orchestrator.storage.schema import event_latencies, event_totals
from tests.orchestrator.performance.kit import NOW, completion, decision


async def test_events_of_before_are_summed_up_as_those_of_after(any_database: Database) -> None:
    """The totals that the migration computes are those that storing the events would have left."""
    store = EventStore(any_database)
    await store.append(
        [completion(f"e{n}", agent_id=("a", None)[n % 2], latency_ms=n, cost=0.5) for n in range(9)]
        + [completion("bare", success=None, quality=None, latency_ms=None, agent_id="b"), decision("d")],
        NOW + timedelta(hours=1),
    )
    before = await any_database.read(_totals)

    def anew(connection: Connection) -> None:
        connection.execute(delete(event_totals))
        connection.execute(delete(event_latencies))
        connection.execute(text(v0002_event_totals.TOTALS))
        v0002_event_totals.count_latencies(connection)

    await any_database.write(anew)

    assert await any_database.read(_totals) == before
    assert len(before) == 4 + 18  # totals of a (2 kinds), b and nobody; 9 latencies, of each agent and of all


def _totals(connection: Connection) -> list[tuple[object, ...]]:
    return [
        tuple(row)
        for table in (event_totals, event_latencies)
        for row in connection.execute(select(table).order_by(*table.primary_key))
    ]
