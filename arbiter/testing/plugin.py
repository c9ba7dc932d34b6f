"""The pytest plugin, found by its entry point: fixtures that compose, serve, record, and look for what is left.

It costs nothing where none of its fixtures is used: the framework is imported by the first one that is.

| fixture | what it is |
|---|---|
| `application` | `async with application(Shop, overrides=..., settings=...) as shop`; with `with` in a plain test |
| `running` | the same, served by HTTP: `async with running(create_app()) as service` |
| `recorded` | spans, metrics, logs and events of every application of the test |
| `fake_clock` | a clock at a standstill, to be passed as `clock=` |
| `no_leaks` | fails the test when a task, thread, descriptor, override or signal handler outlives it; the first two use it |
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from arbiter.testing.clock import FakeClock
    from arbiter.testing.fixtures import Applications, Services
    from arbiter.testing.recording import Recording

__all__ = ["application", "fake_clock", "no_leaks", "recorded", "running"]


@pytest.fixture
def recorded() -> Recording:
    """What the applications of this test say: spans, metrics, logs, events."""
    from arbiter.testing.recording import Recording  # noqa: PLC0415  nothing is imported until it is used

    return Recording()


@pytest.fixture
def fake_clock() -> FakeClock:
    """A clock that moves when the test says so."""
    from arbiter.testing.clock import FakeClock  # noqa: PLC0415

    return FakeClock()


@pytest.fixture
def no_leaks() -> Iterator[None]:
    """Fails the test when something outlives it."""
    from arbiter.testing.leaks import Footprint  # noqa: PLC0415

    before = Footprint.now()
    yield
    before.require_nothing_more()


@pytest.fixture
def application(no_leaks: None, recorded: Recording, pytestconfig: pytest.Config) -> Applications:  # noqa: ARG001
    """Composes fresh applications; their settings files are looked for in pytest's root folder."""
    from arbiter.testing.fixtures import Applications  # noqa: PLC0415

    return Applications(recorded, pytestconfig.rootpath)


@pytest.fixture
def running(no_leaks: None, recorded: Recording, pytestconfig: pytest.Config) -> Services:  # noqa: ARG001
    """Serves fresh applications on free ports."""
    from arbiter.testing.fixtures import Services  # noqa: PLC0415

    return Services(recorded, pytestconfig.rootpath)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let an asynchronous test that looks for leaks look at its tasks, too, while its loop is there."""
    if not isinstance(item, pytest.Function) or "no_leaks" not in item.fixturenames:
        return
    test: Any = item.obj
    if inspect.iscoroutinefunction(test):
        from arbiter.testing.leaks import leaving_no_task  # noqa: PLC0415

        item.obj = leaving_no_task(test)
