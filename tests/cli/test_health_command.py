"""`arbiter health` and `arbiter status` against a management port: what people see, and what scripts get."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from arbiter.cli.commands import run
from arbiter.management.listener import ManagementListener
from arbiter.protocols import CheckResult, Status
from tests.management.kit import Port, management
from tests.ports import free_port

Ask = Callable[..., "asyncio.Future[int]"]


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[Port]:
    """The pillars, with a check `stock` that warns."""
    async with management(tmp_path) as behind:
        behind.container.health().register("stock", _low, critical=False)
        await behind.container.health().refresh()
        yield behind


@pytest.fixture
async def ask(port: Port) -> AsyncIterator[Ask]:
    """Carries out one command against it; the exit code."""
    listener = ManagementListener("127.0.0.1", 0)
    listener.start(port.app)

    def asked(*words: str) -> asyncio.Future[int]:
        command = [*words, "--management", listener.url]
        return asyncio.ensure_future(asyncio.to_thread(run, command))

    yield asked
    listener.stop()


def _low() -> CheckResult:
    return CheckResult(Status.WARN, "three are left")


async def test_health_shows_each_check_in_a_table(ask: Ask, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole, and a line for each check with its status, its weight and what it says."""
    code = await ask("health")

    shown = [line.strip() for line in capsys.readouterr().out.splitlines()]
    (line,) = (line for line in shown if line.startswith("stock"))
    assert code == 0
    assert shown[0] == "health warn"
    assert shown[1].split() == ["check", "status", "critical", "took", "ms", "since", "output"]
    assert line.split()[1:3] == ["warn", "no"]
    assert line.endswith("three are left")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["health", "--strict"], 1),
        (["health", "stock"], 0),
        (["health", "stock", "--strict", "--refresh"], 1),
        (["health", "disk", "--strict"], 0),
        (["health", "nothing"], 2),
        (["status"], 0),
    ],
)
async def test_scripts_get_an_exit_code(ask: Ask, words: list[str], code: int) -> None:
    """0 pass and warn, 1 fail (and warn, if strict), 2 what cannot be judged."""
    assert await ask(*words) == code


async def test_a_failure_is_1_and_maintenance_is_not_ready(port: Port, ask: Ask) -> None:
    """A critical check that fails is the whole's failure; a gate that is closed is `status`' alone."""
    port.container.health().set_maintenance(on=True)
    closed = await ask("status"), await ask("health")
    port.container.health().register("database", _broken)
    await port.container.health().refresh()

    assert closed == (1, 0)
    assert await ask("health", "database") == 1
    assert await ask("health") == 1


def _broken() -> CheckResult:
    return CheckResult(Status.FAIL, "no route to host")


async def test_one_json_document_for_scripts(ask: Ask, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json the instance's own document is all there is on stdout."""
    await ask("health", "stock", "--json")

    told = json.loads(capsys.readouterr().out)
    assert told["status"] == "warn"
    assert [one["output"] for results in told["checks"].values() for one in results] == ["three are left"]


@pytest.mark.parametrize("command", ["health", "status"])
def test_where_nobody_answers_is_2_with_a_hint(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An instance that is not there is neither well nor ill; why is said once."""
    code = run([command, "--management", f"http://127.0.0.1:{free_port()}"])
    said = capsys.readouterr().err

    assert code == 2
    assert said.count("Cause:") == 1
    assert "Hint:" in said
