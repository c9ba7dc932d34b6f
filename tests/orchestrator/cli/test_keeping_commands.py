"""The commands that keep, move and verify what the service knows, against a service over HTTP."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from cyclopts import App

from arbiter.orchestrator.cli import commands
from arbiter.orchestrator.cli.files import FileUnreadable, FileUnwritable
from arbiter.orchestrator.cli.session import InputInvalid
from arbiter.orchestrator.client import ArbiterClient
from arbiter.orchestrator.routing.models import Outcome, Task
from arbiter.testing.fixtures import Services
from containers import create_app


@dataclass(frozen=True)
class Command:
    """The command line, to a service of this test's own."""

    line: App
    url: str

    def __call__(self, *arguments: str) -> object:
        """The exit code of a command."""
        return self.line(
            [*arguments, "--url", self.url],
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )

    def work(self, tasks: int) -> None:
        """Route tasks and report that they went well."""

        async def work() -> None:
            """One after the other."""
            async with ArbiterClient(self.url) as client:
                for number in range(tasks):
                    await client.route(Task(task_id=f"task-{number}", task_type="code-review"))
                    outcome = Outcome(success=True, quality_score=0.9, latency_ms=100)
                    await client.report_outcome(f"task-{number}", outcome)

        asyncio.run(work())


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Where the service keeps what it knows."""
    return tmp_path / "arbiter.db"


@pytest.fixture
def call(running: Services, database: Path) -> Iterator[Command]:
    """A command to a service of this test's own; returns its exit code."""
    line = App(name="arbiter")
    line.update(commands)
    settings = {"storage.url": f"sqlite:///{database}", "performance.spool_dir": ""}
    with running(create_app(), settings=settings) as service:
        yield Command(line, service.url)


@pytest.fixture
def agents(tmp_path: Path) -> str:
    """A file of three agents."""
    path = tmp_path / "agents.yaml"
    drafts = [
        {"id": f"a{n}", "name": "Ä", "model_family": "m", "capabilities": {"task_types": ["code-review"]}}
        for n in range(3)
    ]
    path.write_text(yaml.safe_dump({"agents": drafts}))
    return str(path)


def test_001_a5_a_backup_is_restored_to_the_last_sum(call: Command, agents: str, tmp_path: Path) -> None:
    """Backup, unregister everybody, restore: the next backup is the same but for when it was taken."""
    call("agents", "register", agents)
    call.work(5)
    before, after = tmp_path / "before.json", tmp_path / "after.json"

    assert call("agents", "backup", str(before)) == 0
    call("agents", "remove", "a0", "a1", "a2")
    assert call("agents", "restore", str(before)) == 0
    call("agents", "backup", str(after))

    kept, again = (json.loads(path.read_text()) for path in (before, after))
    assert kept.pop("taken_at") != again.pop("taken_at")
    assert kept == again
    assert sum(agent["tally"]["task_count"] for agent in kept["agents"]) == 5


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_what_is_exported_can_be_imported(call: Command, agents: str, tmp_path: Path, suffix: str) -> None:
    """An export of either kind registers the same agents again, without what they have done."""
    call("agents", "register", agents)
    call("agents", "status", "a1", "offline")
    exported, again = tmp_path / f"one.{suffix}", tmp_path / f"two.{suffix}"

    assert call("agents", "export", str(exported)) == 0
    call("agents", "remove", "a0", "a1", "a2")
    assert call("agents", "import", str(exported)) == 0
    call("agents", "export", str(again))

    assert exported.read_bytes() == again.read_bytes()
    assert "Ä" in exported.read_text()
    assert not list(tmp_path.glob("*.part"))


