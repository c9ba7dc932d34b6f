"""Databases for the tests of the components: SQLite in a file, and a real PostgreSQL where the machine has one."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from arbiter.orchestrator.storage.database import Database
from tests.servers import Postgresql, ServerMissing, postgresql

NewUrl = Callable[[], str]


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> NewUrl:
    """Makes URLs of databases that nobody has used, of each kind in turn."""
    if request.param == "sqlite":
        numbers = itertools.count()
        return lambda: f"sqlite:///{tmp_path}/{next(numbers)}.db"
    server: Postgresql = request.getfixturevalue("postgres_server")
    return server.new_database


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database with the present schema and nothing in it, made once and copied for each test."""
    path = tmp_path_factory.mktemp("migrated") / "empty.db"

    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgresql]:
    """A real PostgreSQL for the whole session; skips where there is none."""
    try:
        with postgresql() as server:
            yield server
    except ServerMissing as missing:
        (pytest.fail if os.environ.get("ARBITER_REQUIRE_SERVERS") else pytest.skip)(str(missing))


@pytest.fixture(scope="session")
def migrated_template(postgres_server: Postgresql) -> str:
    """The name of a PostgreSQL database with the present schema and nothing in it."""
    url = postgres_server.new_database()
    _migrate(url)
    return url.rpartition("/")[2]


@pytest.fixture(scope="session")
def reused_url(postgres_server: Postgresql, migrated_template: str) -> str:
    """The URL of a PostgreSQL database with the present schema, which one test after the other uses."""
    return postgres_server.new_database(migrated_template)


@pytest.fixture
def emptied_url(postgres_server: Postgresql, reused_url: str) -> str:
    """The URL of a PostgreSQL database with the present schema and nothing in it."""
    postgres_server.empty(reused_url)
    return reused_url


@pytest.fixture
def sqlite_url(tmp_path: Path, migrated_file: Path) -> str:
    """The URL of a SQLite database with the schema, of this test's own."""
    path = tmp_path / "data.db"
    shutil.copy(migrated_file, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def any_url(request: pytest.FixtureRequest) -> str:
    """The URL of a database with the schema, of each kind in turn."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    return str(request.getfixturevalue("emptied_url"))


@pytest_asyncio.fixture
async def database(sqlite_url: str) -> AsyncIterator[Database]:
    """A started SQLite database."""
    async for started in _started(sqlite_url):
        yield started


@pytest_asyncio.fixture
async def any_database(any_url: str) -> AsyncIterator[Database]:
    """A started database of each kind in turn."""
    async for started in _started(any_url):
        yield started


def _migrate(url: str) -> None:
    async def start_and_stop() -> None:
        database = Database(url)
        await database.start()
        await database.stop()

    asyncio.run(start_and_stop())


async def _started(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    await database.start()
    try:
        yield database
    finally:
        await database.stop()
