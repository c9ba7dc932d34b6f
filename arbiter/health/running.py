"""One run of one check, bounded by a time-out on the given clock, whatever the check does.

A check that hangs and will not be cancelled stays behind, alone: it is never started a second time while its
first run is still going. Sync checks run on daemon threads of a pool of their own, so they take no thread from
anybody and cannot hold up the process's end.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import structlog

from arbiter.health.wording import one_line, told_of
from arbiter.protocols import Check, CheckResult, Clock, Status

__all__ = ["AnyCheck", "Runner", "Threads"]

log = structlog.get_logger(__name__)

Said = CheckResult | Status | str | bool | None
Answer = Said | Awaitable[Said]
AnyCheck = Check | Callable[[], Answer]
"""A component with `check()`, or a function, sync or async. None and True mean pass, False and raising fail."""

_MOST_THREADS: Final = 32

# The other words of draft-inadarei-api-health-check-06, section 3.1, and those of this project's first users.
_ALIASES: Final = {"ok": "pass", "up": "pass", "healthy": "pass", "degraded": "warn", "down": "fail", "error": "fail", "unhealthy": "fail"}  # fmt: skip


class Threads:
    """The daemon threads of sync checks, one for each run, so many at most.

    A run ends in the time that it takes; one that hangs keeps its thread, and no second one of that check is begun.

    Args:
        most: how many there may be at the same time. Ten checks run at once, the others may hang.
    """

    def __init__(self, most: int = _MOST_THREADS) -> None:
        self.most = most
        self._free = threading.BoundedSemaphore(most)

    def run(self, work: Callable[[], None]) -> bool:
        """Begin `work` on a thread of its own; False when there is none left."""
        if not self._free.acquire(blocking=False):
            return False

        def freeing() -> None:
            try:
                work()
            finally:
                self._free.release()

        threading.Thread(target=freeing, name="arbiter.health", daemon=True).start()
        return True


class Runner:
    """Runs one check.

    Args:
        name: the check's name, for the log.
        check: what is asked.
        clock: measures the time-out.
        threads: where a sync check runs.
    """

    def __init__(self, name: str, check: AnyCheck, clock: Clock, threads: Threads | None = None) -> None:
        self._name, self._clock, self._threads = name, clock, threads or Threads()
        self._ask: Callable[[], Answer] = check.check if isinstance(check, Check) else check
        self._task: asyncio.Future[CheckResult] | None = None
        self._is_on_thread = False

    @property
    def is_going(self) -> bool:
        """Whether a run has not come to its end, though its time may be over."""
        in_loop = self._task is not None and not self._task.done()
        return in_loop or self._is_on_thread

    async def run(self, timeout_s: float) -> CheckResult:
        """Ask once, and answer within `timeout_s` seconds; never raises but when cancelled itself."""
        if self.is_going:
            return CheckResult(Status.FAIL, "timeout: the previous run is still going")
        run = self._task = asyncio.ensure_future(self._answer())
        alarm = asyncio.ensure_future(self._clock.sleep(timeout_s))
        try:
            await asyncio.wait({run, alarm}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            alarm.cancel()
            if not run.done():
                run.cancel()
        if run.done() and not run.cancelled():
            return run.result()
        return CheckResult(Status.FAIL, f"timeout after {timeout_s:g} s")

    async def _answer(self) -> CheckResult:
        try:
            return _result_of(await self._asked())
        except GeneratorExit:
            raise
        except asyncio.CancelledError:
            return CheckResult(Status.FAIL, "cancelled")
        except BaseException as error:
            log.debug("health.check_raised", check=self._name, exc_info=error)
            return CheckResult(Status.FAIL, told_of(error))

    async def _asked(self) -> object:
        if inspect.iscoroutinefunction(self._ask):
            return await self._ask()
        answer = await self._in_daemon_thread()
        return await answer if inspect.isawaitable(answer) else answer

    async def _in_daemon_thread(self) -> Answer:
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Answer] = loop.create_future()
        context = contextvars.copy_context()

        def work() -> None:
            answer, error = None, None
            try:
                answer = context.run(self._ask)
            except BaseException as raised:  # noqa: BLE001  carried to the loop, where it becomes a result
                error = raised
            self._is_on_thread = False
            with suppress(RuntimeError):  # the loop may be closed by then
                loop.call_soon_threadsafe(_settle, answered, answer, error)

        self._is_on_thread = True
        if not self._threads.run(work):
            self._is_on_thread = False
            raise TimeoutError(f"all {self._threads.most} threads for sync checks hang")
        return await answered


def _result_of(said: object) -> CheckResult:
    """What a check has said, in our words; whatever else it returns without raising is a pass."""
    if isinstance(said, CheckResult):
        return CheckResult(_status_of(said.status), one_line(str(said.output)))
    if isinstance(said, str):
        return CheckResult(_status_of(said))
    return CheckResult(Status.FAIL, "it answered False") if said is False else CheckResult(Status.PASS)


def _status_of(word: str) -> Status:
    return Status(_ALIASES.get(word.lower(), word.lower()))


def _settle(answered: asyncio.Future[Answer], answer: Answer, error: BaseException | None) -> None:
    if answered.done():  # given up in the meantime
        return
    if error is None:
        answered.set_result(answer)
    elif isinstance(error, StopIteration):  # which no future takes
        answered.set_exception(RuntimeError(told_of(error)))
    else:
        answered.set_exception(error)
