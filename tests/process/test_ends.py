"""How a stop ends that does not go well: signals and deadlines, in small applications as processes of their own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.processes import ARBITER, answer_of, clean_environment, probe, until

APPLICATION = """
import asyncio, re, threading, time
from pathlib import Path
from dependency_injector import providers
from arbiter import App, Infrastructure

while not Path("go").exists():  # the import takes as long as the test likes
    time.sleep(0.01)


class Part:
    def __init__(self, *needs):
        pass

    async def stop(self):
        print("a part stopped", flush=True)


class Hanging(Part):
    async def stop(self):
        await asyncio.Event().wait()


class Stubborn(Part):
    async def start(self):
        print("holding on", flush=True)
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                pass


def stubborn(first):
    yield Part()
    leave_a_thread()
    time.sleep(600)


def forgetful(first):
    yield Part()
    leave_a_thread()


def leave_a_thread():
    threading.Thread(target=hang, daemon=False, name="forgotten").start()


def hang():
    time.sleep(600)


class Offloading(Part):
    async def start(self):
        asyncio.ensure_future(asyncio.to_thread(hang))


async def broken(first):
    leave_a_thread()
    raise OSError("the disk is on fire")


class Busy(Part):
    async def start(self):
        self.waiting = asyncio.create_task(self.wait())

    async def wait(self):
        while not Path("busy").exists():  # when the test likes: once it serves
            await asyncio.sleep(0.01)
        print("busy for ever", flush=True)
        {busy}()


def turn_round():
    while True:
        pass


def hold_the_lock():
    re.match("(a+)+$", "a" * 60 + "b")


class Shop(Infrastructure):
    first = providers.Singleton(Part)
    second = providers.{kind}, first)


def create_app():
    return App(Shop)
"""
BRIEF = (
    "lifecycle.drain_s=0.2",
    "lifecycle.hooks_s=0.5",
    "lifecycle.telemetry_s=0.2",
    "lifecycle.total_s=1.2",
)


class Shop:
    """The application as a process."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes], port: int, management: int) -> None:
        self.folder, self.process = folder, process
        self.url, self.management = f"http://localhost:{port}", f"http://127.0.0.1:{management}"

    def ready(self) -> None:
        """Wait until it serves."""
        until(lambda: probe(f"{self.management}/readyz") == 200, limit_s=60, what="readiness")

    def said(self) -> str:
        """What it wrote to stderr."""
        return (self.folder / "errors").read_text()


