"""The two kinds of database thread: the one writer, which commits in groups, and the readers."""

from __future__ import annotations

import queue
from hashlib import blake2b
from typing import Final

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from arbiter.orchestrator.storage.jobs import AnyJob, deliver
from arbiter.orchestrator.storage.news import outbox, send

__all__ = ["Reader", "Writer"]

_GROUP: Final = 1000
"""At most so many jobs share a commit, so that the first need not wait long for the last."""

_ATTEMPTS: Final = 3
_CROSSED: Final = {"40P01", "40001"}
"""What PostgreSQL says when two transactions waited for each other, or saw each other's half: to be tried again."""

_LOCKS: Final = 256
_LOCK_SPACE: Final = 0x41524254  # any fixed number; the migrations' lock is of the other, one-number kind
_TAKE_TURNS: Final = text(
    "SELECT pg_advisory_xact_lock(:space, number)"
    " FROM (SELECT unnest(CAST(:numbers AS int[])) AS number ORDER BY 1) AS numbers"
)


class Writer:
    """Runs jobs in the order they came; whatever waits when a transaction begins is committed together.

    The group runs without savepoints first. Only when a job fails is the group rolled back and run again with a
    savepoint around each job, in one transaction: the failing one goes alone, and the usual case pays nothing.

    With PostgreSQL, where several instances write, a group first takes the locks that its jobs name, all in one order, so
    that no two groups wait for each other in a circle.

    Args:
        engine: of the one connection that writes.
        sender: what this instance's announcements are signed with.
    """

    def __init__(self, engine: Engine, sender: str) -> None:
        self._engine = engine
        self._sender = sender
        self._takes_turns = engine.dialect.name == "postgresql"
        self._waiting: queue.SimpleQueue[AnyJob | None] = queue.SimpleQueue()
        self.commits = 0
        self.jobs = 0

    @property
    def waiting(self) -> int:
        """Jobs that no transaction has taken up yet."""
        return self._waiting.qsize()

    def put(self, job: AnyJob) -> None:
        """Queue one job; never blocks."""
        self._waiting.put(job)

    def close(self) -> None:
        """Let `run` return after everything that is queued now."""
        self._waiting.put(None)

    def run(self) -> None:
        """The thread's life: until `close`, whatever fails."""
        closing = False
        while not closing:
            group, closing = self._next_group()
            if group:
                self._commit(group)
                deliver(group)

    def _next_group(self) -> tuple[list[AnyJob], bool]:
        group: list[AnyJob] = []
        job = self._waiting.get()
        while job is not None:
            group.append(job)
            if len(group) == _GROUP:
                return group, False
            try:
                job = self._waiting.get_nowait()
            except queue.Empty:
                return group, False
        return group, True

    def _commit(self, group: list[AnyJob]) -> None:
        try:
            self._together_at_last(group)
        except BaseException as error:  # noqa: BLE001  the thread outlives every job; the waiter gets it
            if len(group) == 1:
                group[0].fail(error)
            else:
                self._apart(group)
        self.commits += 1
        self.jobs += len(group)

    def _together_at_last(self, group: list[AnyJob]) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._together(group)
            except DBAPIError as error:
                if attempt == _ATTEMPTS or getattr(error.orig, "sqlstate", None) not in _CROSSED:
                    raise
            else:
                return

    def _together(self, group: list[AnyJob]) -> None:
        for job in group:
            job.shared = len(group)
        with self._engine.begin() as connection:
            self._begin(connection, group)
            for job in group:
                job.run(connection)
            send(connection, self._sender)

    def _apart(self, group: list[AnyJob]) -> None:
        try:
            with self._engine.begin() as connection:
                self._begin(connection, group)
                for job in group:
                    _run_in_savepoint(job, connection)
                send(connection, self._sender)
        except BaseException as error:  # noqa: BLE001  no commit, so no job of the group was done
            for job in group:
                if job.error is None:
                    job.fail(error)

    def _begin(self, connection: Connection, group: list[AnyJob]) -> None:
        outbox(connection).clear()
        names = {job.lock for job in group if job.lock}
        if names and self._takes_turns:
            connection.execute(
                _TAKE_TURNS, {"space": _LOCK_SPACE, "numbers": sorted({_number(name) for name in names})}
            )


class Reader:
    """Runs one job at a time, each in a read transaction of its own. Several threads may run the same reader."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: queue.SimpleQueue[AnyJob | None] = queue.SimpleQueue()
        self.jobs = 0

    def put(self, job: AnyJob) -> None:
        """Queue one job; never blocks."""
        self._waiting.put(job)

    def close(self) -> None:
        """Let one thread's `run` return after everything that is queued now."""
        self._waiting.put(None)

    def run(self) -> None:
        """A thread's life: until `close`, whatever fails."""
        while (job := self._waiting.get()) is not None:
            if job.waiter.cancelled():
                continue
            try:
                with self._engine.connect() as connection:
                    job.run(connection)
            except BaseException as error:  # noqa: BLE001  the thread outlives every job; the waiter gets it
                job.fail(error)
            self.jobs += 1
            deliver((job,))


def _number(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=4).digest()) % _LOCKS


def _run_in_savepoint(job: AnyJob, connection: Connection) -> None:
    announced = len(outbox(connection))
    try:
        with connection.begin_nested():
            job.run(connection)
    except BaseException as error:  # noqa: BLE001  the waiter gets it
        del outbox(connection)[announced:]
        job.fail(error)
