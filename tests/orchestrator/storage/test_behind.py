"""Writing behind: acknowledged at once, committed soon, whatever the database does in between."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, text

from arbiter.orchestrator.storage.behind import WriteBehind
from arbiter.orchestrator.storage.bulk import insert_new
from arbiter.orchestrator.storage.database import Database
from arbiter.orchestrator.storage.journal import Journal, Row
from arbiter.orchestrator.storage.schema import arms
from tests.waiting import until


class Table:
    """The arms as the table that is written behind; `is_away` makes each write fail."""

    def __init__(self) -> None:
        self.is_away = False
        self.attempts = 0
        self.written: list[str] = []

    def insert(self, connection: Connection, rows: Sequence[Row]) -> int:
        """Insert what is not there."""
        self.attempts += 1
        if self.is_away:
            connection.execute(text("SELECT * FROM nowhere"))
        return insert_new(connection, arms, rows)

    def told(self, rows: Sequence[Row]) -> None:
        """Remember what was committed."""
        self.written += [row["agent_id"] for row in rows]

    def behind(self, database: Database, path: Path) -> WriteBehind:
        """Writing behind with a journal in the file."""
        return WriteBehind(database, Journal(path), self.insert, self.told)


def row(name: str) -> Row:
    """One row by the name of its agent."""
    zero = {"pulls": 0, "successes": 0, "quality_sum": 0.0, "latency_sum_ms": 0.0, "updated_at": 0}
    return {"agent_id": name, "task_type": "t", "agent_registered_at": 0, **zero}


async def names(database: Database) -> list[str]:
    """Names in the database."""
    wanted = select(arms.c.agent_id).order_by(arms.c.agent_id)
    return await database.read(lambda connection: list(connection.execute(wanted).scalars()))


async def test_rows_are_committed_soon_and_together(database: Database, tmp_path: Path) -> None:
    """Rows that come close together share a write; whoever follows is told, and the journal is empty after it."""
    table = Table()
    behind = table.behind(database, tmp_path / "j")

    for name in "abc":
        assert behind.put(row(name))
    await until(lambda: table.written == ["a", "b", "c"])

    assert table.attempts == 1
    assert await names(database) == ["a", "b", "c"]
    await behind.close()
    assert (tmp_path / "j").stat().st_size == 0


async def test_a_database_that_is_away_is_tried_again(database: Database, tmp_path: Path) -> None:
    """Rows that cannot be written wait, those that come meanwhile with them, and all are written when it is back."""
    table = Table()
    behind = table.behind(database, tmp_path / "j")
    table.is_away = True
    behind.put(row("a"))
    await until(lambda: table.attempts > 0)
    behind.put(row("b"))

    table.is_away = False
    await until(lambda: sorted(table.written) == ["a", "b"])

    assert await names(database) == ["a", "b"]
    await behind.close()


async def test_what_could_not_be_written_waits_for_the_next_start(database: Database, tmp_path: Path) -> None:
    """Closed while the database is away, the rows stay in the journal; the next one recovers those that are missing."""
    table, path = Table(), tmp_path / "j"
    behind = table.behind(database, path)
    behind.put(row("a"))
    await until(lambda: table.written == ["a"])
    table.is_away = True
    behind.put(row("b"))
    behind.put(row("c"))
    await behind.close()

    table.is_away = False
    again = table.behind(database, path)

    assert await again.recover() == 2
    assert await names(database) == ["a", "b", "c"]
    assert await again.recover() == 0
    await again.close()


async def test_a_commit_that_comes_after_the_close_changes_nothing_more(
    database: Database, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A close that gave up on a hanging database leaves the journal to the next start, however late the commit is."""
    table, path, hanging = Table(), tmp_path / "j", threading.Event()
    behind = table.behind(database, path)
    blocked = database.begin_write(lambda _: hanging.wait(20))
    behind.put(row("a"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(behind.close(), 0.05)

    hanging.set()
    assert await blocked
    await until(lambda: table.written == ["a"])
    await database.write(lambda _: None)
    assert "failed" not in "".join(capfd.readouterr())

    again = table.behind(database, path)
    assert await again.recover() == 0
    assert await names(database) == ["a"]
    await again.close()


async def test_recovering_twice_adds_nothing(database: Database, tmp_path: Path) -> None:
    """Rows that were committed already when the process died are passed over."""
    table, path = Table(), tmp_path / "j"
    await database.write(lambda connection: insert_new(connection, arms, [row("a")]))
    journal = Journal(path)
    journal.append(row("a"))
    journal.append(row("b"))
    journal.close()

    behind = table.behind(database, path)

    assert await behind.recover() == 1
    assert await names(database) == ["a", "b"]
    await behind.close()


async def test_a_journal_stands_beside_its_file(database: Database, sqlite_url: str) -> None:
    """A SQLite database has journals of its own, each held by one; the file itself stays as it is."""
    file = Path(sqlite_url.removeprefix("sqlite:///"))

    journal = database.journal("x")

    assert journal is not None
    assert database.journal("x") is None
    assert file.with_name(f"{file.name}-x.journal").exists()
    journal.close()
    with sqlite3.connect(file) as other:
        assert other.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    other.close()
