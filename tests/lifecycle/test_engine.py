"""The ordered engine over plain steps."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from arbiter.errors import LifecycleStateError, StepFailed
from arbiter.events import StepFinished
from arbiter.lifecycle.engine import Engine, OnStop, State, Step
from arbiter.lifecycle.hooks import Where
from arbiter.lifecycle.settings import LifecycleSettings
from tests.waiting import turned

QUICK = LifecycleSettings(start_s=0.2, hook_s=0.05, hooks_s=0.3)


class Bench:
    """An engine whose steps write down what happens to them."""

    def __init__(self, budgets: LifecycleSettings = QUICK) -> None:
        self.log: list[str] = []
        self.events: list[StepFinished] = []
        self.engine = Engine(self._note, budgets)

    def _note(self, event: object) -> None:
        assert isinstance(event, StepFinished)
        self.events.append(event)

    def step(
        self,
        name: str,
        *needs: str,
        start: Callable[[], Awaitable[object]] | None = None,
        stop: Callable[[], Awaitable[object]] | None = None,
    ) -> Step:
        async def begin(on_stop: OnStop) -> None:
            async def end() -> None:
                self.log.append(f"-{name}")
                if stop is not None:
                    await stop()

            on_stop(end)
            self.log.append(f"+{name}")
            if start is not None:
                await start()

        return Step(name, begin, needs)


async def fail() -> None:
    raise ValueError("broken")


async def hang() -> None:
    await asyncio.Event().wait()


async def cling() -> None:
    """Swallow one cancellation, as careless code does."""
    try:
        await hang()
    except asyncio.CancelledError:
        await asyncio.sleep(0.2)


async def test_stop_is_the_reverse_of_start() -> None:
    """Steps start after their needs and stop in exactly the opposite order."""
    bench = Bench()

    await bench.engine.start([bench.step("api", "repo"), bench.step("repo", "db"), bench.step("db")])
    await bench.engine.stop()

    assert bench.log == ["+db", "+repo", "+api", "-api", "-repo", "-db"]
    assert bench.engine.state is State.STOPPED


async def test_a_failed_start_is_undone() -> None:
    """When a step fails, what had started stops again, the failing step's own part included, and the step is named."""
    bench = Bench()

    with pytest.RaisesGroup(StepFailed) as caught:
        await bench.engine.start([bench.step("a"), bench.step("b", start=fail), bench.step("c")])

    (failure,) = caught.value.exceptions
    assert isinstance(failure, StepFailed)
    assert (failure.name, failure.action) == ("b", "start")
    assert isinstance(failure.__cause__, ValueError)
    assert bench.log == ["+a", "+b", "-b", "-a"]


async def test_failures_of_start_and_undoing_are_one_group() -> None:
    """When undoing fails as well, one group holds the start's failure first and then the others."""
    bench = Bench()

    with pytest.raises(ExceptionGroup) as caught:
        await bench.engine.start([bench.step("a", stop=fail), bench.step("b", start=fail)])

    assert [(one.name, one.action) for one in caught.value.exceptions if isinstance(one, StepFailed)] == [
        ("b", "start"),
        ("a", "stop"),
    ]


async def test_a_stop_goes_on_after_errors() -> None:
    """Every step is stopped whatever the others do, and one group names each that failed."""
    bench = Bench()
    await bench.engine.start([bench.step("a", stop=fail), bench.step("b"), bench.step("c", stop=fail)])

    with pytest.raises(ExceptionGroup) as caught:
        await bench.engine.stop()

    assert bench.log[-3:] == ["-c", "-b", "-a"]
    assert [one.name for one in caught.value.exceptions if isinstance(one, StepFailed)] == ["c", "a"]


async def test_a_hung_stop_is_cut() -> None:
    """A hook that never ends costs its own budget, and its stack is noted; the others stop after it."""
    bench = Bench()
    await bench.engine.start([bench.step("a"), bench.step("b", stop=hang)])

    with pytest.raises(ExceptionGroup) as caught:
        await bench.engine.stop()

    (failure,) = caught.value.exceptions
    assert "b: stop failed: did not end within 0.05 s" in str(failure)
    assert failure.__cause__ is not None
    assert "in hang" in "".join(failure.__cause__.__notes__)
    assert bench.log[-1] == "-a"


