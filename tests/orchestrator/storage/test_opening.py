"""Opening a database: what is in the way is said in words, and migrations cost nothing when none is due."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from arbiter.errors import StartError
from arbiter.orchestrator.storage.database import Database
from arbiter.orchestrator.storage.errors import DatabaseUnusable
from arbiter.orchestrator.storage.migrations import REVISIONS, present_revision
from arbiter.orchestrator.storage.schema import metadata
from tests.orchestrator.databases import NewUrl

START_AND_STOP = """\
import asyncio, sys
from arbiter.orchestrator.storage.database import Database
async def main(database):
    await database.start()
    await database.stop()
asyncio.run(main(Database({url!r})))
"""
"""A program that opens a database and closes it."""


async def refusal(url: str) -> DatabaseUnusable:
    """Why the database at `url` cannot be opened."""
    database = Database(url)
    with pytest.raises(DatabaseUnusable) as caught:
        await database.start()
    assert isinstance(caught.value, StartError)
    assert caught.value.hint
    return caught.value


async def test_the_directory_is_made(tmp_path: Path) -> None:
    """A database in a directory that does not exist yet is opened there."""
    database = Database(f"sqlite:///{tmp_path}/a/b/data.db")

    await database.start()
    await database.stop()

    assert (tmp_path / "a" / "b" / "data.db").exists()


async def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file where the directory should be ends with the file's name and the mend."""
    (tmp_path / "file").write_text("x")

    error = await refusal(f"sqlite:///{tmp_path}/file/data.db")

    assert f"{tmp_path}/file/data.db" in str(error)
    assert "storage.url" in str(error)


async def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    """Something else's file is refused and not changed."""
    path = tmp_path / "notes.txt"
    path.write_text("notes, and no database at all" * 100)
    before = path.read_bytes()

    error = await refusal(f"sqlite:///{path}")

    assert "not a database" in str(error)
    assert path.read_bytes() == before


async def test_a_newer_schema_is_refused(sqlite_url: str) -> None:
    """A database that a newer program wrote is not touched by an older one."""
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as other:
        other.execute("UPDATE alembic_version SET version_num = '9999'")
    other.close()

    error = await refusal(sqlite_url)

    assert "9999" in error.reason
    assert "newer program" in error.hint


@pytest.mark.parametrize(
    "url", ["", "data.db", "sqlite://", "sqlite:///:memory:", "postgresql+psycopg://h:x/y"]
)
async def test_a_url_that_cannot_work_is_refused(url: str) -> None:
    """No URL, a bare path, or a database that forgets: the forms that work are named."""
    error = await refusal(url)

    assert "sqlite:///FILE" in error.hint


async def test_an_unreachable_server_is_named_without_its_password() -> None:
    """The message names the server, and no secret."""
    error = await refusal("postgresql+psycopg://someone:hush@127.0.0.1:1/nowhere")

    assert "127.0.0.1:1" in str(error)
    assert "hush" not in str(error)


async def test_an_unknown_driver_is_told_how_to_be_installed() -> None:
    """A database for which nothing is installed ends with the name of the extra."""
    error = await refusal("postgresql+nosuchdriver://h/x")

    assert "arbiter-framework[postgres]" in error.hint


async def test_the_database_is_what_the_schema_describes(any_database: Database) -> None:
    """The database and `schema.py` do not differ, as alembic sees them."""

    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    assert await any_database.read(differences) == []
    assert await any_database.read(present_revision) == REVISIONS[-1]


async def revisions(urls: list[str]) -> list[str | None]:
    """Start on all of `urls` at once, and tell which revision each has then."""
    databases = [Database(url) for url in urls]
    await asyncio.gather(*(database.start() for database in databases))
    found = [await database.read(present_revision) for database in databases]
    for database in databases:
        await database.stop()
    return found


async def test_two_may_start_on_one_new_database(new_url: NewUrl) -> None:
    """Both come up, and the schema is made once."""
    assert await revisions([new_url()] * 2) == [REVISIONS[-1]] * 2


async def test_one_process_may_start_on_many_new_databases_at_once(new_url: NewUrl) -> None:
    """Migrations of different databases do not get into each other's way."""
    assert await revisions([new_url() for _ in range(4)]) == [REVISIONS[-1]] * 4


def test_two_processes_may_start_on_one_new_database(new_url: NewUrl) -> None:
    """Each waits for the other's migration, and finds nothing left to do."""
    start = [sys.executable, "-c", START_AND_STOP.format(url=new_url())]

    processes = [subprocess.Popen(start, stderr=subprocess.PIPE) for _ in range(2)]

    for process in processes:
        _, said = process.communicate(timeout=30)
        assert process.returncode == 0, said.decode()


@pytest.mark.parametrize("new", [False, True])
def test_no_step_due_imports_no_alembic(sqlite_url: str, tmp_path: Path, new: bool) -> None:
    """A start on a database that is up to date, or new, leaves alembic out of the process."""
    program = START_AND_STOP.format(url=f"sqlite:///{tmp_path}/new.db" if new else sqlite_url)
    program += "print('alembic' in sys.modules, 'psycopg' in sys.modules)\n"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "False False"
