"""Opening a database: the same Core code for SQLite in a file and for PostgreSQL, and words for what is in the way."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from arbiter.orchestrator.storage.errors import DatabaseUnusable
from arbiter.orchestrator.storage.migrations import SchemaTooNew, migrate

__all__ = ["Engines", "database_url", "open_engines"]

_BUSY_TIMEOUT_MS = 5000
_BUSY_RETRY_S = 0.005
_POSTGRES: Final = {
    "connect_timeout": 5,
    # An instance that hangs within a transaction must not make the others wait for ever.
    "options": "-c lock_timeout=5000 -c idle_in_transaction_session_timeout=30000",
}
_CACHE_KIB = 32 * 1024
"""Of each connection, taken as it fills; SQLite's own 2 MiB do not hold the indexes of a million events."""
_CHECKPOINT_PAGES = 8000
"""Of 4 KiB: a page that changes with every commit is brought into the main file once in many."""


@dataclass(frozen=True, slots=True)
class Engines:
    """One connection that writes, and a few that only read."""

    writing: Engine
    reading: Engine

    def close(self) -> None:
        """Bring everything into the main file (SQLite) and let go of all connections."""
        if self.writing.dialect.name == "sqlite":
            _checkpoint(self.writing)
        self.reading.dispose()
        self.writing.dispose()


def database_url(url: str, password: str) -> URL:
    """The URL that is meant, with `password` put in; raises DatabaseUnusable when it is none that works."""
    try:
        meant = make_url(url)
    except (ArgumentError, ValueError):
        raise DatabaseUnusable("URL", "it is no database URL", hint=_FORMS) from None
    if meant.get_backend_name() == "sqlite" and meant.database in {None, "", ":memory:"}:
        raise DatabaseUnusable(str(meant), "a database in memory forgets what was acknowledged", hint=_FORMS)
    return meant.set(password=password) if password else meant


def open_engines(url: URL, readers: int) -> Engines:
    """Connect, bring the schema up to date, and return both engines. Blocks; to be run on a thread.

    Raises:
        DatabaseUnusable: with the reason and the mend.
    """
    where = url.render_as_string(hide_password=True)
    try:
        _make_directory(url)
        engines = Engines(_writing(url), _reading(url, readers))
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise DatabaseUnusable(where, f"its driver is missing ({error})", hint=_DRIVER) from error
    except OSError as error:
        raise DatabaseUnusable(
            where, f"its directory cannot be made ({error.strerror})", hint=_PLACE
        ) from error
    try:
        migrate(engines.writing)
    except SchemaTooNew as error:
        engines.close()
        raise DatabaseUnusable(where, str(error), hint=_NEWER) from error
    except DBAPIError as error:
        _abandon(engines)
        reason = str(error.orig).strip().partition("\n")[0]
        raise DatabaseUnusable(where, reason, hint=_hint(url, reason)) from error
    return engines


_FORMS = "Write sqlite:///FILE or postgresql://USER:PASSWORD@HOST:PORT/NAME into storage.url."
_PLACE = "Choose a file in a directory that this user may write to, in storage.url."
_DRIVER = "Install the extra: pip install 'arbiter-framework[postgres]'."
_NEWER = "Start the newer program that wrote it, or restore a backup made before it ran."


def _hint(url: URL, reason: str) -> str:
    if url.get_backend_name() != "sqlite":
        return (
            "Look whether the server runs, and whether user, password and database in storage.url are right."
        )
    if "not a database" in reason or "malformed" in reason:
        return "The file is something else, or damaged: move it away, or name another one in storage.url."
    return _PLACE


def _make_directory(url: URL) -> None:
    if url.get_backend_name() == "sqlite" and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)


def _writing(url: URL) -> Engine:
    engine = _engine(url, size=1)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "begin", _begin_immediate)
    return engine


def _reading(url: URL, readers: int) -> Engine:
    engine = _engine(url, size=readers)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _query_only)
        event.listen(engine, "begin", _begin)
        return engine
    # All statements of a job see one moment, as they do on SQLite: a backup's sums are those of its outcomes.
    return engine.execution_options(postgresql_readonly=True, isolation_level="REPEATABLE READ")


def _engine(url: URL, size: int) -> Engine:
    sqlite = url.get_backend_name() == "sqlite"
    options: dict[str, Any] = {} if sqlite else {"connect_args": _POSTGRES}
    engine = create_engine(
        url,
        pool_size=size,
        max_overflow=0,
        pool_pre_ping=not sqlite,
        hide_parameters=True,
        json_serializer=_to_json,
        json_deserializer=orjson.loads,
        **options,
    )
    if sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _to_json(value: object) -> str:
    return orjson.dumps(value).decode()


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver would begin transactions by its own rules, late and not around reads; the begin events do instead.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
    _use_write_ahead_log(cursor)
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
    cursor.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
    cursor.close()


def _use_write_ahead_log(cursor: sqlite3.Cursor) -> None:
    # A file changes its journal once in its life. Where two programs do it at once SQLite refuses one of them without
    # regard to the busy timeout, so this waits in its stead.
    end = time.monotonic() + _BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(_BUSY_RETRY_S)
        else:
            return


def _query_only(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA query_only=ON")


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _checkpoint(engine: Engine) -> None:
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()


def _abandon(engines: Engines) -> None:
    engines.reading.dispose()
    engines.writing.dispose()
