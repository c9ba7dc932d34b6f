"""Circuit breakers steered by hand: over the management port, and by `arbiter breakers`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from arbiter import Infrastructure
from arbiter.cli.commands import run
from arbiter.management.listener import ManagementListener
from tests.management.kit import TOKEN, Port, management


async def _act(port: Port, action: object, name: str = "shop.buy") -> httpx2.Response:
    return await port.http.post(f"/breakers/{name}", json={"action": action}, headers=TOKEN)


@pytest.mark.parametrize(
    ("actions", "state"),
    [
        (["open"], "forced-open"),
        (["open", "close"], "closed"),
        (["open", "reset"], "closed"),
        (["disable"], "disabled"),
        (["observe"], "observe-only"),
    ],
)
async def test_each_action_does_what_it_says(tmp_path: Path, actions: list[str], state: str) -> None:
    """The answer is how the breaker stands then."""
    async with management(tmp_path) as port:
        port.container.breakers().get("shop.buy")

        answers = [await _act(port, action) for action in actions]

        assert [answer.status_code for answer in answers] == [200] * len(actions)
        assert (answers[-1].json()["name"], answers[-1].json()["state"]) == ("shop.buy", state)
        assert port.container.breakers().get("shop.buy").current_state == state


async def test_each_change_is_audited_once(tmp_path: Path) -> None:
    """Who, what, before and after: one event and one log line; what was refused is none."""
    async with management(tmp_path) as port:
        port.container.breakers().get("shop.buy")

        await _act(port, "open")
        await _act(port, "nonsense")
        await port.http.post("/breakers/shop.buy", json={"action": "close"})
        [told] = await port.audit()

        lines = [line for line in port.log.getvalue().splitlines() if "operator.acted" in line]
    assert (told["what"], told["before"], told["after"]) == (
        "POST /breakers/shop.buy",
        {"state": "closed"},
        {"state": "forced-open"},
    )
    assert told["who"].startswith("127.0.0.1")
    assert len(lines) == 1


async def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    """An unknown name has its neighbours, an unknown action the known ones, a refused transition both states."""
    async with management(tmp_path) as port:
        port.container.breakers().get("shop.buy")
        await _act(port, "open")

        unknown = await _act(port, "open", "shop.bui")
        action = await _act(port, "explode")
        refused = await _act(port, "disable")
        without = await port.http.post("/breakers/shop.buy", json={"action": "close"})

    assert (unknown.status_code, action.status_code, refused.status_code, without.status_code) == (
        404,
        422,
        409,
        401,
    )
    assert "did you mean shop.buy" in unknown.json()["hint"]
    assert "open, close, reset, disable, observe" in action.json()["detail"]
    assert "from forced-open to disabled" in refused.json()["detail"]


@dataclass(frozen=True, slots=True)
class Line:
    """The command line against a running management port."""

    url: str
    container: Infrastructure
    capfd: Any

    def __call__(self, *words: str) -> tuple[int, str, str]:
        code = run(["breakers", *words, "--management", self.url, "--token", "right"])
        out, err = self.capfd.readouterr()
        return code, out, err


@pytest.fixture
async def line(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """One breaker behind a real port of its own."""
    monkeypatch.chdir(tmp_path)
    async with management(tmp_path) as port:
        port.container.breakers().get("shop.buy")
        listener = ManagementListener("127.0.0.1", 0)
        listener.start(port.app)
        yield Line(listener.url, port.container, capfd)
        listener.stop()


def test_the_command_lists_and_steers(line: Line) -> None:
    """A table or one JSON document; after `open` the circuit of the running instance is open."""
    listed = line()
    opened = line("open", "shop.buy")
    as_json = line("list", "--json")
    closed = line("close", "shop.buy", "--json")

    assert (listed[0], opened[0], as_json[0], closed[0]) == (0, 0, 0, 0)
    assert "shop.buy" in listed[1]
    assert "shop.buy is forced-open" in opened[1]
    assert [one["state"] for one in json.loads(as_json[1])] == ["forced-open"]
    assert json.loads(closed[1])["state"] == "closed"
    assert line.container.breakers().get("shop.buy").current_state == "closed"


def test_the_command_says_what_went_wrong(line: Line) -> None:
    """An unknown operation, or no instance, is an error with a hint and the exit code 1."""
    unknown = line("open", "shop.bye")
    nobody = run(["breakers", "--management", "http://127.0.0.1:1"])

    assert (unknown[0], nobody) == (1, 1)
    assert "there is no circuit breaker 'shop.bye'" in unknown[2]
    assert "did you mean shop.buy" in unknown[2]
