"""Settings of a real process: layers, refusals, provenance (scenarios C01 to C08)."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.process.homes import home, keys_of
from tests.processes import arbiter, clean_environment, running

TOKEN = {"ARBITER_SERVER__TOKENS__ADMIN__TOKEN": "t"}  # production asks for one
LAYERS = "[default.registry]\nmax_agents = 5\n[production.registry]\nmax_agents = 6\n[production.lifecycle]\npre_drain_s = 0\n"
SECRETS = "[production.registry]\nmax_agents = 7\n"


def test_c01_each_layer_wins_until_it_is_taken_away(tmp_path: Path) -> None:
    """`--set`, variable, secrets file, environment, default: 9, 8, 7, 6, 5, and `/config` names the source each time."""
    variable, override = {"ARBITER_REGISTRY__MAX_AGENTS": "8"}, "registry.max_agents=9"
    cases = [
        (LAYERS, SECRETS, variable, (override,)),
        (LAYERS, SECRETS, variable, ()),
        (LAYERS, SECRETS, {}, ()),
        (LAYERS, "", {}, ()),
        (LAYERS.replace("max_agents = 6", "cache_enabled = true"), "", {}, ()),
    ]

    def found(number: int) -> tuple[object, str]:
        settings, secrets, variables, overrides = cases[number]
        folder = tmp_path / str(number)
        folder.mkdir()
        directory = home(folder, settings=settings, secrets=secrets)
        with running(
            folder, *overrides, env="production", variables={**variables, **TOKEN}, directory=directory
        ) as service:
            key = keys_of(service)["registry.max_agents"]
        return key["value"], key["source"]

    with ThreadPoolExecutor(2) as pool:
        seen = list(pool.map(found, range(len(cases))))

    assert seen == [
        (9, "--set"),
        (8, "ARBITER_REGISTRY__MAX_AGENTS"),
        ("******", ".secrets.toml [production] line 2"),  # all that comes from there is masked
        (6, "settings.toml [production] line 4"),
        (5, "settings.toml [default] line 2"),
    ]


def test_c02_an_environment_changes_a_key_and_keeps_its_neighbours(tmp_path: Path) -> None:
    """The tables of `[default]` and the environment merge."""
    directory = home(
        tmp_path,
        settings="[default.server]\nhost = 'here'\nport = 4000\n[production.server]\nhost = 'there'\n",
    )

    shown = arbiter("config", "show", "--env", "production", "--json", directory=directory, variables=TOKEN)
    found = json.loads(shown.stdout)

    assert found["server.host"]["value"] == "there"
    assert found["server.host"]["overrode"] == [
        {"value": "here", "source": "settings.toml [default] line 2"},
        {"value": "localhost", "source": "default"},
    ]
    assert (found["server.port"]["value"], found["server.port"]["source"]) == (
        4000,
        "settings.toml [default] line 3",
    )


def test_c03_a_misspelt_environment_is_refused_before_anything_starts(tmp_path: Path) -> None:
    """`prodution` ends with 78 within two seconds of work, names the value, the environments and the nearest."""
    directory = home(tmp_path, settings="[production.registry]\nmax_agents = 6\n[production-eu]\n")

    begun = time.monotonic()
    outcome = arbiter("run", directory=directory, variables={"ARBITER_ENV": "prodution"})
    taken_s = time.monotonic() - begun

    assert outcome.returncode == 78
    for word in ("'prodution'", "ARBITER_ENV", "production-eu", "staging", "did you mean 'production'?"):
        assert word in outcome.stderr
    assert not (directory / "data").exists()
    assert taken_s < 10  # two seconds on a quiet machine; this suite shares its own


def test_c04_everything_wrong_is_in_one_report(tmp_path: Path) -> None:
    """Three invalid keys, an unknown one and a missing one: five entries, each with key, source and what was expected."""
    directory = home(
        tmp_path,
        settings="[default.server]\nhots = 'x'\nport = 99999\n[default.registry]\nmax_agents = -1\n",
    )
    config = directory / "config" / "__init__.py"
    config.write_text(
        config.read_text()
        .replace(
            "class Settings(",
            "class Billing(Section):\n    account: str\n    '''Who pays.'''\n\n\nclass Settings(",
        )
        .replace(
            "class Settings(FrameworkSettings):", "class Settings(FrameworkSettings):\n    billing: Billing\n"
        )
        .replace(
            "from arbiter.settings.framework",
            "from arbiter.section import Section\nfrom arbiter.settings.framework",
        )
    )

    outcome = arbiter("run", directory=directory, variables={"ARBITER_ROUTING__EXPLORATION_RATE": "2"})

    assert outcome.returncode == 78
    for words in (
        "5 problems in the settings",
        "server.hots: unknown key",
        "did you mean server.host",
        "server.port = 99999: input should be less than or equal to 65535",
        "from: settings.toml [default] line 3",
        "registry.max_agents = -1: input should be greater than or equal to 1",
        "routing.exploration_rate = '2': input should be less than or equal to 1",
        "from: ARBITER_ROUTING__EXPLORATION_RATE",
        "billing: required, and set nowhere",
    ):
        assert words in outcome.stderr


def test_c05_an_invalid_secret_is_told_nowhere(tmp_path: Path) -> None:
    """A secret of the wrong type is reported by its key; the value is in no output, tracebacks included."""
    secret = "s3cr3t-XYZ"
    directory = home(tmp_path, secrets=f"[default.management]\ntoken = ['{secret}']\nport = '{secret}'\n")
    commands = ["run", "check", "check --json", "config show", "config diff test staging"]

    outputs = said(directory, commands, {"ARBITER_TRACEBACK": "1"})

    assert list(outputs) == commands
    for code, text in outputs.values():
        assert code == 78
        assert "management.token" in text
        assert secret not in text


@pytest.mark.parametrize("text", ["08080", "1e3", "yes", "2024-01-01", "null", "0x1F"])
def test_c06_text_stays_text(text: str) -> None:
    """A variable for a text key is not cast by guess."""
    from arbiter.settings.sources import Sources
    from config import load

    found = load(Sources(Path("/nowhere"), environ={"ARBITER_OBSERVABILITY__SERVICE_NAME": text}))

    assert found.settings.observability.service_name == text


def test_c07_a_foreign_prefix_has_no_effect(tmp_path: Path) -> None:
    """`DYNACONF_*` is somebody else's."""
    directory = home(tmp_path)

    outcome = arbiter(
        "config", "get", "registry.max_agents", "--json",
        directory=directory, variables={"DYNACONF_REGISTRY__MAX_AGENTS": "99"},
    )  # fmt: skip

    assert json.loads(outcome.stdout)["value"] == 1000


