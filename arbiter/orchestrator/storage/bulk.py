"""Many rows in few statements, by one code for SQLite and PostgreSQL.

SQLAlchemy's own executemany converts value by value, which costs more than the database's work does. What stands here
takes rows in the driver's own values: whole microseconds for a `Moment`, text for JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Dialect, Table

__all__ = ["add_up", "insert_new", "insert_rows"]

_STATED = {"preserve_rowcount": True}
"""Without it SQLAlchemy forgets the row count of an INSERT on PostgreSQL, and says -1."""


def insert_rows(
    connection: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Insert `rows`, each the values of `columns` as the driver takes them; raises IntegrityError as usual."""
    connection.exec_driver_sql(_inserting(table, columns, connection.dialect), list(rows))


def insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert those of `rows` that no unique constraint has already; all name the same columns.

    Returns:
        How many were inserted.
    """
    columns = tuple(rows[0])
    text = f"{_inserting(table, columns, connection.dialect)} ON CONFLICT DO NOTHING"
    values = [tuple([row[name] for name in columns]) for row in rows]
    return connection.exec_driver_sql(text, values, execution_options=_STATED).rowcount


def add_up(
    connection: Connection,
    table: Table,
    rows: Sequence[tuple[Any, ...]],
    *,
    least: tuple[str, ...] = (),
    greatest: tuple[str, ...] = (),
) -> None:
    """Add each row's numbers to the row of the same primary key, or insert it where there is none.

    Args:
        connection: in the transaction that writes.
        table: of which every column but the key is a number.
        rows: the values of all columns, in the table's order and as the driver takes them; one row for each key at
            the most, in an order that every caller keeps, so that none waits in a circle.
        least: columns that keep the smaller value instead of the sum.
        greatest: columns that keep the larger one.
    """
    if rows:
        connection.exec_driver_sql(_adding(table, least, greatest, connection.dialect), list(rows))


@lru_cache
def _inserting(table: Table, columns: tuple[str, ...], dialect: Dialect) -> str:
    quote = dialect.identifier_preparer.quote
    mark = "?" if dialect.paramstyle == "qmark" else "%s"
    names, marks = ", ".join(map(quote, columns)), ", ".join([mark] * len(columns))
    return f"INSERT INTO {quote(table.name)} ({names}) VALUES ({marks})"  # noqa: S608  names of our own schema


@lru_cache
def _adding(table: Table, least: tuple[str, ...], greatest: tuple[str, ...], dialect: Dialect) -> str:
    quote = dialect.identifier_preparer.quote
    keys = [column.name for column in table.primary_key]

    def joined(name: str) -> str:
        old, new = f"{quote(table.name)}.{quote(name)}", f"excluded.{quote(name)}"
        if name in least or name in greatest:
            sign = "<" if name in least else ">"
            return f"{quote(name)} = CASE WHEN {new} {sign} {old} THEN {new} ELSE {old} END"
        return f"{quote(name)} = {old} + {new}"

    sums = ", ".join(joined(column.name) for column in table.columns if column.name not in keys)
    inserting = _inserting(table, tuple(column.name for column in table.columns), dialect)
    return f"{inserting} ON CONFLICT ({', '.join(map(quote, keys))}) DO UPDATE SET {sums}"
