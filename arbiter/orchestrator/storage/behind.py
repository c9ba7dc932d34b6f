"""Writing behind: a row is acknowledged when it is in the journal, and its caller does not wait for the commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import structlog

from arbiter.orchestrator.storage.journal import Journal, Row

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from arbiter.orchestrator.storage.database import Database

__all__ = ["WriteBehind"]

log = structlog.get_logger(__name__)

_GATHER_S: Final = 0.005
"""For how long rows are gathered for one write: a transaction takes the interpreter as long as some twenty rows do."""
_AGAIN_AFTER_S: Final = 0.5


class WriteBehind:
    """Brings rows into the database, many in one statement.

    While the database is away the rows wait, in memory and in the journal, and are tried again; when the journal is full,
    nothing more is taken.

    Args:
        database: open until this is closed.
        journal: that this closes.
        insert: puts rows into their table, passing over those that are there already, and says how many it added.
        written: called on the loop with rows that are committed. Must not raise.
    """

    def __init__(
        self,
        database: Database,
        journal: Journal,
        insert: Callable[[Connection, Sequence[Row]], int],
        written: Callable[[Sequence[Row]], None],
    ) -> None:
        self._database, self._journal = database, journal
        self._insert, self._written = insert, written
        self._waiting: list[Row] = []
        self._unwritten = 0
        self._is_closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._writes: set[asyncio.Future[int]] = set()

    async def recover(self) -> int:
        """Write what an earlier process could not any more; how many rows that were."""
        rows = self._journal.rows()
        added = await self._database.write(lambda connection: self._insert(connection, rows)) if rows else 0
        self._journal.clear()
        return added

    def put(self, row: Row) -> bool:
        """Take a row: it will be in the database, whatever signal comes next. False when it cannot be taken."""
        if not self._journal.append(row):
            return False
        self._unwritten += 1
        self._waiting.append(row)
        if self._timer is None:
            self._write_in(_GATHER_S)
        return True

    async def close(self) -> None:
        """Wait for what is on its way, and let go of the journal; what could not be written waits for the next start."""
        try:
            if self._waiting:
                self._write()
            await asyncio.gather(*self._writes, return_exceptions=True)
        finally:
            self._is_closed = True  # also where a database that hangs was not waited for, and answers later
            if self._timer is not None:
                self._timer.cancel()
            self._journal.close()

    def _write_in(self, delay_s: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._write)

    def _write(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        rows, self._waiting = self._waiting, []
        writing = self._database.begin_write(
            lambda connection: self._insert(connection, rows), then=lambda _: self._committed(rows)
        )
        self._writes.add(writing)
        writing.add_done_callback(lambda done: self._ended(done, rows))

    def _committed(self, rows: list[Row]) -> None:
        self._unwritten -= len(rows)
        self._written(rows)
        if not (self._unwritten or self._is_closed):
            self._journal.clear()

    def _ended(self, writing: asyncio.Future[int], rows: list[Row]) -> None:
        self._writes.discard(writing)
        if writing.cancelled() or (error := writing.exception()) is None:
            return
        log.warning("what was acknowledged could not be written yet", rows=len(rows), reason=str(error))
        self._waiting = rows + self._waiting
        if self._timer is None and not self._is_closed:
            self._write_in(_AGAIN_AFTER_S)
