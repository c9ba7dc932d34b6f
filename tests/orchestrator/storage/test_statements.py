"""Statements that both databases have do the same in both."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection

from arbiter.orchestrator.storage.bulk import insert_new
from arbiter.orchestrator.storage.database import Database
from arbiter.orchestrator.storage.schema import arms
from arbiter.orchestrator.storage.statements import add_row

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROW = {
    "agent_id": "a", "agent_registered_at": NOW, "task_type": "t", "updated_at": NOW,
    "pulls": 1, "successes": 1, "quality_sum": 0.5, "latency_sum_ms": 1.0,
}  # fmt: skip


async def test_a_row_that_is_there_is_passed_over_and_told(any_database: Database) -> None:
    """A row is added once; what a unique constraint has already is left as it is."""

    def insert_twice(connection: Connection) -> list[bool]:
        return [add_row(connection, arms, ROW) for _ in range(2)]

    assert await any_database.write(insert_twice) == [True, False]


async def test_of_many_rows_the_new_ones_are_added_and_counted(any_database: Database) -> None:
    """Rows that are there already, or come twice, are passed over, and the rest is added."""
    zero = {
        "agent_registered_at": 0,
        "updated_at": 0,
        "pulls": 0,
        "successes": 0,
        "quality_sum": 0.0,
        "latency_sum_ms": 0.0,
    }
    rows = [{"agent_id": name, "task_type": "t", **zero} for name in "abcb"]

    def insert(connection: Connection) -> list[int]:
        return [insert_new(connection, arms, rows[:1]), insert_new(connection, arms, rows)]

    assert await any_database.write(insert) == [1, 2]
