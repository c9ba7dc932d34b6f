"""Many rows in few statements, by one code for SQLite and PostgreSQL.

SQLAlchemy's own executemany converts value by value, which costs more than the database's work does. What stands here
takes rows in the driver's own values: whole microseconds for a `Moment`, text for JSON.

PostgreSQL takes row after row in a pipeline. The driver of SQLite lets go of the interpreter's lock around each statement
and then waits to get it back, for as long as an event loop has anything to do: one row at a time, writer and loop only
ever work in turns. So there many rows go into one statement, during which the loop runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from itertools import chain
from typing import Any, Final

from sqlalchemy import Connection, Dialect, Table

__all__ = ["MOST_ROWS", "add_up", "insert_new", "insert_rows"]

MOST_ROWS: Final = 512
"""So many rows go into one statement of SQLite, whose limit is 32,766 values: 63 to a row."""

_STATED: Final = {"preserve_rowcount": True}
"""Without it SQLAlchemy forgets the row count of an INSERT on PostgreSQL, and says -1."""


def insert_rows(
    connection: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Insert `rows`, each the values of `columns` as the driver takes them; raises IntegrityError as usual."""
    _execute(connection, partial(_inserting, table, columns, connection.dialect), rows)


def insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert those of `rows` that no unique constraint has already; all name the same columns.

    Returns:
        How many were inserted.
    """
    columns = tuple(rows[0])
    values = [tuple([row[name] for name in columns]) for row in rows]
    return _execute(connection, partial(_inserting_new, table, columns, connection.dialect), values)


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
    _execute(connection, partial(_adding, table, least, greatest, connection.dialect), rows)


def _execute(connection: Connection, statement: Callable[[int], str], rows: Sequence[tuple[Any, ...]]) -> int:
    """Run `statement`, which is written for a number of rows, until all of `rows` are through; how many it changed."""
    if connection.dialect.name != "sqlite":
        return _run(connection, statement(1), list(rows)) if rows else 0
    begin = changed = 0
    while left := len(rows) - begin:
        # Powers of two, so that the driver keeps all of the statements: to parse one takes longer than to run it.
        count = min(MOST_ROWS, 1 << left.bit_length() - 1)
        values = tuple(chain.from_iterable(rows[begin : begin + count]))
        changed += _run(connection, statement(count), values)
        begin += count
    return changed


def _run(connection: Connection, statement: str, values: Any) -> int:
    return connection.exec_driver_sql(statement, values, execution_options=_STATED).rowcount


@lru_cache
def _inserting(table: Table, columns: tuple[str, ...], dialect: Dialect, rows: int = 1) -> str:
    quote = dialect.identifier_preparer.quote
    mark = "?" if dialect.paramstyle == "qmark" else "%s"
    names, marks = ", ".join(map(quote, columns)), ", ".join([mark] * len(columns))
    values = ", ".join([f"({marks})"] * rows)
    return f"INSERT INTO {quote(table.name)} ({names}) VALUES {values}"  # noqa: S608  names of our own schema


@lru_cache
def _inserting_new(table: Table, columns: tuple[str, ...], dialect: Dialect, rows: int = 1) -> str:
    return f"{_inserting(table, columns, dialect, rows)} ON CONFLICT DO NOTHING"


@lru_cache
def _adding(
    table: Table, least: tuple[str, ...], greatest: tuple[str, ...], dialect: Dialect, rows: int = 1
) -> str:
    quote = dialect.identifier_preparer.quote
    keys = [column.name for column in table.primary_key]

    def joined(name: str) -> str:
        old, new = f"{quote(table.name)}.{quote(name)}", f"excluded.{quote(name)}"
        if name in least or name in greatest:
            sign = "<" if name in least else ">"
            return f"{quote(name)} = CASE WHEN {new} {sign} {old} THEN {new} ELSE {old} END"
        return f"{quote(name)} = {old} + {new}"

    sums = ", ".join(joined(column.name) for column in table.columns if column.name not in keys)
    inserting = _inserting(table, tuple(column.name for column in table.columns), dialect, rows)
    return f"{inserting} ON CONFLICT ({', '.join(map(quote, keys))}) DO UPDATE SET {sums}"
