"""One run of one check, bounded by a time-out on the given clock, whatever the check does.

A check that hangs and will not be cancelled stays behind, alone: it is never started a second time while its
first run is still going. Sync checks run on daemon threads of their own, so they take no thread from anybody
and cannot hold up the process's end.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from arbiter.health.wording import one_line, told_of
from arbiter.protocols import Check, CheckResult, Clock, Status

__all__ = ["AnyCheck", "Runner"]

log = structlog.get_logger(__name__)

Answer = CheckResult | None | Awaitable[CheckResult | None]
AnyCheck = Check | Callable[[], Answer]
"""A component with `check()`, or a function, sync or async. None means pass; raising means fail."""


class Runner:
    """Runs one check.

    Args:
        name: the check's name, for the log.
        check: what is asked.
        clock: measures the time-out.
    """

    def __init__(self, name: str, check: AnyCheck, clock: Clock) -> None:
        self._name, self._clock = name, clock
        self._ask = check.check if isinstance(check, Check) else check
        self._task: asyncio.Future[CheckResult] | None = None
        self._thread: threading.Thread | None = None

    @property
    def is_going(self) -> bool:
        """Whether a run has not come to its end, though its time may be over."""
        in_loop = self._task is not None and not self._task.done()
        return in_loop or (self._thread is not None and self._thread.is_alive())

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
            result = await self._asked()
        except GeneratorExit:
            raise
        except asyncio.CancelledError:
            return CheckResult(Status.FAIL, "cancelled")
        except BaseException as error:
            log.debug("health.check_raised", check=self._name, exc_info=error)
            return CheckResult(Status.FAIL, told_of(error))
        if not isinstance(result, CheckResult):
            return CheckResult(Status.PASS)
        return CheckResult(result.status, one_line(result.output))

    async def _asked(self) -> CheckResult | None:
        if inspect.iscoroutinefunction(self._ask):
            found: CheckResult | None = await self._ask()
            return found
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
            with suppress(RuntimeError):  # the loop may be closed by then
                loop.call_soon_threadsafe(_settle, answered, answer, error)

        self._thread = threading.Thread(target=work, name="arbiter.health", daemon=True)
        self._thread.start()
        return await answered


def _settle(answered: asyncio.Future[Answer], answer: Answer, error: BaseException | None) -> None:
    if answered.done():  # given up in the meantime
        return
    if error is None:
        answered.set_result(answer)
    elif isinstance(error, StopIteration):  # which no future takes
        answered.set_exception(RuntimeError(told_of(error)))
    else:
        answered.set_exception(error)
