"""Steps that start together, budgets of single steps, what comes too late, and the record of a start."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from arbiter.errors import StepFailed
from arbiter.events import StepFinished
from arbiter.lifecycle.engine import Engine, OnStop, Starting, State, Step
from arbiter.lifecycle.settings import ComponentBudget, LifecycleSettings
from arbiter.lifecycle.threads import Threads
from tests.waiting import turned, until

Hook = Callable[[], Awaitable[object]]


class Bench:
    """An engine whose steps write down what happens to them."""

    def __init__(self, **budgets: object) -> None:
        self.log: list[str] = []
        self.told: list[tuple[str, str]] = []
        self.engine = Engine(self._note, LifecycleSettings.model_validate(budgets))

    def _note(self, event: object) -> None:
        assert isinstance(event, StepFinished)
        self.told.append((event.action, event.name))

    def step(self, name: str, *needs: str, start: Hook | None = None) -> Step:
        async def begin(on_stop: OnStop) -> None:
            async def end() -> None:
                self.log.append(f"-{name}")

            self.log.append(f"+{name}")
            if start is not None:
                await start()
            on_stop(end)

        return Step(name, begin, needs)


async def fail() -> None:
    raise OSError("no")


async def test_independent_steps_start_together() -> None:
    """With `start_at_once`, steps that do not need each other overlap, and what needs them waits for both."""
    bench, both = Bench(start_at_once=4), asyncio.Barrier(2)

    await bench.engine.start(
        [bench.step("a", start=both.wait), bench.step("b", start=both.wait), bench.step("c", "a", "b")]
    )
    await bench.engine.stop()

    assert bench.log == ["+a", "+b", "+c", "-c", "-b", "-a"]


async def test_one_after_the_other_unless_asked() -> None:
    """By default a step begins when the one before it has started."""
    bench, seen = Bench(), list[str]()

    async def look() -> None:
        await asyncio.sleep(0)
        seen.append(",".join(bench.log))

    await bench.engine.start([bench.step("a", start=look), bench.step("b", start=look)])

    assert seen == ["+a", "+a,+b"]


async def test_no_more_than_asked_start_at_once() -> None:
    """`start_at_once` is a limit."""
    bench, under_way, most = Bench(start_at_once=3), 0, 0

    async def count() -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1

    await bench.engine.start([bench.step(f"s{n}", start=count) for n in range(20)])

    assert most == 3


async def test_a_start_is_reported_in_its_order_whoever_ends_first() -> None:
    """Events, the record and the stop keep the order of the plan, although b ended before a."""
    bench, b_ended = Bench(start_at_once=2), asyncio.Event()

    async def end_b() -> None:
        b_ended.set()

    await bench.engine.start([bench.step("a", start=b_ended.wait), bench.step("b", start=end_b)])
    steps = [step.name for step in bench.engine.startup.steps]
    await bench.engine.stop()

    assert bench.told == [("start", "a"), ("start", "b"), ("stop", "b"), ("stop", "a")]
    assert steps == ["a", "b"]


async def test_a_failure_cancels_those_that_start_beside_it() -> None:
    """When one fails, its siblings are cancelled, nothing new begins, and what had started stops."""
    bench, hung = Bench(start_at_once=3), asyncio.Event()

    async def fail_later() -> None:
        await turned(lambda: "+slow" in bench.log)
        raise OSError("no")

    steps = [
        bench.step("done"),
        bench.step("bad", start=fail_later),
        bench.step("slow", start=hung.wait),
        bench.step("never", "bad"),
    ]
    with pytest.RaisesGroup(pytest.RaisesExc(StepFailed, match="bad: start failed")):
        await bench.engine.start(steps)

    assert bench.log == ["+done", "+bad", "+slow", "-done"]
    assert bench.engine.state is State.STOPPED


async def test_failures_of_siblings_are_one_group_in_order() -> None:
    """Two that fail together are both named, in the order of the plan."""
    bench, both = Bench(start_at_once=2), asyncio.Barrier(2)

    async def fail_together() -> None:
        await both.wait()
        raise OSError("no")

    with pytest.raises(ExceptionGroup, match="start failed: a, b"):
        await bench.engine.start([bench.step("a", start=fail_together), bench.step("b", start=fail_together)])


async def test_one_step_may_have_its_own_budget() -> None:
    """`start_hook_s` limits each step, and `components` changes that for one of them."""
    hang = asyncio.Event().wait

    for budgets in ({"start_hook_s": 0.02}, {"components": {"b": ComponentBudget(start_s=0.02)}}):
        bench = Bench(**budgets)
        with pytest.RaisesGroup(
            pytest.RaisesExc(StepFailed, match=r"b: start failed: did not end within 0\.02 s")
        ):
            await bench.engine.start([bench.step("a"), bench.step("b", start=hang)])
        assert bench.log == ["+a", "+b", "-a"]


def test_a_budget_that_could_never_be_used_up_is_refused() -> None:
    """A component's own budget above that of the whole is an error of the settings."""
    with pytest.raises(ValueError, match=r"components\.db\.stop_s \(9\) is above hooks_s \(6\)"):
        LifecycleSettings(components={"db": ComponentBudget(stop_s=9)})
    with pytest.raises(ValueError, match=r"components\.db\.start_s \(90\) is above start_s \(60\)"):
        LifecycleSettings(components={"db": ComponentBudget(start_s=90)})