def test_a_hyphen_is_standard_output(
    call: Command, agents: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """`export -` and `backup -` write to standard output what they would write into a file, and nothing else."""
    call("agents", "register", agents)
    call.work(1)
    capfdbinary.readouterr()

    assert call("agents", "export", "-") == 0
    assert len(yaml.safe_load(capfdbinary.readouterr().out)["agents"]) == 3
    assert call("agents", "backup", "-") == 0
    assert len(json.loads(capfdbinary.readouterr().out)["agents"]) == 3
    assert call("performance", "export", "-") == 0
    assert json.loads(capfdbinary.readouterr().out)["success"] is True


def test_an_agent_that_is_there_hinders_no_other(
    call: Command, agents: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An import goes on behind an agent whose id is taken, names it, and ends with 1; the agent there is unchanged."""
    call("agents", "register", agents)
    call("agents", "remove", "a2")
    call.work(1)
    capsys.readouterr()

    assert call("agents", "import", agents) == 1
    shown = capsys.readouterr().out
    assert call("agents", "import", agents, "--json") == 1
    told = json.loads(capsys.readouterr().out)

    assert [line.split()[:2] for line in shown.splitlines()] == [
        ["Registered", "a2:"],
        ["Refused", "a0:"],
        ["Refused", "a1:"],
    ]
    assert [(one["id"], one["code"]) for one in told["refused"]] == [
        (f"a{n}", "agent-exists") for n in range(3)
    ]
    call("agents", "list", "--json")
    found = json.loads(capsys.readouterr().out)["agents"]
    assert sum(one["agent"]["performance_history"]["task_count"] for one in found) == 1


def test_words_are_shown_as_they_are(
    call: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names and words that look like a terminal's markup are words: every command shows them, and none fails."""
    odd = "[/red] [bold]x"
    able = {"task_types": [odd], "languages": [odd], "specializations": [odd]}
    path = tmp_path / "odd.json"
    path.write_text(json.dumps({"id": "odd", "name": odd, "model_family": odd, "capabilities": able}))

    for words, count in (
        (("register", str(path)), 1),
        (("list", "--type", odd), 1),
        (("show", "odd"), 5),
        (("history", "odd"), 3),
    ):
        assert call("agents", *words) == 0
        assert "".join(capsys.readouterr().out.split()).count("[/red][bold]x") == count
    assert call("route", "--type", odd) == 0
    assert call("agents", "list", "--language", "[/red]") == 0
    assert "No agent has the language [/red]." in capsys.readouterr().out


def test_an_agent_that_is_set_aside_is_shown_as_such(
    call: Command, agents: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beside its status stands that it is stale: nobody wonders why an available agent gets no work."""
    call("agents", "register", agents)
    kept = tmp_path / "kept.json"
    call("agents", "backup", str(kept))
    content = json.loads(kept.read_text())
    content["agents"][0] |= {"beats": True, "last_active_at": "2020-01-01T00:00:00Z"}
    kept.write_text(json.dumps(content))
    call("agents", "restore", str(kept))
    capsys.readouterr()

    call("agents", "show", "a0")
    call("agents", "list", "--all")
    shown = capsys.readouterr().out

    assert shown.count("available, stale") == 2
    assert call("agents", "list") == 0
    assert "a0" not in capsys.readouterr().out


def test_events_of_a_file_are_recorded_once(
    call: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A list of events is recorded, again it is known; a fault is named and nothing of the file is sent."""
    path = tmp_path / "events.yaml"
    path.write_text(
        "- {id: e1, type: task_execution_start, agent_id: ada}\n- {id: e2, type: evaluation_outcome}\n"
    )

    assert call("performance", "record", str(path)) == 0
    assert "Recorded 2 events." in capsys.readouterr().out
    assert call("performance", "record", str(path), "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"new": 0, "known": 2}

    path.write_text("- {type: agent_selection}\n- {type: lunch}\n")
    with pytest.raises(InputInvalid, match="type"):
        call("performance", "record", str(path))
    call("performance", "summary", "--json")
    assert json.loads(capsys.readouterr().out)["events"] == 2


def test_samples_are_exported_a_line_each(
    call: Command, agents: str, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Each completed execution is one line of JSON without a name in it; a file and standard output are the same."""
    call("agents", "register", agents)
    call.work(3)
    path = tmp_path / "samples.jsonl"
    capfdbinary.readouterr()

    assert call("performance", "export", str(path)) == 0
    capfdbinary.readouterr()
    assert call("performance", "export", "--json") == 0
    shown = capfdbinary.readouterr().out

    samples = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert [one["success"] for one in samples] == [True] * 3
    assert "task-" not in path.read_text()
    assert [json.loads(line)["task"] for line in shown.splitlines()] == [one["task"] for one in samples]


def test_what_an_agent_does_now_is_shown(
    call: Command, agents: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ten executions make a profile, of which the table shows the figures; fewer are told to be too few."""
    call("agents", "register", agents)
    call("agents", "remove", "a1", "a2")
    assert call("performance", "profile", "a0") == 0
    assert "too little is known" in capsys.readouterr().out
    call.work(10)

    assert call("performance", "profile", "a0") == 0
    assert "realtime" in capsys.readouterr().out
    assert call("performance", "anomalies") == 0
    assert "Nothing is out of the ordinary." in capsys.readouterr().out


def test_a_changed_event_ends_verify_with_1(
    call: Command, agents: str, database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`verify` says that all events hold, or at which the chain is broken; scripts see it by the exit code."""
    call("agents", "register", agents)
    call.work(3)
    assert call("performance", "verify") == 0
    assert "as they were written" in capsys.readouterr().out

    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE events SET latency_ms = 1 WHERE task_id = 'task-1'")
    connection.close()

    assert call("performance", "verify") == 1
    assert "Broken at the event" in capsys.readouterr().out


def test_a_chain_that_was_cut_off_ends_verify_with_1(
    call: Command, agents: str, database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was taken away at the end breaks no hash; that fewer events are there than were stored is told."""
    call("agents", "register", agents)
    call.work(3)
    assert call("performance", "verify") == 0
    capsys.readouterr()

    with sqlite3.connect(database) as connection:
        connection.execute("DELETE FROM events WHERE sequence > (SELECT max(sequence) - 2 FROM events)")
    connection.close()

    assert call("performance", "verify") == 1
    assert "which is 2 fewer than were counted" in capsys.readouterr().out


def test_the_history_shows_versions_and_outcomes(
    call: Command, agents: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Version 1 is the registration; an outcome stands with the agent that had the task."""
    call("agents", "register", agents)
    call.work(1)
    capsys.readouterr()

    for agent_id in ("a0", "a1", "a2"):
        assert call("agents", "history", agent_id) == 0
    shown = capsys.readouterr().out

    assert shown.count("code-review") == 3
    assert shown.count("0.900") == 1


def test_files_that_are_no_backup_change_nothing(call: Command, agents: str, tmp_path: Path) -> None:
    """What cannot be read is refused before the service hears of it; what cannot be written leaves no half file."""
    call("agents", "register", agents)
    bad = tmp_path / "bad.json"

    bad.write_text("{")
    with pytest.raises(FileUnreadable, match="no JSON"):
        call("agents", "restore", str(bad))
    bad.write_text('{"format": 2}')
    with pytest.raises(InputInvalid, match="format"):
        call("agents", "restore", str(bad))
    with pytest.raises(FileUnwritable, match="no-such-folder"):
        call("agents", "backup", str(tmp_path / "no-such-folder" / "x.json"))
    assert call("agents", "show", "a0") == 0
