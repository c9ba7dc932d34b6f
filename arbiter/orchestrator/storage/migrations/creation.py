"""The newest schema in a database that has none: made at once, as all the steps one after the other would leave it.

A new database has nothing that a step would have to change, and alembic, which takes the steps, is a tenth of a start.
A test holds what stands here, and `schema.py`, to what the steps make of both databases.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Connection, MetaData, PrimaryKeyConstraint, String, Table

from arbiter.orchestrator.storage import schema

__all__ = ["create"]

# alembic's own table, as alembic makes it.
_VERSION: Final = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


def create(connection: Connection, revision: str) -> None:
    """Make every table, and say that the schema is of `revision`."""
    _add_what_is_its_own(connection.dialect.name)
    schema.metadata.create_all(connection, checkfirst=False)
    _VERSION.create(connection, checkfirst=False)
    connection.execute(_VERSION.insert().values(version_num=revision))


def _add_what_is_its_own(dialect: str) -> None:
    """Tell the tables what only this database has; said of every database, it would import the dialects of all."""
    schema.decisions_open.kwargs[f"{dialect}_where"] = schema.decisions.c.outcome_at.is_(None)
    if dialect == "sqlite":
        schema.event_latencies.kwargs["sqlite_with_rowid"] = False