@contextmanager
def shop(folder: Path, kind: str, *settings: str, busy: str = "None", waits: bool = False) -> Iterator[Shop]:
    """A process of two parts; `kind` is the provider of the second, up to its first argument."""
    (folder / "shop.py").write_text(APPLICATION.format(kind=kind, busy=busy))
    if not waits:
        (folder / "go").touch()
    port, management = free_port(), free_port()
    chosen = (f"server.port={port}", f"management.port={management}", "lifecycle.pre_drain_s=0", *settings)
    command = [*ARBITER, "run", "--app", "shop:create_app"]
    with (folder / "errors").open("wb") as errors:
        process = subprocess.Popen(
            [*command, *(word for one in chosen for word in ("--set", one))],
            cwd=folder,
            env=clean_environment(ARBITER_ENV="test"),
            stdout=errors,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Shop(folder, process, port, management)
    finally:
        process.kill()
        process.wait(10)


def test_h01_the_management_port_answers_before_the_application_is_imported(tmp_path: Path) -> None:
    """Alive, not started, not ready, and no main port; once it may be imported, all of it comes up."""
    with shop(tmp_path, "Singleton(Part", waits=True) as started:
        until(lambda: probe(f"{started.management}/livez") == 200, limit_s=60, what="liveness")
        during = [
            probe(f"{started.management}/startupz"),
            probe(f"{started.management}/readyz"),
            probe(f"{started.management}/info"),
            probe(f"{started.url}/livez"),
        ]
        (tmp_path / "go").touch()
        started.ready()
        after = probe(f"{started.management}/startupz"), probe(f"{started.url}/livez")

    assert during == [503, 503, 503, 0]
    assert after == (200, 200)


def test_s09_a_stop_during_the_import_ends_at_once_with_0(tmp_path: Path) -> None:
    """What is still being imported has started nothing: SIGTERM ends it, cleanly."""
    with shop(tmp_path, "Singleton(Part", waits=True) as started:
        until(lambda: probe(f"{started.management}/livez") == 200, limit_s=60, what="liveness")
        started.process.send_signal(signal.SIGTERM)

        assert started.process.wait(10) == 0
        assert "Traceback" not in started.said()


@pytest.mark.parametrize(
    ("phase", "number", "code", "settings"),
    [
        ("pre-drain", signal.SIGTERM, 143, ("lifecycle.pre_drain_s=60",)),
        ("stopping", signal.SIGTERM, 143, ("lifecycle.hook_s=60", "lifecycle.hooks_s=60")),
        ("stopping", signal.SIGINT, 130, ("lifecycle.hook_s=60", "lifecycle.hooks_s=60")),
    ],
)
def test_s02_a_second_signal_ends_the_process_and_says_what_was_pending(
    tmp_path: Path, phase: str, number: int, code: int, settings: tuple[str, ...]
) -> None:
    """In the pre-drain, or while a hook hangs: exit with 128 + its number, and one line that names the hooks left."""
    with shop(tmp_path, "Singleton(Hanging", "lifecycle.total_s=90", *settings) as started:
        started.ready()
        started.process.send_signal(signal.SIGUSR1)
        until(lambda: "arbiter: running, in flight" in started.said(), what="the dump")
        started.process.send_signal(signal.SIGTERM)
        until(lambda: _phase(started) == phase, what=phase)
        started.process.send_signal(number)
        ended = started.process.wait(5)
        lines = started.said().splitlines()

    (forced,) = [json.loads(line) for line in lines if "shutdown.forced" in line]
    assert ended == code
    assert forced["phase"] == phase
    assert "second" in forced["pending"]
    assert any(line.startswith("Task arbiter.heartbeat") for line in lines)


def test_s02_a_second_signal_ends_a_start_that_does_not_give_up(tmp_path: Path) -> None:
    """A part that holds on to its start in spite of the first signal goes with the second one."""
    with shop(tmp_path, "Singleton(Stubborn", "lifecycle.total_s=90") as started:
        until(lambda: probe(f"{started.management}/livez") == 200, limit_s=60, what="liveness")
        until(lambda: "holding on" in started.said(), limit_s=60, what="the start")
        started.process.send_signal(signal.SIGTERM)
        until(lambda: "app.start.cancelled" in started.said(), what="the start to be given up")
        started.process.send_signal(signal.SIGTERM)

        assert started.process.wait(5) == 143
    assert "shutdown.forced" in started.said()


@pytest.mark.parametrize(
    ("kind", "code", "holder"),
    [
        ("Resource(stubborn", 1, "thread forgotten"),
        ("Resource(forgetful", 0, "thread forgotten"),
        ("Singleton(Offloading", 0, "thread uvloop_0"),
    ],
)
def test_s04_what_blocks_threads_for_ever_is_gone_within_the_total(
    tmp_path: Path, kind: str, code: int, holder: str
) -> None:
    """A sync hook that hangs is cut at its budget; a thread that is no daemon holds the exit up to the deadline, and
    is named; later hooks run, and the exit code is what the stop came to.
    """
    with shop(tmp_path, kind, *BRIEF, "lifecycle.hook_s=0.2") as started:
        started.ready()
        started.process.send_signal(signal.SIGTERM)
        ended = started.process.wait(20)
        said = started.said()

    assert ended == code
    assert said.count("a part stopped") == 2
    assert f"stopped with {code}, and after 1.2 s held up by {holder}" in said
    assert ("second: stop failed" in said) == (code == 1)
    assert " in hang\n" in said
    assert ("in hang\\n" in said) == ("app.stop.thread_left" in said) == ("Resource" in kind)


def test_s04_a_failed_start_is_not_held_up_by_a_thread(tmp_path: Path) -> None:
    """What a part left behind before the start failed holds the exit up to the deadline only, and the code is 3."""
    with shop(tmp_path, "Resource(broken", *BRIEF) as started:
        ended = started.process.wait(60)
        said = started.said()

    assert ended == 3
    assert "the disk is on fire" in said
    assert "stopped with 3, and after 1.2 s held up by thread forgotten" in said


@pytest.mark.parametrize(("busy", "code"), [("turn_round", 124), ("hold_the_lock", 1)])
def test_s05_a_loop_that_is_blocked_for_ever_ends_at_the_deadline(
    tmp_path: Path, busy: str, code: int
) -> None:
    """Python that never returns ends with 124 and all stacks; C that holds the interpreter's lock with 1, and stacks."""
    with shop(tmp_path, "Singleton(Busy", *BRIEF, busy=busy) as started:
        started.ready()
        (tmp_path / "busy").touch()
        until(lambda: "busy for ever" in started.said(), what="the loop to be blocked")
        started.process.send_signal(signal.SIGTERM)
        ended = started.process.wait(20)
        said = started.said()

    assert ended == code
    assert busy in said
    assert "most recent call first" in said


LIVES = """
import faulthandler, json, os, signal, threading
from pathlib import Path
from arbiter import App, Infrastructure
from arbiter.settings.sources import Sources

NUMBERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)


def state():
    fd = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(fd)
    return {"handlers": [str(signal.getsignal(one)) for one in NUMBERS], "wakeup": fd,
            "threads": sorted(one.name for one in threading.enumerate())}


seen = [state()]
for _ in range(3):
    app = App(Infrastructure)
    app.configure(Sources(directory=Path("."), environment="test", overrides={
        "server.port": "0", "management.port": "0", "lifecycle.pre_drain_s": "0"}))
    code = app.run(on_ready=lambda _: os.kill(os.getpid(), signal.SIGTERM))
    seen.append(state())
print(json.dumps([code, seen]))
"""


def test_s16_a_life_in_the_main_thread_gives_the_signals_back(tmp_path: Path) -> None:
    """After each life, ended by a signal, handlers, wake-up descriptor and threads are what they were before the first."""
    outcome = subprocess.run(
        [sys.executable, "-c", LIVES],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    code, (first, *others) = json.loads(outcome.stdout.splitlines()[-1])
    assert code == 0
    assert others == [first] * 3


def _phase(started: Shop) -> str:
    return str(answer_of(f"{started.management}/tasks").json()["phase"])
