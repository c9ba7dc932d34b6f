"""A whole life in this process: on a thread that is not the main one, so that nothing is taken over."""

from __future__ import annotations

import asyncio
import atexit
import gc
import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx2
import pytest
from dependency_injector import providers

from arbiter import App, Infrastructure
from arbiter.events import StepFinished
from arbiter.host.outcome import ExitCode, Ready
from arbiter.lifecycle.background import Background
from arbiter.settings.sources import Sources
from arbiter.testing.clock import FakeClock
from tests.processes import until


class Dying:
    """A component whose background task always fails."""

    def __init__(self, background: Background) -> None:
        self._background = background

    async def start(self) -> None:
        """Ask for the task."""
        self._background.keep("listen", self._listen)

    async def _listen(self) -> None:
        raise OSError("no route to host")


class Mill:
    """A component whose `run()` is an application's work: it does as its `order` says."""

    def __init__(self) -> None:
        self.order = ""
        self.seen: list[str] = []
        self.ordered = asyncio.Event()

    async def run(self) -> None:
        """Work until there is an order."""
        self.seen.append("run")
        try:
            await self.ordered.wait()
        finally:
            self.seen.append("unwound")
        if self.order == "fail":
            raise OSError("the stones are worn")

    async def stop(self) -> None:
        """Say so."""
        self.seen.append("stopped")


class Shop(Infrastructure):
    """An application with a task that dies."""

    dying = providers.Singleton(Dying, Infrastructure.background)


class Grinding(Infrastructure):
    """An application without HTTP."""

    mill = providers.Singleton(Mill)


class Idler:
    """A component that has nothing to do."""


class Idle(Grinding):
    """An application whose work may be something that does not work."""

    idle = providers.Singleton(Idler)


class Heard:
    """An event sink that remembers which parts stopped."""

    def __init__(self) -> None:
        self.stopped: list[str] = []

    def publish(self, event: object) -> None:
        """Take one event."""
        if isinstance(event, StepFinished) and event.action == "stop":
            self.stopped.append(event.name)


class Life:
    """One run of an application on a thread."""

    def __init__(self, app: App, folder: Path, **settings: str) -> None:
        free = {"server.port": "0", "management.port": "0", "lifecycle.pre_drain_s": "0"}
        app.configure(Sources(directory=folder, environment="test", overrides={**free, **settings}))
        self.app, self.reported = app, list[BaseException]()
        self.code: int | None = None
        self.fails = False
        self.ready: Ready | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        self.code = self.app.run(on_ready=self._now_ready, report=self.reported.append)

    def _now_ready(self, ready: Ready) -> None:
        if self.fails:
            raise OSError("nobody listens")
        self.ready = ready

    def lived(self) -> int:
        """From the beginning to the end; the exit code."""
        self._thread.start()
        return self.ended()

    def ended(self) -> int:
        """Wait for the end; the exit code."""
        self._thread.join(20)
        assert self.code is not None, "it goes on"
        return self.code

    def on_loop(self, act: Callable[[], None]) -> None:
        """Do something in the application's loop."""
        host = self.app._host
        assert host is not None
        host._on_loop(act)

    @contextmanager
    def going(self) -> Iterator[Ready]:
        """From ready to ended."""
        self._thread.start()
        until(lambda: self.ready or not self._thread.is_alive(), what="ready")
        try:
            assert self.ready is not None, self.reported
            yield self.ready
        finally:
            self.app.ask_to_stop()
            self._thread.join(20)


def test_s13_a_background_task_that_dies_for_good_stops_the_host_with_70(tmp_path: Path) -> None:
    """After five restarts the host stops well, says which task it was, and ends with 70."""
    life, clock = Life(App(Shop), tmp_path), FakeClock()
    life.app.container.clock.override(providers.Object(clock))
    with life.going() as ready:
        states = list[str]()
        for wait_s in (1, 2, 4, 8, 16):
            until(lambda: _task(ready)["state"] == "backing-off", what="a failure")
            states.append(f"{_task(ready)['failures']} {wait_s}")
            clock.advance(wait_s)
            until(_tried_again(life, ready, len(states)), what="the next attempt")
        code = life.ended()

    assert states == ["1 1", "2 2", "3 4", "4 8", "5 16"]
    assert code == ExitCode.INTERNAL
    assert "'listen' failed again after 5 restarts" in str(life.reported[0])