async def test_a_stop_that_swallows_its_cancellation_is_left_behind() -> None:
    """A hook that ignores being cancelled cannot hold up the stop."""
    bench = Bench()
    await bench.engine.start([bench.step("a"), bench.step("b", stop=cling)])

    with pytest.raises(ExceptionGroup):
        await asyncio.wait_for(bench.engine.stop(), 1)

    assert bench.log[-1] == "-a"


async def test_a_blocking_stop_cannot_hold_the_loop() -> None:
    """A plain function that blocks runs on a daemon thread and is left there when its time is over."""
    bench, release = Bench(), threading.Event()

    async def start(on_stop: OnStop) -> None:
        on_stop(release.wait, where=Where.THREAD)

    await bench.engine.start([bench.step("a"), Step("blocking", start, ("a",))])

    with pytest.raises(ExceptionGroup, match="blocking") as caught:
        await bench.engine.stop()
    release.set()

    (failure,) = caught.value.exceptions
    assert failure.__cause__ is not None
    assert "wait" in "".join(failure.__cause__.__notes__)
    assert bench.log[-1] == "-a"


async def test_the_whole_stop_has_a_budget() -> None:
    """Many hung hooks share one budget; each still gets a moment, so that the last can close its files."""
    bench = Bench(LifecycleSettings(hook_s=0.2, hooks_s=0.2))
    await bench.engine.start([bench.step("db"), *(bench.step(f"hung{i}", stop=hang) for i in range(3))])
    began = asyncio.get_running_loop().time()

    with pytest.raises(ExceptionGroup):
        await bench.engine.stop()

    assert asyncio.get_running_loop().time() - began < 0.9
    assert bench.log[-1] == "-db"


async def test_the_whole_start_has_a_budget() -> None:
    """A start that takes too long fails, naming the step that hung, and is undone."""
    bench = Bench()

    with pytest.RaisesGroup(pytest.RaisesExc(StepFailed, match="b: start failed: did not end")):
        await bench.engine.start([bench.step("a"), bench.step("b", start=hang)])

    assert bench.log[-2:] == ["-b", "-a"]


async def test_cancelling_a_start_undoes_it() -> None:
    """A start that is cancelled, even twice, is undone to the end before the cancellation goes on."""
    bench, slow = Bench(LifecycleSettings(hook_s=1, hooks_s=1)), asyncio.Event()
    starting = asyncio.create_task(
        bench.engine.start([bench.step("a", stop=slow.wait), bench.step("b", start=hang)])
    )
    await turned(lambda: "+b" in bench.log)

    starting.cancel()
    await turned(lambda: "-a" in bench.log)
    starting.cancel()
    await asyncio.sleep(0)
    slow.set()
    with pytest.raises(asyncio.CancelledError):
        await starting

    assert bench.log == ["+a", "+b", "-b", "-a"]
    assert bench.engine.state is State.STOPPED
    assert bench.events[-1].error is None


async def test_cancelling_a_stop_does_not_cut_it_short() -> None:
    """A stop whose caller is cancelled still stops everything."""
    bench, slow = Bench(LifecycleSettings(hook_s=1, hooks_s=1)), asyncio.Event()
    await bench.engine.start([bench.step("a"), bench.step("b", stop=slow.wait)])
    stopping = asyncio.create_task(bench.engine.stop())
    await asyncio.sleep(0)

    stopping.cancel()
    await asyncio.sleep(0)
    slow.set()
    with pytest.raises(asyncio.CancelledError):
        await stopping

    assert bench.log[-2:] == ["-b", "-a"]


