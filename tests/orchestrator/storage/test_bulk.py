"""Many rows in few statements: whatever their number, each arrives once, on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from arbiter.orchestrator.storage.bulk import MOST_ROWS, add_up, insert_rows
from arbiter.orchestrator.storage.database import Database
from arbiter.orchestrator.storage.schema import event_latencies

COLUMNS = ("agent_id", "bucket", "count")
NUMBERS = [0, 1, 7, MOST_ROWS - 1, MOST_ROWS, 2 * MOST_ROWS + 65]


def rows(number: int) -> list[tuple[str, int, int]]:
    """As many rows, each of another key and value."""
    return [(f"agent-{one % 7}", one, 1000 + one) for one in range(number)]


async def stored(database: Database) -> list[tuple[str, int, int]]:
    """What the table holds, in the order of its buckets."""
    statement = select(*(event_latencies.c[name] for name in COLUMNS)).order_by(event_latencies.c.bucket)
    return await database.read(lambda connection: [tuple(row) for row in connection.execute(statement)])


@pytest.mark.parametrize("number", NUMBERS)
async def test_rows_of_any_number_arrive_each_once(any_database: Database, number: int) -> None:
    """None is left out or mixed up, be they fewer, as many, or more than go into one statement."""
    await any_database.write(
        lambda connection: insert_rows(connection, event_latencies, COLUMNS, rows(number))
    )

    assert await stored(any_database) == rows(number)


@pytest.mark.parametrize("number", NUMBERS)
async def test_numbers_of_any_number_of_rows_add_up(any_database: Database, number: int) -> None:
    """A key that is there is added to, a new one inserted, in the same statement."""
    await any_database.write(lambda connection: add_up(connection, event_latencies, rows(number)))

    await any_database.write(lambda connection: add_up(connection, event_latencies, rows(number + 3)))

    doubled = [(agent_id, bucket, 2 * count) for agent_id, bucket, count in rows(number)]
    assert await stored(any_database) == doubled + rows(number + 3)[number:]


async def test_a_row_that_is_there_refuses_all(any_database: Database) -> None:
    """A unique constraint is an IntegrityError, which whoever inserts may take back and try in another way."""

    def work(connection: Connection) -> None:
        insert_rows(connection, event_latencies, COLUMNS, rows(3))
        with pytest.raises(IntegrityError), connection.begin_nested():
            insert_rows(connection, event_latencies, COLUMNS, rows(MOST_ROWS + 9))

    await any_database.write(work)

    assert await stored(any_database) == rows(3)
