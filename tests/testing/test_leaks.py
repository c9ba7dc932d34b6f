"""What a test leaves behind is found, each kind; what is only slow to end is not."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from pathlib import Path

import pytest
from dependency_injector import providers

from arbiter.container.base import Container
from arbiter.testing.fixtures import Applications
from arbiter.testing.leaks import Footprint, LeakFound, leaving_no_task
from tests.testing.shop import Shop

pytest_plugins = ["pytester"]


class Shelf(Container):
    """A container whose class can be overridden by mistake."""

    thing = providers.Object(1)


def test_a_thread_is_found() -> None:
    """A thread that goes on is named."""
    before, stop = Footprint.now(), threading.Event()
    thread = threading.Thread(target=stop.wait, name="forgotten")
    thread.start()

    with pytest.raises(LeakFound, match="the thread 'forgotten'"):
        before.require_nothing_more(patience_s=0)
    stop.set()
    before.require_nothing_more()


def test_an_open_file_is_found(tmp_path: Path) -> None:
    """A descriptor is told by what it is open to."""
    before = Footprint.now()
    opened = os.open(tmp_path / "left.txt", os.O_CREAT)

    with pytest.raises(LeakFound, match=r"1 open file descriptor: .*left\.txt"):
        before.require_nothing_more(patience_s=0)
    os.close(opened)
    before.require_nothing_more()


def test_an_open_socket_is_found() -> None:
    """Sockets are counted."""
    before = Footprint.now()

    with socket.socket(), pytest.raises(LeakFound, match="socket"):
        before.require_nothing_more(patience_s=0)


def test_a_signal_handler_is_found() -> None:
    """A handler that was set and not given back is named."""
    before = Footprint.now()
    earlier = signal.signal(signal.SIGUSR1, lambda *_: None)

    with pytest.raises(LeakFound, match="a handler of SIGUSR1"):
        before.require_nothing_more(patience_s=0)
    signal.signal(signal.SIGUSR1, earlier)
    before.require_nothing_more()


def test_an_override_of_a_class_is_found() -> None:
    """An override of the class, rather than of an instance, would reach every later test."""
    before = Footprint.now()

    with Shelf.thing.override(2), pytest.raises(LeakFound, match=r"Shelf\.thing"):
        before.require_nothing_more(patience_s=0)
    before.require_nothing_more()


async def test_a_task_is_found() -> None:
    """A task that is still there when the test ends fails it."""
    left: list[asyncio.Task[None]] = []

    async def forgetful() -> None:
        left.append(asyncio.create_task(asyncio.sleep(3600), name="forgotten"))

    with pytest.raises(LeakFound, match="the task 'forgotten'"):
        await leaving_no_task(forgetful)()
    left[0].cancel()


async def test_a_task_that_ends_soon_is_none() -> None:
    """Something may be on its way out when the test ends."""

    async def tidy() -> None:
        tasks.append(asyncio.create_task(asyncio.sleep(0.01)))

    tasks: list[asyncio.Task[None]] = []
    await leaving_no_task(tidy)()

    assert tasks[0].done()


def test_the_plugin_finds_them_in_a_users_tests(pytester: pytest.Pytester) -> None:
    """A test that uses `application` and forgets a task, a thread or an override is an error; a tidy one passes."""
    pytester.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n")
    pytester.makepyfile(
        """
        import asyncio
        import threading
        from dependency_injector import providers
        from arbiter import Infrastructure

        class Shop(Infrastructure):
            thing = providers.Object(1)

        tasks, stop = [], threading.Event()

        async def test_tidy(application):
            async with application(Shop) as shop:
                assert shop.thing() == 1

        def test_tidy_and_plain(application):
            with application(Shop) as shop:
                assert shop.thing() == 1

        async def test_forgets_a_task(application):
            async with application(Shop):
                tasks.append(asyncio.create_task(asyncio.sleep(60)))

        def test_forgets_a_thread(application):
            threading.Thread(target=stop.wait, daemon=True).start()

        def test_forgets_an_override(application):
            stop.set()
            Shop.thing.override(2)
        """
    )

    outcome = pytester.runpytest_subprocess("-p", "no:cacheprovider")

    outcome.assert_outcomes(passed=4, failed=1, errors=2)
    outcome.stdout.fnmatch_lines(["*the thread *", "*Shop.thing*", "*the task *sleep*"])


def test_the_plugin_costs_nothing_where_unused(pytester: pytest.Pytester) -> None:
    """Without one of its fixtures, no part of the framework but its name is imported."""
    pytester.makepyfile(
        """
        import sys

        def test_nothing_is_imported():
            heavy = {"dependency_injector", "opentelemetry", "structlog", "dynaconf", "starlette", "pydantic"}
            assert heavy.isdisjoint(sys.modules)
        """
    )

    outcome = pytester.runpytest_subprocess(
        "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "no:schemathesis"
    )

    outcome.assert_outcomes(passed=1)


@pytest.mark.parametrize("forgotten", range(3))
async def test_s16_cycles_leave_nothing(application: Applications, forgotten: int) -> None:
    """Starting and stopping again and again in one process grows nothing."""
    for _ in range(5 + forgotten):
        async with application(Shop) as shop:
            await shop.orders().place("tea")