async def test_a_stop_waits_for_the_start_under_way() -> None:
    """A stop that comes during a start waits for its turn, and then stops what has started."""
    bench, slow = Bench(), asyncio.Event()
    starting = asyncio.create_task(bench.engine.start([bench.step("a", start=slow.wait), bench.step("b")]))
    await asyncio.sleep(0)

    stopping = asyncio.create_task(bench.engine.stop())
    await asyncio.sleep(0)
    slow.set()
    await asyncio.gather(starting, stopping)

    assert bench.log == ["+a", "+b", "-b", "-a"]


async def test_stops_at_the_same_time_are_one() -> None:
    """Several stops at once stop each step once, all learn of the failure, and a later one does nothing."""
    bench = Bench()
    await bench.engine.start([bench.step("a", stop=fail), bench.step("b")])

    answers = await asyncio.gather(*(bench.engine.stop() for _ in range(5)), return_exceptions=True)
    await bench.engine.stop()

    assert [type(answer) for answer in answers] == [ExceptionGroup] * 5
    assert bench.log == ["+a", "+b", "-b", "-a"]


async def test_it_starts_once_and_again_after_a_stop() -> None:
    """A second start is an error while it runs, and fine after a stop."""
    bench = Bench()
    await bench.engine.start([bench.step("a")])

    with pytest.raises(LifecycleStateError, match="running"):
        await bench.engine.start([bench.step("a")])
    await bench.engine.stop()
    await bench.engine.start([bench.step("a")])
    await bench.engine.stop()

    assert bench.log == ["+a", "-a"] * 2


def test_another_loop_cannot_stop_it() -> None:
    """A stop in another loop than the start's is refused in words, and changes nothing."""
    bench = Bench()
    asyncio.run(bench.engine.start([bench.step("a")]))

    with pytest.raises(LifecycleStateError, match="another event loop"):
        asyncio.run(bench.engine.stop())

    assert bench.engine.state is State.RUNNING


async def test_each_step_is_an_event() -> None:
    """Every start and stop is published with its duration, and with its failure where there is one."""
    bench = Bench()
    await bench.engine.start([bench.step("a", stop=fail), bench.step("b")])
    with pytest.raises(ExceptionGroup):
        await bench.engine.stop()

    assert [(e.name, e.action, e.error is None) for e in bench.events] == [
        ("a", "start", True),
        ("b", "start", True),
        ("b", "stop", True),
        ("a", "stop", False),
    ]
    assert all(event.duration_s >= 0 for event in bench.events)


async def test_steps_may_be_appended_while_starting() -> None:
    """A step that is appended during the start comes after all others, and stops first."""
    bench = Bench()

    async def append() -> None:
        bench.engine.append(bench.step("late"))

    await bench.engine.start([bench.step("a", start=append), bench.step("b")])
    await bench.engine.stop()

    assert bench.log == ["+a", "+b", "+late", "-late", "-b", "-a"]


async def test_what_still_has_to_stop_can_be_told() -> None:
    """While it stops, `pending` names what has not stopped yet, the one under way first."""
    bench, seen = Bench(), list[tuple[str, ...]]()

    async def look() -> None:
        seen.append(bench.engine.pending)

    await bench.engine.start([bench.step("a", stop=look), bench.step("b", stop=look)])
    await bench.engine.stop()

    assert seen == [("b", "a"), ("a",)]


def test_without_a_loop_steps_that_never_wait_run_at_the_call() -> None:
    """`start_now` and `stop_now` do the same in place; a step that has to wait fails in words, and is undone."""
    bench = Bench()

    async def start(on_stop: OnStop) -> None:
        on_stop(lambda: bench.log.append("-sync"), where=Where.THREAD)
        bench.log.append("+sync")

    async def wait(_: OnStop) -> None:
        await asyncio.futures.Future(loop=loop)

    bench.engine.start_now([Step("sync", start)])
    bench.engine.stop_now()
    loop = asyncio.new_event_loop()
    with pytest.RaisesGroup(pytest.RaisesExc(StepFailed, match="without a running loop")):
        bench.engine.start_now([Step("sync", start), Step("waits", wait)])
    loop.close()

    assert bench.log == ["+sync", "-sync"] * 2
