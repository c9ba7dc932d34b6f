"""The database as the components use it: `write` and `read` take a callable for a SQLAlchemy connection.

One thread writes, and commits whatever waits in one transaction (group commit), so that durable writes cost one disk
flush for many; two threads read. All of them are daemons: a hung database never keeps the process from ending.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from opentelemetry import trace
from opentelemetry.trace import SpanKind
from pydantic import SecretStr

from arbiter.checks import health_check
from arbiter.errors import LifecycleStateError
from arbiter.orchestrator.storage.errors import StorageUnavailable
from arbiter.orchestrator.storage.jobs import Job
from arbiter.orchestrator.storage.journal import Journal
from arbiter.orchestrator.storage.news import News
from arbiter.orchestrator.storage.threads import on_daemon_thread
from arbiter.protocols import CheckResult, Measurement, Status
from arbiter.tracing import span

# SQLAlchemy is a fifth of a start, and of no use to who only looks at a container with a database in it (docs/start.md)
if TYPE_CHECKING:
    from sqlalchemy import Connection

    from arbiter.orchestrator.storage.engines import Engines
    from arbiter.orchestrator.storage.lanes import Reader, Writer
    from arbiter.orchestrator.storage.opened import Opened

__all__ = ["Database"]

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Database:
    """Durable storage: SQLite in a file, or PostgreSQL.

    Args:
        url: as `StorageSettings.url`; a relative SQLite path is relative to the working directory.
        password: the database user's password, where the URL does not hold it.
    """

    def __init__(self, url: str, password: SecretStr | str = "") -> None:
        self._url = url
        self._password = password
        self._open: Opened | None = None
        self._news = News()

    @property
    def identity(self) -> str:
        """Tells databases apart, in every process alike: 12 hexadecimal digits that give nothing away."""
        from arbiter.orchestrator.storage.engines import database_url  # noqa: PLC0415  see above

        url = database_url(self._url, "")
        if url.get_backend_name() == "sqlite":
            url = url.set(database=str(Path(url.database or "").resolve()))
        return hashlib.sha256(url.render_as_string(hide_password=True).encode()).hexdigest()[:12]

    async def start(self) -> None:
        """Connect, bring the schema up to date, begin to take work.

        Raises:
            DatabaseUnusable: with the reason and the mend.
            LifecycleStateError: it is open already.
        """
        if self._open is not None:
            raise LifecycleStateError("The database is open already.")
        opening = on_daemon_thread(self._connect, "arbiter-db-open")
        try:
            engines = await asyncio.wrap_future(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_late)
            raise
        from arbiter.orchestrator.storage.opened import Opened  # noqa: PLC0415  the thread has imported it

        self._open = await Opened.on(engines, self._news)

    async def stop(self) -> None:
        """Refuse new work, finish what is queued, bring all of it into the main file, disconnect."""
        if self._open is None:
            return
        closing, self._open = self._open, None
        closing.end()
        await asyncio.gather(*map(asyncio.wrap_future, closing.threads))
        await asyncio.wrap_future(on_daemon_thread(closing.engines.close, "arbiter-db-close"))

    def follow(
        self, topic: str, heard: Callable[[Any], None], lost: Callable[[], None]
    ) -> Callable[[], None]:
        """Hear what other instances announce of a topic (see `news.announce`), until what is returned is called.

        Args:
            topic: what is announced.
            heard: called on this loop with each fact, in the order of commits; never for one's own.
            lost: called on this loop when facts may have been missed.
        """
        return self._news.follow(topic, heard, lost)

    async def write(
        self,
        work: Callable[[Connection], T],
        *,
        then: Callable[[T], None] | None = None,
        lock: str = "",
    ) -> T:
        """Run `work` on the writer thread, and return its result when it is committed.

        Jobs are run one after the other, in the order of the calls. A job that raises is rolled back alone. A waiter
        that is cancelled does not take its job back: it is written, and `then` is called, all the same.

        Args:
            work: changes the database through the connection and nothing else, since it may be run twice.
            then: called on this loop with the result, after the commit, in the order of the commits, before the
                waiter goes on: the place to bring memory into line. Must not raise.
            lock: names what the work changes that other instances change as well, such as an agent's id. Jobs of one name
                take turns over all instances of a PostgreSQL; SQLite has one writer in any case.

        Raises:
            StorageUnavailable: the database is not open, or does not answer.
            StorageError: a statement failed. Whatever else `work` raises comes through unchanged.
        """
        opened = self._opened()
        return await self._done(Job(work, then, lock), opened.writer, "database.write")

    def begin_write(
        self, work: Callable[[Connection], T], *, then: Callable[[T], None] | None = None
    ) -> asyncio.Future[T]:
        """As `write`, which is asked for at once, and waited for by whoever wants to."""
        job = Job(work, then)
        self._opened().writer.put(job)
        return job.waiter

    def journal(self, name: str) -> Journal | None:
        """The journal of that name, beside the file of a SQLite database.

        None where the database alone can say what is kept: PostgreSQL, to which others write as well, and a file whose
        journal another process holds.
        """
        url = self._opened().engines.writing.url
        if url.get_backend_name() != "sqlite":
            return None
        path = Path(f"{url.database}-{name}.journal")
        try:
            return Journal(path)
        except OSError as error:
            log.warning(
                "there is no journal, each write waits for its commit", file=str(path), reason=error.strerror
            )
            return None

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on a reader thread, in a read transaction: one consistent view, every awaited write in it.

        Args:
            work: reads through the connection and returns plain values; no cursor may leave it.

        Raises:
            StorageUnavailable, StorageError: as `write`.
        """
        opened = self._opened()
        return await self._done(Job(work), opened.reader, "database.read")

    async def _done(self, job: Job[T], lane: Writer | Reader, name: str) -> T:
        """The job's result; on the trace of whoever waits, with the time that it stood in the queue."""
        lane.put(job)
        if not trace.get_current_span().is_recording():
            return await job.waiter
        system = self._opened().dialect
        with span(name, {"db.system.name": system}, kind=SpanKind.CLIENT) as made:
            try:
                return await job.waiter
            finally:
                waited_s = (job.begun or time.perf_counter()) - job.queued
                made.set_attribute("arbiter.database.waited_ms", round(waited_s * 1000, 3))
                made.set_attribute("arbiter.database.shared", job.shared)

    async def check(self) -> CheckResult:
        """Whether the database answers a read."""
        opened = self._opened()
        await self.read(opened.answer)
        return CheckResult(Status.PASS, f"{opened.dialect} answers, schema {opened.revisions[-1]}")

    @health_check
    async def writable(self) -> CheckResult:
        """Whether a write is committed: the schema's own row is written anew, as it is."""
        await self.write(self._opened().rewrite_revision)
        return CheckResult(Status.PASS)

    @health_check
    async def migrated(self) -> CheckResult:
        """Whether the schema is the one that this program works on: another program may have changed it since."""
        opened = self._opened()
        revision = await self.read(opened.present_revision)
        if revision == opened.revisions[-1]:
            return CheckResult(Status.PASS)
        # one that is not known was made by a newer program, during a rolling update
        status = Status.FAIL if revision in {None, *opened.revisions} else Status.WARN
        return CheckResult(status, f"the schema is {revision}, this program works on {opened.revisions[-1]}")

    def measurements(self) -> Iterable[Measurement]:
        """How much was read and written, and in how many commits."""
        if (opened := self._open) is None:
            return
        writer, reader = opened.writer, opened.reader
        yield Measurement(
            "arbiter.database.writes", "counter", writer.jobs, "Write jobs done or failed.", "{job}"
        )
        yield Measurement(
            "arbiter.database.commits", "counter", writer.commits, "Transactions that wrote.", "{commit}"
        )
        yield Measurement(
            "arbiter.database.waiting", "gauge", writer.waiting, "Write jobs that wait.", "{job}"
        )
        yield Measurement(
            "arbiter.database.reads", "counter", reader.jobs, "Read jobs done or failed.", "{job}"
        )

    def _connect(self) -> Engines:
        from arbiter.orchestrator.storage.opened import connect  # noqa: PLC0415  see above

        password = self._password if isinstance(self._password, str) else self._password.get_secret_value()
        return connect(self._url, password)

    def _opened(self) -> Opened:
        if self._open is None:
            raise StorageUnavailable(
                "The database is not open.", hint="Start it, or the container that holds it."
            )
        return self._open


def _close_late(opening: Future[Engines]) -> None:
    # The start was given up while the connection was being made: nobody else will close it.
    if opening.exception() is None:
        opening.result().close()