def test_an_application_without_http_runs_its_work_and_opens_no_main_port(tmp_path: Path) -> None:
    """`run=` names the component that works; asked to stop, it unwinds before the components stop."""
    life = Life(App(Grinding, run="mill"), tmp_path)
    with life.going() as ready:
        mill = _mill(life)
        in_flight = httpx2.get(f"{ready.management_url}/tasks").json()["in_flight"]

    assert ready.url == ""
    assert in_flight["work"] == 1
    assert mill.seen == ["run", "unwound", "stopped"]
    assert life.code == ExitCode.CLEAN


@pytest.mark.parametrize(("order", "code"), [("end", ExitCode.CLEAN), ("fail", ExitCode.INTERNAL)])
def test_an_application_ends_with_its_work(tmp_path: Path, order: str, code: int) -> None:
    """When the work returns the host stops with 0, when it raises with 70; the components stop either way."""
    life = Life(App(Grinding, run="mill"), tmp_path)
    with life.going():
        mill = _mill(life)
        mill.order = order
        life.on_loop(mill.ordered.set)
        ended = life.ended()

    assert ended == code
    assert mill.seen == ["run", "unwound", "stopped"]
    assert [str(error) for error in life.reported] == (["the stones are worn"] if order == "fail" else [])


@pytest.mark.parametrize("part", ["idle", "mill"])
def test_work_that_cannot_begin_stops_what_had_started(tmp_path: Path, part: str) -> None:
    """A component without `run()`, or whoever hears that it is ready and fails: the components stop all the same."""
    life = Life(App(Idle, run=part), tmp_path)
    life.fails, heard = part == "mill", Heard()
    life.app.container.events().add(heard)
    code = life.lived()

    assert code == (ExitCode.INTERNAL if life.fails else ExitCode.START_FAILED)
    assert ("nobody listens" if life.fails else "Idler has no run().") in str(life.reported[0])
    assert "mill" in heard.stopped


def test_outside_the_main_thread_no_signal_is_taken_over(tmp_path: Path) -> None:
    """The embedder's handlers stay as they are, and `ask_to_stop` is the way to end."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
    before = [signal.getsignal(number) for number in numbers]
    life = Life(App(Infrastructure), tmp_path)
    with life.going() as ready:
        during = [signal.getsignal(number) for number in numbers]
        answered = httpx2.get(f"{ready.url}/readyz").status_code

    assert before == during
    assert answered == 200
    assert life.code == ExitCode.CLEAN


def test_maintenance_is_a_phase_of_the_host(tmp_path: Path) -> None:
    """The operator's `PUT /maintenance` moves the host there and back, and the timeline shows it."""
    life = Life(App(Infrastructure), tmp_path, **{"management.token": "right"})
    with life.going() as ready, httpx2.Client(base_url=ready.management_url) as operator:
        operator.headers["Authorization"] = "Bearer right"
        for on, phase in ((True, "maintenance"), (False, "running")):
            operator.put("/maintenance", json={"on": on}).raise_for_status()
            until(partial(_is_in, operator, phase), what=phase)
        phases = [one["phase"] for one in operator.get("/startup").json()["phases"]]

    assert phases == ["created", "configuring", "starting", "running", "maintenance", "running"]


@pytest.mark.parametrize("lives", [10, pytest.param(100, marks=pytest.mark.soak)])
def test_s16_lives_leave_nothing_behind(tmp_path: Path, lives: int) -> None:
    """After many whole lives in one process there is no more of anything than after the second."""
    counts = list[dict[str, int]]()
    for _ in range(lives):
        life = Life(App(Infrastructure), tmp_path)
        with life.going():
            pass
        assert life.code == ExitCode.CLEAN
        gc.collect()  # a loop's own descriptors live until its last cycle is collected
        counts.append(
            {
                "threads": threading.active_count(),
                "descriptors": len(list(Path("/proc/self/fd").iterdir())),
                "exit hooks": atexit._ncallbacks(),
                "log handlers": len(logging.getLogger().handlers),
            }
        )

    assert counts[-1] == counts[1]


def _mill(life: Life) -> Mill:
    mill = life.app.container.components()["mill"]
    assert isinstance(mill, Mill)
    return mill


def _task(ready: Ready) -> dict[str, object]:
    (task,) = httpx2.get(f"{ready.management_url}/tasks").json()["background"]
    return dict(task)


def _is_in(operator: httpx2.Client, phase: str) -> bool:
    return bool(operator.get("/tasks").json()["phase"] == phase)


def _tried_again(life: Life, ready: Ready, failures: int) -> Callable[[], bool]:
    return lambda: life.code is not None or _failures(ready) != failures


def _failures(ready: Ready) -> object:
    try:
        return _task(ready)["failures"]
    except (httpx2.HTTPError, ValueError):  # it has ended
        return None