async def test_what_a_given_up_start_still_does_is_undone() -> None:
    """A start that swallows its cancellation and succeeds later is undone then: nothing stays open."""
    bench, release = Bench(start_hook_s=0.01), asyncio.Event()

    async def cling() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    with pytest.RaisesGroup(StepFailed):
        await bench.engine.start([bench.step("a"), bench.step("b", start=cling)])
    assert bench.log == ["+a", "+b", "-a"]
    release.set()
    await turned(lambda: bench.log[-1] == "-b")


async def test_a_blocking_part_of_a_start_can_be_given_up() -> None:
    """What may block runs on a daemon thread; its stack is noted when its time is over."""
    release = threading.Event()

    async def start(starting: Starting) -> None:
        await starting.blocking(release.wait)

    with pytest.raises(ExceptionGroup) as caught:
        await Bench(start_hook_s=0.05).engine.start([Step("blocking", start)])
    release.set()

    cause = caught.value.exceptions[0].__cause__
    assert cause is not None
    assert "threading.py" in "".join(cause.__notes__)


async def test_a_start_is_recorded() -> None:
    """The record says what runs now, how long the rest took, and in the end what failed."""
    bench, go = Bench(), asyncio.Event()
    assert bench.engine.startup.outcome == "never"
    starting = asyncio.create_task(
        bench.engine.start([bench.step("a"), bench.step("b", start=go.wait), bench.step("c", start=fail)])
    )
    await turned(lambda: "+b" in bench.log)

    during = bench.engine.startup
    go.set()
    with pytest.RaisesGroup(StepFailed):
        await starting
    after = bench.engine.startup

    assert (during.outcome, [step.outcome for step in during.steps]) == ("running", ["started", "running"])
    assert during.steps[1].duration_s > 0
    assert after.outcome == "failed"
    assert [(step.name, step.outcome) for step in after.steps] == [
        ("a", "started"),
        ("b", "started"),
        ("c", "failed"),
    ]
    assert "OSError" in after.steps[2].error
    assert 0 <= after.steps[0].began_s <= after.steps[1].began_s <= after.duration_s
    assert after.started_at is not None


async def test_threads_are_used_again_and_end() -> None:
    """Calls one after the other share a thread, which ends when it is no longer wanted."""
    threads, idents = Threads(), set[int]()
    before = threading.active_count()

    for _ in range(5):
        idents.add(await threads.run(threading.get_ident, "it"))
    threads.close()

    assert len(idents) == 1
    assert idents != {threading.get_ident()}
    assert threading.active_count() == before


async def test_a_thread_that_hangs_is_left_behind() -> None:
    """Whoever waited can go on; the thread ends with its call."""
    threads, release = Threads(), threading.Event()
    waiting = asyncio.create_task(threads.run(release.wait, "stuck"))
    await turned(lambda: "wait" in threads.stack("stuck"))

    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await threads.run(lambda: 1, "other") == 1
    release.set()
    threads.close()

    await until(lambda: not {"stuck", "other"} & {thread.name for thread in threading.enumerate()})
