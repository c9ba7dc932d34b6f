"""Background work is begun when everything has started, begun again when it fails, and ended before anything stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from arbiter.errors import LifecycleError
from arbiter.lifecycle.background import Background, Policy, TaskGaveUp
from arbiter.protocols import Status
from arbiter.testing.clock import FakeClock
from tests.waiting import turned


class Failing:
    """Work that fails as often as it is told to."""

    def __init__(self, times: int) -> None:
        self.left, self.runs = times, 0

    async def __call__(self) -> None:
        self.runs += 1
        if self.left:
            self.left -= 1
            raise OSError("no route to host")


@pytest.fixture
def clock() -> FakeClock:
    """A clock that the test drives."""
    return FakeClock()


@pytest.fixture
async def background(clock: FakeClock) -> AsyncIterator[Background]:
    """A group that is stopped in the end."""
    group = Background(clock)
    yield group
    await group.stop()


async def test_work_begins_when_the_group_starts(background: Background) -> None:
    """What components ask for while they start waits until all of them have."""
    ran = asyncio.Event()

    async def work() -> None:
        ran.set()

    background.once("greet", work)
    await asyncio.sleep(0)
    before = ran.is_set()
    await background.start()
    await ran.wait()

    assert not before
    await turned(lambda: background.seen()[0].state == "done")


@pytest.mark.parametrize("policy", ["stop", "degrade"])
async def test_s13_a_task_that_dies_is_begun_again_five_times_and_then_given_up(
    background: Background, clock: FakeClock, policy: Policy
) -> None:
    """After 1, 2, 4, 8 and 16 s; then the host is told (stop), and the check fails in either case."""
    given_up: list[TaskGaveUp] = []
    background.on_give_up = given_up.append
    work = Failing(100)
    background.keep("listen", work, on_failure=policy)
    await background.start()
    for runs, wait_s in enumerate((1, 2, 4, 8, 16), start=1):
        await turned(lambda: clock.sleepers == 1)
        assert work.runs == runs
        assert (await background.look()).status is Status.WARN
        clock.advance(wait_s - 0.01)
        assert clock.sleepers == 1
        clock.advance(0.01)
    await turned(lambda: background.seen()[0].state == "failed")

    assert work.runs == 6
    assert (await background.look()).status is Status.FAIL
    assert "no route to host" in (await background.look()).output
    assert [error.name for error in given_up] == (["listen"] if policy == "stop" else [])


async def test_a_periodic_task_counts_anew_after_a_good_run(background: Background, clock: FakeClock) -> None:
    """It runs at once, waits its period after each end, and one failure in between is forgotten."""
    work = Failing(1)
    background.every("count", 60, work)
    await background.start()
    await turned(lambda: clock.sleepers == 1)
    clock.advance(1)
    await turned(lambda: work.runs == 2 and clock.sleepers == 1)
    clock.advance(60)
    await turned(lambda: work.runs == 3 and clock.sleepers == 1)

    (seen,) = background.seen()
    assert (seen.kind, seen.state, seen.failures) == ("every 60 s", "waiting", 0)
    assert (await background.look()).status is Status.PASS


async def test_a_task_that_ran_well_for_a_minute_counts_anew(
    background: Background, clock: FakeClock
) -> None:
    """A failure long after the last one is the first of a new row."""

    async def fail_in_time() -> None:
        await clock.sleep(61)
        raise OSError("late")

    background.keep("listen", fail_in_time)
    await background.start()
    for _ in range(10):
        await turned(lambda: clock.sleepers == 1)
        clock.advance(61)
        await turned(lambda: clock.sleepers == 1 and background.seen()[0].state == "backing-off")
        clock.advance(1)

    assert background.seen()[0].failures == 1


async def test_the_drain_lets_what_has_an_end_finish_and_ends_the_rest(
    background: Background, clock: FakeClock
) -> None:
    """A run under way finishes; a task without end and one that waits are cancelled at once; nothing new begins."""
    release, ended = asyncio.Event(), list[str]()

    async def finite() -> None:
        await release.wait()
        ended.append("finite")

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("endless")

    background.once("send", finite)
    background.keep("listen", endless)
    background.every("count", 60, Failing(0))
    await background.start()
    await turned(lambda: clock.sleepers == 1)
    draining = asyncio.create_task(background.drain(20))
    await turned(lambda: ended == ["endless"])
    release.set()

    assert await draining
    assert ended == ["endless", "finite"]
    assert sorted(one.state for one in background.seen()) == ["cancelled", "cancelled", "done"]


async def test_what_outlasts_the_drain_is_cancelled_and_unwinds(background: Background) -> None:
    """The drain says that something was cut, and returns when that has cleaned up."""
    cleaned: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append("up")

    background.once("send", work)
    await background.start()
    await turned(lambda: background.seen()[0].state == "running")

    assert not await background.drain(0.01)
    assert cleaned == ["up"]


async def test_two_tasks_of_one_name_are_refused(background: Background) -> None:
    """A name that is taken is an error with a hint; one whose task has ended may be used again."""
    background.once("send", Failing(0))

    with pytest.raises(LifecycleError, match="Give one of them another name"):
        background.once("send", Failing(0))
    await background.start()
    await turned(lambda: background.seen()[0].state == "done")
    background.once("send", Failing(0))
