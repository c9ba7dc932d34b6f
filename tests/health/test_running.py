"""One run of one check."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from functools import partial
from typing import Any

import pytest

from arbiter.health.running import Runner
from arbiter.protocols import CheckResult, Status
from arbiter.testing.clock import FakeClock
from tests.waiting import until

WARN = CheckResult(Status.WARN, "slow")


class Component:
    async def check(self) -> CheckResult:
        return WARN


async def as_coroutine() -> CheckResult:
    return WARN


@pytest.mark.parametrize("check", [Component(), as_coroutine, lambda: WARN, partial(as_coroutine)])
async def test_every_kind_of_check_is_asked(check: Any) -> None:
    """A component, a coroutine function, a function and a partial all answer."""
    assert await Runner("any", check, FakeClock()).run(2) == WARN


@pytest.mark.parametrize("check", [lambda: None, Component().check])
async def test_nothing_is_a_pass(check: Any) -> None:
    """A check that returns None is well; it would have raised otherwise."""
    result = await Runner("any", check, FakeClock()).run(2)

    assert result.status in {Status.PASS, Status.WARN}


@pytest.mark.parametrize(
    "error",
    [OSError("gone"), KeyboardInterrupt("gone"), SystemExit("gone"), BaseException("gone"), StopIteration()],
)
@pytest.mark.parametrize("in_thread", [True, False])
async def test_h07_raising_anything_is_a_failure(error: BaseException, in_thread: bool) -> None:
    """Whatever a check raises, even what is no Exception, is its failure; the host lives."""

    def sync() -> None:
        raise error

    async def coroutine() -> None:
        raise error

    result = await Runner("any", sync if in_thread else coroutine, FakeClock()).run(2)

    assert result.status is Status.FAIL
    assert "gone" in result.output or "StopIteration" in result.output


async def test_a_check_that_hangs_is_timed_out() -> None:
    """An async check that does not answer in time has failed, and is cancelled."""
    clock, cancelled = FakeClock(), asyncio.Event()

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    runner = Runner("any", hang, clock)
    run = asyncio.create_task(runner.run(2))
    await _sleeper(clock)
    clock.advance(2)

    assert await run == CheckResult(Status.FAIL, "timeout after 2 s")
    async with asyncio.timeout(1):
        await cancelled.wait()


async def test_a_check_that_will_not_be_cancelled_is_not_started_again() -> None:
    """A hung check stays alone: while its run goes on the answer is time-out, and no second run is begun."""
    clock, release, begun = FakeClock(), asyncio.Event(), 0

    async def stubborn() -> None:
        nonlocal begun
        begun += 1
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    runner = Runner("any", stubborn, clock)
    await _timed_out(runner, clock)
    second = await runner.run(2)
    release.set()
    await until(lambda: not runner.is_going, 2)
    third = await runner.run(2)

    assert second.output == "timeout: the previous run is still going"
    assert third.status is Status.PASS
    assert begun == 2


async def test_h05_a_sync_check_that_hangs_keeps_one_thread() -> None:
    """A hung sync check costs one daemon thread, however often its turn comes."""
    clock, release = FakeClock(), threading.Event()
    before = threading.active_count()

    def hang() -> None:
        release.wait(10)

    runner = Runner("any", hang, clock)
    await _timed_out(runner, clock)
    outputs = {(await runner.run(2)).output for _ in range(50)}

    assert outputs == {"timeout: the previous run is still going"}
    assert threading.active_count() == before + 1
    release.set()
    await until(lambda: not runner.is_going, 2)
    assert (await runner.run(2)).status is Status.PASS


async def test_a_sync_check_sees_the_context() -> None:
    """A thread's check sees the context variables of whoever asked."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("carried")

    result = await Runner("any", lambda: CheckResult(Status.PASS, variable.get()), FakeClock()).run(2)

    assert result.output == "carried"


async def test_what_a_check_says_is_made_fit_for_a_probe() -> None:
    """A check's sentence is one line without passwords, whether it was said or raised."""

    async def said() -> CheckResult:
        return CheckResult(Status.WARN, "slow: postgres://app:hunter2@db/x\nsecond line")

    async def raised() -> None:
        raise ConnectionError("cannot reach postgres://app:hunter2@db/x\ndetails")

    outputs = [(await Runner("any", check, FakeClock()).run(2)).output for check in (said, raised)]

    assert outputs == [
        "slow: postgres://app:******@db/x",
        "ConnectionError: cannot reach postgres://app:******@db/x",
    ]


async def _sleeper(clock: FakeClock) -> None:
    await until(lambda: clock.sleepers > 0, 2)


async def _timed_out(runner: Runner, clock: FakeClock) -> None:
    run = asyncio.create_task(runner.run(2))
    await _sleeper(clock)
    await asyncio.sleep(0)
    clock.advance(2)
    assert (await run).output == "timeout after 2 s"
