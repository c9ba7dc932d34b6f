"""Statements that both databases have do the same in both."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection

from arbiter.orchestrator.storage.database import Database
from arbiter.orchestrator.storage.schema import arms
from arbiter.orchestrator.storage.statements import insert_or_ignore

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROW = {
    "agent_id": "a", "agent_registered_at": NOW, "task_type": "t", "updated_at": NOW,
    "pulls": 1, "successes": 1, "quality_sum": 0.5, "latency_sum_ms": 1.0,
}  # fmt: skip


async def test_a_row_that_is_there_is_passed_over_and_told(any_database: Database) -> None:
    """The row count is 1 for a new row and 0 for one that a unique constraint has already."""

    def insert_twice(connection: Connection) -> list[int]:
        return [connection.execute(insert_or_ignore(connection, arms), ROW).rowcount for _ in range(2)]

    assert await any_database.write(insert_twice) == [1, 0]
