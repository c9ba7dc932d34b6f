"""The database: durable when awaited, in groups, one failing job alone."""

from __future__ import annotations

import asyncio
import contextvars
import sqlite3
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select, text

from arbiter.errors import Conflict, LifecycleStateError
from arbiter.orchestrator.storage.database import Database
from arbiter.orchestrator.storage.errors import StorageError, StorageUnavailable
from arbiter.orchestrator.storage.migrations import REVISIONS
from arbiter.orchestrator.storage.schema import arms
from arbiter.protocols import Status
from tests.waiting import until

NOW = datetime(2026, 1, 1, 12, 30, 0, 123456, tzinfo=UTC)


class Insert:
    """A job that adds one row, named by `agent_id`."""

    def __init__(self, agent_id: str) -> None:
        self._agent_id = agent_id

    def __call__(self, connection: Connection) -> str:
        numbers = {"pulls": 1, "successes": 1, "quality_sum": 0.5, "latency_sum_ms": 1.0}
        row = {"agent_id": self._agent_id, "agent_registered_at": NOW, "task_type": "t", "updated_at": NOW}
        connection.execute(insert(arms), row | numbers)
        return self._agent_id


def names(connection: Connection) -> list[str]:
    """A job that reads all rows' names."""
    return list(connection.execute(select(arms.c.agent_id).order_by(arms.c.agent_id)).scalars())


def counted(database: Database, name: str) -> float:
    """One of the database's numbers."""
    return next(one.value for one in database.measurements() if one.name == f"arbiter.database.{name}")


def refuse(_: Connection) -> None:
    """A job that says no."""
    raise Conflict("no")


async def test_an_awaited_write_is_on_disk(database: Database, sqlite_url: str) -> None:
    """Once `write` returns, another connection to the file sees the row."""
    await database.write(Insert("a"))

    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as other:
        found = other.execute("SELECT agent_id FROM arms").fetchall()
    other.close()
    assert found == [("a",)]


async def test_a_read_sees_every_awaited_write(any_database: Database) -> None:
    """A read that begins after a write returned has it in its view."""
    for number in range(20):
        await any_database.write(Insert(f"a{number:02}"))
        assert len(await any_database.read(names)) == number + 1


async def test_all_statements_of_a_read_see_one_moment(any_database: Database) -> None:
    """What is committed between two statements of a job is in neither, so that two tables agree."""
    await any_database.write(Insert("a"))
    between, committed = threading.Event(), threading.Event()

    def twice(connection: Connection) -> tuple[list[str], list[str]]:
        first = names(connection)
        between.set()
        assert committed.wait(10)
        return first, names(connection)

    reading = asyncio.create_task(any_database.read(twice))
    await asyncio.to_thread(between.wait, 10)
    await any_database.write(Insert("b"))
    committed.set()

    assert await reading == (["a"], ["a"])
    assert await any_database.read(names) == ["a", "b"]


async def test_moments_come_back_as_they_went(any_database: Database) -> None:
    """A stored moment keeps its microseconds and its zone."""
    await any_database.write(Insert("a"))

    found = await any_database.read(lambda connection: connection.execute(select(arms.c.updated_at)).scalar())

    assert found == NOW


async def test_concurrent_writes_share_commits(database: Database) -> None:
    """A thousand concurrent writes take far fewer commits."""
    await asyncio.gather(*(database.write(Insert(f"a{number}")) for number in range(1000)))

    assert counted(database, "writes") == 1000
    assert counted(database, "commits") < 200


async def test_a_failing_job_fails_alone(any_database: Database) -> None:
    """Jobs that share a transaction with failing ones are committed; only the failing ones are rolled back."""

    def insert_and_fail(connection: Connection) -> None:
        Insert("rolled back")(connection)
        connection.execute(text("INSERT INTO nowhere VALUES (1)"))

    jobs = [any_database.write(insert_and_fail if n % 10 == 0 else Insert(f"a{n:02}")) for n in range(50)]
    results = await asyncio.gather(*jobs, return_exceptions=True)

    failed = [result for result in results if isinstance(result, BaseException)]
    assert len(failed) == 5
    assert all(isinstance(error, StorageError) and error.__cause__ is not None for error in failed)
    assert await any_database.read(names) == [f"a{n:02}" for n in range(50) if n % 10]


async def test_an_error_of_the_domain_comes_through_unchanged(database: Database) -> None:
    """What a job raises itself is not the database's business to translate."""
    with pytest.raises(Conflict, match="no"):
        await database.write(refuse)
    with pytest.raises(Conflict, match="no"):
        await database.read(refuse)


async def test_an_error_of_the_driver_names_no_values(database: Database) -> None:
    """A failing statement's values, which may be secrets, are in no message."""
    await database.write(Insert("secret-name"))

    with pytest.raises(StorageError) as caught:
        await database.write(Insert("secret-name"))

    assert "secret-name" not in str(caught.value)


