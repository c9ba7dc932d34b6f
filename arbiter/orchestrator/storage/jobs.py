"""Units of database work, on their way from an event loop to a thread and back."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import operator
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import structlog

from arbiter.orchestrator.storage.errors import as_storage_error

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["AnyJob", "Job", "deliver"]

log = structlog.get_logger(__name__)

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Job(Generic[T]):
    """One callable for one connection, made on the loop that waits for it.

    Attributes:
        work: what is to be done; it may be run twice, so it changes nothing but the database.
        lock: names what the work changes that other instances change as well, so that they take turns; empty for nothing.
        then: called on the loop with the result, after the commit and before the waiter, also when the waiter is gone.
        queued, begun: when it was made and when a thread took it up, on `time.perf_counter`.
        shared: how many jobs its transaction had.
    """

    work: Callable[[Connection], T]
    then: Callable[[T], None] | None = None
    lock: str = ""
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    context: contextvars.Context = field(default_factory=contextvars.copy_context)
    waiter: asyncio.Future[T] = field(init=False)
    error: BaseException | None = None
    queued: float = field(default_factory=time.perf_counter)
    begun: float = 0.0
    shared: int = 1
    _result: T | None = None

    def __post_init__(self) -> None:
        self.waiter = self.loop.create_future()

    def run(self, connection: Connection) -> None:
        """Do the work in the waiter's context, so that spans nest; raises what the work raises."""
        self.error = None
        self.begun = self.begun or time.perf_counter()
        self._result = self.context.run(self.work, connection)

    def fail(self, error: BaseException) -> None:
        """Remember what went wrong; the last word counts."""
        self.error = as_storage_error(error)

    def settle(self) -> None:
        """Tell the waiter; on the loop only."""
        if self.error is None and self.then is not None:
            try:
                self.then(self._result)  # type: ignore[arg-type]  # set by run
            except Exception as error:
                log.exception("a write was committed, but what follows from it failed")
                self.error = error
        if self.waiter.done():
            return
        if self.error is None:
            self.waiter.set_result(self._result)  # type: ignore[arg-type]  # set by run
        else:
            self.waiter.set_exception(self.error)


AnyJob = Job[Any]


def deliver(jobs: Iterable[AnyJob]) -> None:
    """Settle `jobs` on their loops, in order, with one wake-up for each run of jobs of the same loop."""
    for loop, group in itertools.groupby(jobs, key=operator.attrgetter("loop")):
        try:
            loop.call_soon_threadsafe(_settle, list(group))
        except RuntimeError:  # that loop is closed: nobody waits any more
            log.warning("the loop was closed before a database job was answered")


def _settle(jobs: list[AnyJob]) -> None:
    for job in jobs:
        job.settle()