def test_c08_code_in_configuration_is_not_run_and_reported(tmp_path: Path) -> None:
    """A hook file beside the settings and an `@` command in a variable are both in the report, and neither is obeyed."""
    directory = home(tmp_path, settings="")
    (directory / "dynaconf_hooks.py").write_text("open('was-run', 'w').close()\ndef post(s): return {}\n")

    outcome = arbiter(
        "run", directory=directory, variables={"ARBITER_SERVER__HOST": "@read_file /etc/hostname"}
    )

    assert outcome.returncode == 78
    assert "dynaconf_hooks.py" in outcome.stderr
    assert "server.host: @read_file is not evaluated" in outcome.stderr
    assert not (directory / "was-run").exists()


def test_environments_are_compared_by_command(tmp_path: Path) -> None:
    """`config diff` shows what differs, with both sources, and needs no secret of production."""
    directory = home(tmp_path, settings=LAYERS, secrets="[default.management]\ntoken = 'change-me'\n")

    outcome = arbiter("config", "diff", "development", "production", "--json", directory=directory)

    assert outcome.returncode == 0
    assert json.loads(outcome.stdout)["registry.max_agents"] == {
        "one": {"value": 5, "source": "settings.toml [default] line 2"},
        "other": {"value": 6, "source": "settings.toml [production] line 4"},
    }


def test_no_command_shows_a_secret(tmp_path: Path) -> None:
    """Secrets planted in every source are in the output of no command."""
    secret = "s3cr3t-XYZ"
    directory = home(
        tmp_path,
        settings=f"[default.storage]\nurl = 'postgresql://me:{secret}-1@db/x'\n",
        secrets=f"[default.management]\ntoken = '{secret}-2'\n[production.registry]\nmax_agents = 777\n",
        secrets_local=f"[default.performance]\nanonymization_key = '{secret}-3'\n",
    )
    (directory / "mounted").mkdir()
    (directory / "mounted" / "storage.password").write_text(f"{secret}-4")
    commands = [
        "config show", "config show --json", "config get management.token", "config get storage.url --json",
        "config get nothing", "config diff test production", "config diff test production --json", "config schema",
        "config docs", "check", "check --json", "config reload --management http://127.0.0.1:9", "status",
        "run --set server.port=1 --set management.port=1", f"run --set management.token=[{secret}-5",
        f"check --set routing.nothing={secret}-6",
    ]  # fmt: skip

    outputs = said(directory, commands, {"ARBITER_SECRETS_DIR": "mounted", "ARBITER_TRACEBACK": "1"})

    assert list(outputs) == commands
    assert [command for command, (_, text) in outputs.items() if secret in text or not text.strip()] == []
    assert "777" not in outputs["config diff test production"][1]


def said(directory: Path, commands: list[str], variables: dict[str, str]) -> dict[str, tuple[int, str]]:
    """Exit code and output of each command, all carried out by one process to spare the imports."""
    script = """
import sys
from arbiter.cli.commands import run
for command in sys.argv[1:]:
    code = run(command.split())
    sys.stdout.flush()
    print(f"\\n=== {code} {command}", flush=True)
"""
    outcome = subprocess.run(
        [sys.executable, "-c", script, *commands],
        cwd=directory,
        env=clean_environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
        check=False,
    )
    parts = re.split(r"\n=== (\d+) (.*)\n", outcome.stdout)
    return {command: (int(code), text) for text, code, command in zip(*[iter(parts)] * 3, strict=False)}
