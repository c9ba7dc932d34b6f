"""An open database: its engines, and the threads that write, read and listen."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from dataclasses import dataclass
from typing import ClassVar, Final

from sqlalchemy import Connection, select

from arbiter.orchestrator.storage.engines import Engines, database_url, open_engines
from arbiter.orchestrator.storage.lanes import Reader, Writer
from arbiter.orchestrator.storage.migrations import REVISIONS, present_revision, rewrite_revision
from arbiter.orchestrator.storage.news import Listener, News
from arbiter.orchestrator.storage.threads import on_daemon_thread

__all__ = ["Opened", "connect"]

_READERS: Final = 2


def connect(url: str, password: str) -> Engines:
    """Connect and bring the schema up to date; blocks.

    Raises:
        DatabaseUnusable: with the reason and the mend.
    """
    return open_engines(database_url(url, password), _READERS)


@dataclass(frozen=True, slots=True)
class Opened:
    """What there is of a database between its start and its stop; the jobs that it knows itself are static."""

    engines: Engines
    writer: Writer
    reader: Reader
    listener: Listener | None
    threads: tuple[Future[None], ...]

    revisions: ClassVar = REVISIONS
    present_revision = staticmethod(present_revision)
    rewrite_revision = staticmethod(rewrite_revision)

    @staticmethod
    def answer(connection: Connection) -> object:
        """Read something that is always there."""
        return connection.execute(select(1)).scalar()

    @property
    def dialect(self) -> str:
        """sqlite, or postgresql."""
        return self.engines.writing.dialect.name

    @classmethod
    async def on(cls, engines: Engines, news: News) -> Opened:
        """Start the threads; on PostgreSQL, listen before anything is read."""
        listener, hearing = await _listen(engines, news)
        writer, reader = Writer(engines.writing, news.sender), Reader(engines.reading)
        writing = on_daemon_thread(writer.run, "arbiter-db-writer")
        reading = (on_daemon_thread(reader.run, f"arbiter-db-reader-{number}") for number in range(_READERS))
        return cls(engines, writer, reader, listener, (writing, *reading, *hearing))

    def end(self) -> None:
        """Take no more work, and let the threads end once they have done what waits."""
        if self.listener is not None:
            self.listener.close()
        self.writer.close()
        for _ in range(_READERS):
            self.reader.close()


async def _listen(engines: Engines, news: News) -> tuple[Listener | None, tuple[Future[None], ...]]:
    url = engines.writing.url
    if url.get_backend_name() != "postgresql":
        return None, ()
    listener = Listener(url, news)
    thread = on_daemon_thread(listener.run, "arbiter-db-news")
    try:
        await asyncio.wrap_future(listener.listening)
    except BaseException:
        listener.close()
        engines.close()
        raise
    return listener, (thread,)
