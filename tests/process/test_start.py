"""How a start goes, fails and is given up, and how a stop goes that parts make hard: small applications as processes."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.ports import free_port
from tests.processes import ARBITER, clean_environment, probe, until

APPLICATION = """
import asyncio, sys
from pathlib import Path
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


async def hang():
    await asyncio.Event().wait()


async def take_long():
    Path("starting").touch()
    await asyncio.sleep(60)


class Shop(Infrastructure):
    first = providers.Singleton(Part, "first")
    second = providers.Singleton(Part, "second", first)
    third = providers.Singleton(Part, "third", second, {third})
    fourth = providers.Singleton(Part, "fourth", third, {fourth})
    fifth = providers.Singleton(Part, "fifth", fourth, {fifth})


def create_app():
    return App(Shop)
"""


STOPPED = ["stop fifth", "stop fourth", "stop third", "stop second", "stop first"]


@contextmanager
def started(
    folder: Path, third: str, *settings: str, later: str = "None"
) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """An application of five parts whose third one, and those after it, do as they are told at start and stop.

    Its process, and the URLs of its two ports.
    """
    (folder / "shop.py").write_text(APPLICATION.format(third=third, fourth=later, fifth=later))
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
        until((tmp_path / "starting").exists, limit_s=60, what="the start of the third part")
        until(lambda: probe(f"{management}/livez") == 200, what="liveness during the start")
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
    """A hook that hangs is cut at its budget, the later ones run, the exit code is 1, and the log names hook and stack."""
    with started(tmp_path, "None, hang", "lifecycle.hook_s=0.3") as (process, url, _):
        until(lambda: probe(f"{url}/readyz") == 200, limit_s=60, what="readiness")
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=20)

    assert process.returncode == 1
    assert output.splitlines()[-5:] == STOPPED
    assert "third: stop failed: did not end within 0.3 s" in errors
    assert "third was at:" in errors
    assert "in hang" in errors


def test_s06_the_others_stop_in_order_when_one_hook_fails(tmp_path: Path) -> None:
    """A hook that raises keeps none of the other four from running, in reverse order; its error is told, and the code is 1."""
    with started(tmp_path, "None, fail", later="None, fail") as (process, url, _):
        until(lambda: probe(f"{url}/readyz") == 200, limit_s=60, what="readiness")
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=20)

    told = [line for line in errors.splitlines() if "app.stop.failed" in line]
    assert process.returncode == 1
    assert output.splitlines()[-5:] == STOPPED
    assert [name for name in ("fifth", "fourth", "third") if f"{name}: stop failed" in "".join(told)] == [
        "fifth",
        "fourth",
        "third",
    ]
    assert len(told) == 3
    assert all("the disk is on fire" in line for line in told)


def test_s12_each_hook_gets_its_budget_or_what_is_left(tmp_path: Path) -> None:
    """Three hooks that hang: the first gets `hook_s`, the second what is left of `hooks_s`, the third a grace."""
    settings = ("lifecycle.hook_s=0.4", "lifecycle.hooks_s=0.7")
    with started(tmp_path, "None, hang", *settings, later="None, hang") as (process, url, _):
        until(lambda: probe(f"{url}/readyz") == 200, limit_s=60, what="readiness")
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=20)

    budgets = {
        name: float(within)
        for name, within in re.findall(r"(\w+): stop failed: did not end within ([\d.]+) s", errors)
    }
    assert process.returncode == 1
    assert output.splitlines()[-5:] == STOPPED
    # the framework's own hooks follow, within a grace of 0.1 s each: enough, but for a machine that is very busy
    own = [name for name in budgets if f"stop {name}" in STOPPED]
    assert own == ["fifth", "fourth", "third"]
    assert budgets["fifth"] == 0.4
    assert 0.1 < budgets["fourth"] <= 0.3
    assert budgets["third"] <= 0.1


def test_s12_parts_that_do_not_fit_into_the_whole_are_refused_at_the_start(tmp_path: Path) -> None:
    """Budgets that add up to more than `total_s` end the start with 78 and a report of the sum; nothing has started."""
    with started(tmp_path, "None", "lifecycle.total_s=5", "lifecycle.pre_drain_s=1") as (process, _, _):
        output, errors = process.communicate(timeout=60)

    assert process.returncode == 78
    assert output == ""
    assert "lifecycle" in errors
    for part in ("pre_drain_s", "drain_s", "hooks_s", "telemetry_s", "total_s", "Hint"):
        assert part in errors


def test_s12_a_grace_period_below_the_total_is_a_warning(tmp_path: Path) -> None:
    """What the platform would cut short is said at the start, and does not keep the application from running."""
    with started(tmp_path, "None", "lifecycle.grace_period_s=20") as (process, url, _):
        until(lambda: probe(f"{url}/readyz") == 200, limit_s=60, what="readiness")
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)

    (warning,) = [line for line in errors.splitlines() if "config.warning" in line]
    assert process.returncode == 0
    assert "lifecycle.total_s (25 s) is not below" in warning
