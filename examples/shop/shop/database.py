"""The database: opened at the start, closed at the end, after everything that uses it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

__all__ = ["open_database"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS stock (item TEXT PRIMARY KEY, count INTEGER NOT NULL CHECK (count >= 0));
CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, item TEXT NOT NULL, count INTEGER NOT NULL, at TEXT NOT NULL);
INSERT OR IGNORE INTO stock VALUES ('tea', 10), ('cups', 4);
"""


def open_database(path: str) -> Iterator[sqlite3.Connection]:
    """A connection; what stands after `yield` is the stop."""
    if path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    # Opened on the engine's thread and used on the loop's, one statement at a time.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.executescript(SCHEMA)
    yield connection
    connection.close()
