"""The two kinds of database thread: the one writer, which commits in groups, and the readers."""

from __future__ import annotations

import queue
from typing import Final

from sqlalchemy import Connection, Engine

from arbiter.orchestrator.storage.jobs import AnyJob, deliver

__all__ = ["Reader", "Writer"]

_GROUP: Final = 1000
"""At most so many jobs share a commit, so that the first need not wait long for the last."""


class Writer:
    """Runs jobs in the order they came; whatever waits when a transaction begins is committed together.

    The group runs without savepoints first. Only when a job fails is the group rolled back and run again with a
    savepoint around each job, in one transaction: the failing one goes alone, and the usual case pays nothing.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
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
            self._together(group)
        except BaseException as error:  # noqa: BLE001  the thread outlives every job; the waiter gets it
            if len(group) == 1:
                group[0].fail(error)
            else:
                self._apart(group)
        self.commits += 1
        self.jobs += len(group)

    def _together(self, group: list[AnyJob]) -> None:
        for job in group:
            job.shared = len(group)
        with self._engine.begin() as connection:
            for job in group:
                job.run(connection)

    def _apart(self, group: list[AnyJob]) -> None:
        try:
            with self._engine.begin() as connection:
                for job in group:
                    _run_in_savepoint(job, connection)
        except BaseException as error:  # noqa: BLE001  no commit, so no job of the group was done
            for job in group:
                if job.error is None:
                    job.fail(error)


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


def _run_in_savepoint(job: AnyJob, connection: Connection) -> None:
    try:
        with connection.begin_nested():
            job.run(connection)
    except BaseException as error:  # noqa: BLE001  the waiter gets it
        job.fail(error)
