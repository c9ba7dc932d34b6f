"""What cannot start says why, with its exit code."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.processes import PROJECT, arbiter


def test_wrong_settings_end_with_78_and_one_report(tmp_path: Path) -> None:
    """Several faults in a settings file come in one report, each with its key, source and mend."""
    (tmp_path / "settings.toml").write_text(
        "[default.server]\nhots = 'x'\nport = 70000\n[default.routing]\nexploration_rate = 1.5\n"
    )

    outcome = arbiter("run", directory=_application(tmp_path))

    assert outcome.returncode == 78
    for part in (
        "server.hots",
        "server.host",
        "server.port",
        "routing.exploration_rate",
        "settings.toml",
        "Hint",
    ):
        assert part in outcome.stderr


def test_a_syntax_error_ends_with_78_and_its_line(tmp_path: Path) -> None:
    """A settings file that is no TOML is named with the line at fault."""
    (tmp_path / "settings.toml").write_text("[default.server]\nport = = 3\n")

    outcome = arbiter("run", directory=_application(tmp_path))

    assert outcome.returncode == 78
    assert "settings.toml" in outcome.stderr
    assert "line 2" in outcome.stderr


def test_a_misspelt_environment_ends_with_78_and_a_suggestion() -> None:
    """C03: an unknown environment is refused, the nearest name suggested."""
    outcome = arbiter("run", variables={"ARBITER_ENV": "prodution"})

    assert outcome.returncode == 78
    assert "prodution" in outcome.stderr
    assert "production" in outcome.stderr


def test_a_placeholder_secret_is_refused_in_production() -> None:
    """Production does not start on a tracked placeholder."""
    outcome = arbiter("run", "--env", "production")

    assert outcome.returncode == 78
    assert "ARBITER_MANAGEMENT__TOKEN" in outcome.stderr


def test_a_busy_port_ends_with_3_and_a_sentence(tmp_path: Path) -> None:
    """S11: a taken port is found before any component starts, and its owner is named."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        outcome = arbiter(
            "run", "--set", "server.host=127.0.0.1", "--set", f"server.port={port}",
            "--set", f"management.port={free_port()}", "--set", f"storage.url=sqlite:///{tmp_path / 'x.db'}",
        )  # fmt: skip

    assert outcome.returncode == 3
    assert f"127.0.0.1:{port} is already in use by pid {os.getpid()} (" in outcome.stderr
    assert not (tmp_path / "x.db").exists()


def test_a_database_that_cannot_be_opened_ends_with_3(tmp_path: Path) -> None:
    """A failed start names the component and the cause, without a traceback."""
    (tmp_path / "x.db").write_text("this is no database, and long enough to be taken for one")

    outcome = arbiter(
        "run", "--set", "server.port=0", "--set", "management.port=0",
        "--set", f"storage.url=sqlite:///{tmp_path / 'x.db'}",
    )  # fmt: skip

    assert outcome.returncode == 3
    assert "database" in outcome.stderr
    assert "Traceback" not in outcome.stderr


@pytest.mark.parametrize("asked", [(), ("--traceback",)])
def test_an_application_that_fails_while_it_is_imported_ends_with_3(
    tmp_path: Path, asked: tuple[str, ...]
) -> None:
    """What happened, the cause and the mend; where it happened only for who asks."""
    (tmp_path / "shop.py").write_text("from arbiter import App\nprice = 1 / 0\n")

    outcome = arbiter(
        "run", "--app", "shop:create_app", "--set", "management.port=0", *asked, directory=tmp_path
    )

    assert outcome.returncode == 3
    assert "Error: The application 'shop:create_app' fails while it is imported." in outcome.stderr
    assert "Cause: ZeroDivisionError" in outcome.stderr
    assert "Hint:" in outcome.stderr
    assert ("Traceback" in outcome.stderr, "shop.py" in outcome.stderr) == (bool(asked), bool(asked))


def test_check_finds_the_application_sound() -> None:
    """`arbiter check` passes on this repository's own application, and starts nothing."""
    outcome = arbiter("check", "--json")

    assert outcome.returncode == 0, outcome.stderr
    assert json.loads(outcome.stdout) == {"ok": True, "problems": [], "warnings": []}


def test_staging_differs_from_development_by_the_settings_file_alone() -> None:
    """The same command shows other values and their table under another environment."""
    shown = {
        env: json.loads(arbiter("config", "show", "--json", variables={"ARBITER_ENV": env}).stdout)
        for env in ("development", "staging")
    }

    differing = {key for key in shown["staging"] if shown["staging"][key] != shown["development"].get(key)}

    assert differing
    assert all(
        "[staging]" in shown["staging"][key]["source"]
        or "[development]" in shown["development"][key]["source"]
        for key in differing
    )


def test_config_get_tells_value_and_source() -> None:
    """`arbiter config get KEY` answers with the value and the variable that set it."""
    variables = {"ARBITER_ROUTING__EXPLORATION_RATE": "0.25"}

    found = json.loads(
        arbiter("config", "get", "routing.exploration_rate", "--json", variables=variables).stdout
    )

    assert found["value"] == 0.25
    assert found["source"] == "ARBITER_ROUTING__EXPLORATION_RATE"


def _application(folder: Path) -> Path:
    """A folder with this repository's application, and the settings that the test wrote there."""
    for name in ("config", "containers"):
        (folder / name).symlink_to(PROJECT / name)
    return folder
