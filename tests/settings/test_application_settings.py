"""The orchestrator's own settings files: they load in every environment, differ, and load fast."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import pytest

from arbiter.resilience.settings import OperationSettings, ResilienceSettings
from arbiter.settings.problems import SettingsInvalid
from arbiter.settings.snapshot import Snapshot
from arbiter.settings.sources import Sources
from config import Settings, load

ROOT = Path(__file__).parents[2]
TOKENS = {
    "ARBITER_MANAGEMENT__TOKEN": "real",
    "ARBITER_PERFORMANCE__ANONYMIZATION_KEY": "real",
    "ARBITER_SERVER__TOKENS__ADMIN__TOKEN": "real",
}


def tracked(directory: Path, environment: str, environ: dict[str, str]) -> Snapshot[Settings]:
    """The settings of the tracked files alone, whatever the developer keeps beside them."""
    for name in ("settings.toml", ".secrets.toml"):
        (directory / name).write_bytes((ROOT / name).read_bytes())
    return load(Sources(directory, environment, environ))


@pytest.mark.parametrize("environment", ["development", "test", "staging", "production"])
def test_every_environment_loads(tmp_path: Path, environment: str) -> None:
    """The tracked files are valid in each environment once the secrets are set."""
    assert tracked(tmp_path, environment, TOKENS).environment == environment


def test_environments_differ_by_file_alone(tmp_path: Path) -> None:
    """No two environments are the same."""
    names = ("development", "test", "staging", "production")

    assert len({tracked(tmp_path, name, TOKENS).sha256 for name in names}) == len(names)


def test_production_does_not_start_with_placeholders(tmp_path: Path) -> None:
    """Each tracked placeholder is named, with the variable that replaces it."""
    with pytest.raises(SettingsInvalid) as caught:
        tracked(tmp_path, "production", {})

    assert {problem.key for problem in caught.value.problems} == {
        "management.token",
        "performance.anonymization_key",
        "server.tokens",
    }
    assert all(name in str(caught.value) for name in TOKENS)


def test_defaults_of_the_file_are_those_of_the_code(tmp_path: Path) -> None:
    """What [default] spells out for readers is what the code does without it."""
    environ = {
        "ARBITER_LIFECYCLE__PRE_DRAIN_S": "5",  # the only thing that development changes
        "ARBITER_CAWS__RECORD": "",  # a component writes no file by itself; this application has it write one
    }

    # a guard gives every operation the same time; this application gives two of them more
    whole = {name: OperationSettings(timeout_ms=300_000) for name in ("backup", "restore")}

    assert tracked(tmp_path, "development", environ).settings == Settings(
        resilience=ResilienceSettings(operations={"registry": whole})
    )


def test_a_warm_load_takes_less_than_30_ms(tmp_path: Path) -> None:
    """Loading and validating everything takes so little of the processor that it is done at each reload."""
    tracked(tmp_path, "development", {})
    spent = []
    for _ in range(9):
        began = time.thread_time()
        tracked(tmp_path, "development", {})
        spent.append(time.thread_time() - began)

    assert statistics.median(spent) < 0.030
