"""What a finished engine does, by scenario: failing hooks, a failed start, budgets, a hundred lives."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from dependency_injector import providers

from arbiter.container.base import Container
from arbiter.errors import StepFailed
from arbiter.events import StepFinished
from arbiter.lifecycle.settings import LifecycleSettings
from tests.container.kit import Journal, Plain, Recorder

journal = Journal()


def budgets(**values: Any) -> Any:
    """A provider of settings with these budgets."""
    return providers.Object(type("Settings", (), {"lifecycle": LifecycleSettings(**values)})())


class Worker:
    """A component that fails, or hangs, where it is told to."""

    def __init__(self, name: str, *_: object, fails: str = "") -> None:
        self._name, self._fails = name, fails

    async def start(self) -> None:
        journal.lines.append(f"+{self._name}")
        if self._fails == "start":
            raise ConnectionError("refused")

    async def stop(self) -> None:
        journal.lines.append(f"-{self._name}")
        if self._fails == "stop":
            raise OSError("disk full")
        if self._fails == "hang":
            await asyncio.Event().wait()


def five(**fails: str) -> Any:
    """Five in a row: one <- two <- three <- four <- five."""
    made: dict[str, Any] = {
        "settings": budgets(hook_s=0.05, hooks_s=0.2),
        "events": providers.Singleton(Recorder),
    }
    below: list[Any] = []
    for name in ("one", "two", "three", "four", "five"):
        made[name] = providers.Singleton(Worker, name, *below, fails=fails.get(name, ""))
        below = [made[name]]
    return type("Five", (Container,), made)()


async def test_s06_the_others_stop_when_one_hook_fails() -> None:
    """One hook fails: the other four run in reverse order, and the error names its provider."""
    container = five(three="stop")
    await container.start()
    journal.take()

    with pytest.raises(ExceptionGroup, match="stop failed: three") as caught:
        await container.stop()

    assert journal.take() == ["-five", "-four", "-three", "-two", "-one"]
    assert caught.group_contains(StepFailed, match="three: stop failed: OSError: disk full")


async def test_s10_a_failed_start_stops_what_had_started() -> None:
    """The third of five fails: the second and first are stopped, the fourth and fifth never began."""
    container = five(three="start")

    with pytest.RaisesGroup(pytest.RaisesExc(StepFailed, match="three: start failed: ConnectionError")):
        await container.start()

    assert journal.take() == ["+one", "+two", "+three", "-two", "-one"]
    assert container.components() == {}
    assert [step.outcome for step in container.startup().steps][-1] == "failed"


async def test_s12_each_hook_gets_its_budget_or_what_is_left() -> None:
    """Hanging hooks get `hook_s` each until `hooks_s` is spent, then a grace; the last still closes."""
    container = five(two="hang", three="hang", four="hang", five="hang")
    await container.start()
    recorder = container.events()

    with pytest.raises(ExceptionGroup, match="five, four, three, two"):
        await container.stop()

    assert journal.take()[-1] == "-one"
    hung = [e.duration_s for e in recorder.seen if isinstance(e, StepFinished) and e.error is not None]
    assert len(hung) == 4
    assert all(0.04 < duration < 0.5 for duration in hung)


async def test_s12_one_component_may_have_its_own_budget() -> None:
    """`[lifecycle.components.<name>]` gives one hook more time, and a name that does not exist is found."""

    class Slow(Container):
        settings = budgets(hook_s=0.01, hooks_s=5, components={"slow": {"stop_s": 4}})
        slow = providers.Resource(lambda: taking_its_time())  # noqa: PLW0108  a generator, returned by a lambda

    async with Slow():
        pass


async def taking_its_time() -> AsyncIterator[str]:
    yield "slow"
    await asyncio.sleep(0.03)


def state_of_the_process() -> dict[str, Any]:
    gc.collect()
    return {
        "threads": threading.active_count(),
        "files": len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0,
        "tasks": len(asyncio.all_tasks()),
        "signals": [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)],
    }


async def test_s16_a_hundred_lives_leave_nothing() -> None:
    """A hundred starts and stops in one process: no thread, file, task or signal handler is left."""

    def opened() -> Iterator[int]:
        number = os.open(os.devnull, os.O_RDONLY)
        yield number
        os.close(number)

    class Shop(Container):
        events = providers.Singleton(Recorder)
        file = providers.Resource(opened)
        database = providers.Resource(journal.async_resource("database"))
        stock = providers.Singleton(journal.component("stock"), database, file)
        orders = providers.Singleton(Plain, stock)

    again = Shop()
    async with again:
        pass
    before = state_of_the_process()

    for _ in range(50):
        async with Shop():
            pass
        async with again:
            pass

    assert state_of_the_process() == before
    journal.take()
