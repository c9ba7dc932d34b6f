"""How a start goes, fails and is given up: small applications of their own, as processes of their own."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.ports import free_port
from tests.processes import ARBITER, clean_environment, probe, until

APPLICATION = """
import asyncio, sys
from dependency_injector import providers
from arbiter import App, Infrastructure


class Part:
    def __init__(self, name, needs=None, start=None, stop=None):
        self.name, self._start, self._stop = name, start, stop

    async def start(self):
        print("start", self.name, flush=True)
        if self._start:
            await self._start()

    async def stop(self):
        print("stop", self.name, flush=True)
        if self._stop:
            await self._stop()


async def fail():
    raise OSError("the disk is on fire")


async def take_long():
    await asyncio.sleep(60)


class Shop(Infrastructure):
    first = providers.Singleton(Part, "first")
    second = providers.Singleton(Part, "second", first)
    third = providers.Singleton(Part, "third", second, {third})
    fourth = providers.Singleton(Part, "fourth", third)


def create_app():
    return App(Shop)
"""


@contextmanager
def started(folder: Path, third: str, *settings: str) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """An application of four parts whose third one does as it is told; its process and the URLs of its two ports."""
    (folder / "shop.py").write_text(APPLICATION.format(third=third))
    port, management = free_port(), free_port()
    chosen = (f"server.port={port}", f"management.port={management}", *settings)
    command = [
        *ARBITER,
        "run",
        "--app",
        "shop:create_app",
        *(word for one in chosen for word in ("--set", one)),
    ]
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=clean_environment(ARBITER_ENV="test"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process, f"http://localhost:{port}", f"http://127.0.0.1:{management}"
    finally:
        process.kill()
        process.communicate()


def test_s09_a_stop_during_the_start_gives_the_start_up(tmp_path: Path) -> None:
    """SIGTERM while a part starts cancels the start, stops in reverse what had started, and ends with 0."""
    with started(tmp_path, "take_long") as (process, url, management):
        until(lambda: probe(f"{management}/livez") == 200, limit_s=60, what="liveness during the start")
        starting = probe(f"{management}/startupz"), probe(f"{management}/readyz"), probe(f"{url}/livez")
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=20)

    assert starting == (503, 503, 0)
    assert process.returncode == 0
    assert output.split("\n")[-3:] == ["stop second", "stop first", ""]


def test_s10_a_part_that_fails_to_start_stops_what_had_started(tmp_path: Path) -> None:
    """The parts before it are stopped in reverse, those after it never start, and the error names part and cause."""
    with started(tmp_path, "fail") as (process, _, _):
        output, errors = process.communicate(timeout=60)

    assert process.returncode == 3
    assert output.splitlines() == [
        f"{action} {name}"
        for action, name in [
            ("start", "first"),
            ("start", "second"),
            ("start", "third"),
            ("stop", "second"),
            ("stop", "first"),
        ]
    ]
    assert "third" in errors
    assert "the disk is on fire" in errors
    assert "Traceback" not in errors


def test_an_application_without_http_serves_its_probes(tmp_path: Path) -> None:
    """A container that declares no `http` runs, answers its probes on the main port, and stops with 0."""
    with started(tmp_path, "None") as (process, url, _):
        until(lambda: probe(f"{url}/readyz") == 200, limit_s=60, what="readiness")
        elsewhere = probe(f"{url}/elsewhere")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)

    assert elsewhere == 404
    assert process.returncode == 0


def test_s03_a_part_that_hangs_at_its_stop_costs_its_budget(tmp_path: Path) -> None:
    """A hook that hangs is cut at its budget, the others still run, and the exit code is 1."""
    with started(tmp_path, "None, take_long", "lifecycle.hook_s=0.3") as (process, url, _):
        until(lambda: probe(f"{url}/readyz") == 200, limit_s=60, what="readiness")
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=20)

    assert process.returncode == 1
    assert output.split("\n")[-5:] == ["stop fourth", "stop third", "stop second", "stop first", ""]
    assert "third" in errors
