"""Migrations: the schema's steps, and the decision whether one is due.

A step is a file in `versions/`, written by hand for both databases and never changed once it is released; its
revision is appended to `REVISIONS`. alembic takes a fifth of a second to import, so it is imported only when a step
is due; a new database takes none, it gets the newest schema at once (`creation.py`). What alembic runs on is one per
process (`context`, `op`), so that steps are taken one database at a time.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import Connection, Engine, column, inspect, select, table, text, update

from arbiter.orchestrator.storage.migrations.creation import create

__all__ = ["REVISIONS", "SchemaTooNew", "migrate", "present_revision", "rewrite_revision", "take_steps"]

log = structlog.get_logger(__name__)

REVISIONS: Final = ("0001", "0002", "0003")
"""All revisions, oldest first."""

_VERSION = table("alembic_version", column("version_num"))
_ADVISORY_LOCK = 4_147_171_717  # any fixed number that other programs on the same server will not pick


_alembic = threading.Lock()
"""Held while steps are taken, and never while a database is waited for: whoever has it gets to the end."""


class SchemaTooNew(Exception):
    """The database is of a revision that this program does not know."""

    def __init__(self, revision: str) -> None:
        super().__init__(
            f"its schema is of revision {revision}, and this program knows up to {REVISIONS[-1]}"
        )
        self.revision = revision


def present_revision(connection: Connection) -> str | None:
    """The database's revision; None when it was never used by this program."""
    if not inspect(connection).has_table(_VERSION.name):
        return None
    return connection.execute(select(_VERSION.c.version_num)).scalar()


def rewrite_revision(connection: Connection) -> None:
    """Write the revision over itself: a real write, durable once it is committed, that changes nothing."""
    connection.execute(update(_VERSION).values(version_num=_VERSION.c.version_num))


def migrate(engine: Engine) -> None:
    """Bring the schema to the newest revision, all in one transaction; do next to nothing when it is there already.

    Raises:
        SchemaTooNew: the revision is unknown to this program; nothing was changed.
    """
    with engine.connect() as connection:
        if not _is_due(present_revision(connection)):
            return
    with engine.begin() as connection:
        _await_other_processes(connection)
        before = present_revision(connection)
        if _is_due(before):
            if inspect(connection).has_table(_VERSION.name):
                take_steps(connection)
            else:
                create(connection, REVISIONS[-1])
            log.info("database schema brought up to date", before=before, now=REVISIONS[-1])


def _is_due(revision: str | None) -> bool:
    if revision is not None and revision not in REVISIONS:
        raise SchemaTooNew(revision)
    return revision != REVISIONS[-1]


def _await_other_processes(connection: Connection) -> None:
    """Let whoever migrates this database finish first; with SQLite the transaction's beginning has waited already."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _ADVISORY_LOCK})


def take_steps(connection: Connection, to: str = REVISIONS[-1]) -> None:
    """Take every step that is due up to the revision `to`, in the transaction that `connection` is in."""
    from alembic import command  # noqa: PLC0415  see the module's docstring
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    with _alembic:
        command.upgrade(config, to)
