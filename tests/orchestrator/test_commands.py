"""The orchestrator's commands, as processes and in this one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from cyclopts import App

from arbiter.orchestrator.cli import commands
from arbiter.orchestrator.cli.session import FileUnreadable, InputInvalid
from arbiter.orchestrator.client import ServiceUnreachable
from tests.orchestrator.kit import SPEC

NOWHERE = "http://127.0.0.1:9"


def call(*arguments: str) -> object:
    """What a command returns, mounted as the `arbiter` command mounts it."""
    line = App(name="arbiter")
    line.update(commands)
    return line(list(arguments), exit_on_error=False, print_error=False, result_action="return_value")


def run(arguments: Sequence[str], *, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """A whole process of the command line."""
    command = [sys.executable, "-m", "arbiter", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def good(tmp_path: Path) -> str:
    """The path of a spec that passes."""
    path = tmp_path / "good.yaml"
    path.write_text(SPEC)
    return str(path)


@pytest.fixture
def bad(tmp_path: Path) -> str:
    """The path of a spec whose id and tier are wrong."""
    path = tmp_path / "bad.yaml"
    path.write_text(SPEC.replace("FEAT-0001", "feature one").replace("risk_tier: 3", "risk_tier: 9"))
    return str(path)


def test_a_passing_spec_exits_with_0(good: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`caws check` of a good spec says pass."""
    assert call("caws", "check", good) == 0
    assert "pass by caws-3.4" in capsys.readouterr().out


def test_a_failing_spec_exits_with_1_and_points_at_the_place(
    bad: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each finding stands with file, line and column, its source line, and a caret below the place."""
    assert call("caws", "check", bad) == 1

    lines = capsys.readouterr().out.splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith(f"{bad}:3:12 error"))
    assert lines[place + 1] == "    3 | risk_tier: 9"
    assert lines[place + 2].index("^") == lines[place + 1].index("9")
    assert lines[-1].startswith("fail by caws-3.4: 2 error(s)")


@pytest.mark.parametrize(
    "arguments",
    [["nowhere.yaml"], ["--ruleset", "caws-99", "GOOD"], ["LIST"]],
    ids=["no file", "no ruleset", "a list"],
)
def test_what_cannot_be_judged_exits_with_2(
    arguments: list[str], good: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No file, no such rule set, no mapping: exit code 2, words on stderr, and with --json a document all the same."""
    listed = tmp_path / "list.yaml"
    listed.write_text("- a\n")
    given = [{"GOOD": good, "LIST": str(listed)}.get(word, word) for word in arguments]

    assert call("caws", "check", "--json", *given) == 2

    told = capsys.readouterr()
    assert json.loads(told.out)["passed"] is False
    assert told.err.startswith("Error: ")


def test_json_is_the_judgement(bad: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`--json` prints what the API answers: passed, verdict, findings with their places."""
    assert call("caws", "check", "--json", "--ruleset", "caws-3.4", bad) == 1

    judgement = json.loads(capsys.readouterr().out)
    assert (judgement["passed"], judgement["verdict"]) == (False, "fail")
    assert {"code", "severity", "line", "column", "message"} <= set(judgement["findings"][0])


def test_the_whole_process_ends_with_the_exit_code(good: str, bad: str) -> None:
    """Through the real command line: 0, 1, and 2; a spec may come on standard input."""
    assert run(["caws", "check", good]).returncode == 0
    assert run(["caws", "check", bad]).returncode == 1
    assert run(["caws", "check", "-"], stdin=SPEC).returncode == 0
    assert run(["caws", "check", "nowhere.yaml"]).returncode == 2


def test_no_service_is_told_with_a_hint() -> None:
    """Without a service a command ends with 1 and says how to start one; stdout stays empty."""
    outcome = run(["agents", "list", "--url", NOWHERE])

    assert (outcome.returncode, outcome.stdout) == (1, "")
    assert "Error: " in outcome.stderr
    assert "Hint:  Is the service running? Start it with: make run" in outcome.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["agents", "list"],
        ["agents", "show", "a"],
        ["agents", "remove", "a"],
        ["route", "--type", "code-review"],
        ["route", "explain", "t"],
        ["outcome", "t", "--failure", "--quality", "0.1", "--latency-ms", "5"],
        ["performance", "summary"],
        ["performance", "agent", "a"],
        ["demo", "--tasks", "2"],
    ],
)
def test_every_command_knows_where_the_service_is(command: list[str]) -> None:
    """Each takes --url and --json, and tells when nobody is there."""
    with pytest.raises(ServiceUnreachable, match=NOWHERE):
        call(*command, "--url", NOWHERE, "--json")


def test_an_address_that_looks_like_markup_is_an_address() -> None:
    """Whatever stands in --url is told as it stands: the terminal's library makes nothing of it."""
    with pytest.raises(ServiceUnreachable, match=r"http://\[/x\]:1"):
        call("agents", "list", "--url", "http://[/x]:1")


def test_options_that_do_not_fit_are_named() -> None:
    """What the models refuse is told by the option's field, before anything is sent."""
    with pytest.raises(InputInvalid, match="priority"):
        call("route", "--type", "code-review", "--priority", "11", "--url", NOWHERE)
    with pytest.raises(InputInvalid, match="quality_score"):
        call("outcome", "t", "--success", "--quality", "1.5", "--latency-ms", "5", "--url", NOWHERE)


def test_files_that_do_not_fit_are_named(tmp_path: Path) -> None:
    """A file of agents that is missing, is no YAML or holds no agents is an error of its own kind."""
    path = tmp_path / "agents.yaml"

    with pytest.raises(FileUnreadable, match=r"agents\.yaml"):
        call("agents", "register", str(path))
    path.write_text("a: [")
    with pytest.raises(FileUnreadable, match="no YAML"):
        call("agents", "register", str(path))
    path.write_text("id: a\n")
    with pytest.raises(InputInvalid, match="model_family"):
        call("agents", "register", str(path))


def test_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    """The help of a command holds a line that can be tried."""
    for command in (["agents", "list"], ["route"], ["outcome"], ["caws", "check"], ["demo"]):
        call(*command, "--help")

        assert f"Try: arbiter {' '.join(command)}" in capsys.readouterr().out
