"""Statements that SQLite and PostgreSQL both have, and SQLAlchemy spells by database."""

from __future__ import annotations

from functools import cache

from sqlalchemy import Connection, Executable, Table
from sqlalchemy.dialects import postgresql, sqlite

__all__ = ["insert_or_ignore"]


def insert_or_ignore(connection: Connection, table: Table) -> Executable:
    """`INSERT ... ON CONFLICT DO NOTHING` into `table`, for one row.

    The result's `rowcount` is 0 when a unique constraint has such a row already, and 1 otherwise.
    """
    return _insert(table, connection.dialect.name)


@cache
def _insert(table: Table, dialect: str) -> Executable:
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    # Without the option SQLAlchemy forgets the row count of an INSERT on PostgreSQL, and says -1.
    return insert(table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