async def test_a_cancelled_waiter_does_not_take_its_write_back(database: Database) -> None:
    """The write is committed, and `then` called, though nobody waits any more."""
    gate, applied = threading.Event(), asyncio.Event()
    blocking = asyncio.create_task(database.write(lambda _: gate.wait(5)))
    waiter = asyncio.create_task(database.write(Insert("a"), then=lambda _: applied.set()))
    await asyncio.sleep(0)

    waiter.cancel()
    gate.set()

    await asyncio.wait_for(applied.wait(), 5)
    assert await blocking
    assert waiter.cancelled()
    assert await database.read(names) == ["a"]


async def test_then_is_called_in_the_order_of_commits_before_the_waiters(database: Database) -> None:
    """Memory that follows the database through `then` passes through the same states."""
    seen: list[str] = []

    async def write(name: str) -> None:
        await database.write(Insert(name), then=seen.append)
        assert name in seen

    await asyncio.gather(*(write(f"a{number}") for number in range(100)))

    assert seen == [f"a{number}" for number in range(100)]


async def test_then_is_not_called_for_a_failed_job(database: Database) -> None:
    """Memory does not follow what was rolled back."""
    seen: list[None] = []

    with pytest.raises(Conflict):
        await database.write(refuse, then=seen.append)

    assert seen == []


async def test_a_failing_then_reaches_the_waiter_and_nobody_else(database: Database) -> None:
    """The waiter learns that what should follow its commit failed; the next write goes on."""

    def fail(_: str) -> None:
        raise Conflict("memory")

    with pytest.raises(Conflict, match="memory"):
        await database.write(Insert("a"), then=fail)

    assert await database.write(Insert("b")) == "b"


async def test_jobs_run_in_the_context_of_their_caller(database: Database) -> None:
    """Context variables, and with them the current span, reach the threads."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")

    async def ask(value: str) -> tuple[str, str]:
        variable.set(value)
        return await database.write(lambda _: variable.get()), await database.read(lambda _: variable.get())

    answers = await asyncio.gather(*(asyncio.create_task(ask(f"v{number}")) for number in range(10)))

    assert answers == [(f"v{number}", f"v{number}") for number in range(10)]


async def test_a_reader_cannot_write(any_database: Database) -> None:
    """A job that was handed to `read` by mistake changes nothing."""
    with pytest.raises(StorageError):
        await any_database.read(Insert("a"))

    assert await any_database.read(names) == []


async def test_stop_finishes_what_is_queued(sqlite_url: str) -> None:
    """Writes that were queued before stop are committed and answered."""
    database = Database(sqlite_url)
    await database.start()
    writes = [asyncio.create_task(database.write(Insert(f"a{number}"))) for number in range(100)]
    await asyncio.sleep(0)

    await database.stop()

    assert len(await asyncio.gather(*writes)) == 100


async def test_a_stopped_database_refuses_and_starts_again(sqlite_url: str) -> None:
    """After stop nothing is taken; after another start everything is there."""
    database = Database(sqlite_url)
    with pytest.raises(StorageUnavailable, match="not open"):
        await database.write(Insert("early"))
    await database.start()
    await database.write(Insert("a"))
    await database.stop()
    await database.stop()

    with pytest.raises(StorageUnavailable, match="not open"):
        await database.read(names)
    await database.start()

    assert await database.read(names) == ["a"]
    with pytest.raises(LifecycleStateError):
        await database.start()
    await database.stop()


async def test_stop_leaves_one_file_and_no_thread(sqlite_url: str) -> None:
    """The write-ahead log is brought into the main file, and the threads end."""
    database = Database(sqlite_url)
    await database.start()
    await database.write(Insert("a"))

    await database.stop()

    directory = Path(sqlite_url.removeprefix("sqlite:///")).parent
    assert [path.name for path in directory.iterdir()] == ["data.db"]
    await until(lambda: not any(thread.name.startswith("arbiter-db") for thread in threading.enumerate()))


async def test_sqlite_is_set_for_durability(database: Database) -> None:
    """Write-ahead log, a flush for each commit, foreign keys, and patience with other processes."""

    def pragmas(connection: Connection) -> dict[str, object]:
        wanted = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return {name: connection.execute(text(f"PRAGMA {name}")).scalar() for name in wanted}

    found = await database.write(pragmas)

    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}


async def test_the_check_asks_the_database(any_database: Database) -> None:
    """A database that answers is healthy, and says which kind and schema it is."""
    result = await any_database.check()

    assert result.status is Status.PASS
    assert f"schema {REVISIONS[-1]}" in result.output


async def test_the_write_check_commits_and_changes_nothing(any_database: Database) -> None:
    """Whether the database can be written to is known from a real commit, after which the schema is what it was."""
    before = counted(any_database, "commits")

    result = await any_database.writable()

    assert result.status is Status.PASS
    assert counted(any_database, "commits") == before + 1
    assert (await any_database.migrated()).status is Status.PASS


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ("UPDATE alembic_version SET version_num = '9999'", Status.WARN),
        ("DELETE FROM alembic_version", Status.FAIL),
    ],
)
async def test_a_schema_that_was_changed_meanwhile_is_told(
    database: Database, change: str, status: Status
) -> None:
    """A newer program's schema is a warning, as during a rolling update; none at all is a failure."""
    await database.write(lambda connection: connection.execute(text(change)))

    assert (await database.migrated()).status is status
