"""Where each value comes from, what it overrode, how environments differ, and what is merely suspicious."""

from __future__ import annotations

from pathlib import Path

import pytest

from arbiter.masking import MASK
from arbiter.settings.loader import SettingsLoader
from arbiter.settings.present import Covered, Difference, differences, entries
from arbiter.settings.problems import SettingsInvalid
from config import Settings
from config import load as load_application
from tests.settings.kit import load, loaded, sources

FILE = """
[default.registry]
max_agents = 5
tags = ["a"]
[production.registry]
max_agents = 6
"""


def test_each_value_tells_what_it_overrode(tmp_path: Path) -> None:
    """Every layer below the one that was heard is there, highest first, and the code's default at the bottom."""
    snapshot = loaded(
        tmp_path,
        settings=FILE,
        secrets="[default.registry]\nmax_agents = 7\n",
        environment="production",
        environ={"ARBITER_REGISTRY__MAX_AGENTS": "8"},
        overrides={"registry.max_agents": "9"},
    )
    shown = {entry.key: entry for entry in entries(snapshot)}

    assert (shown["registry.max_agents"].value, shown["registry.max_agents"].source) == (9, "--set")
    assert shown["registry.max_agents"].overrode == (
        Covered("8", "ARBITER_REGISTRY__MAX_AGENTS"),
        Covered(MASK, ".secrets.toml [default] line 2"),
        Covered(6, "settings.toml [production] line 6"),
        Covered(5, "settings.toml [default] line 3"),
        Covered(1000, "default"),
    )
    assert shown["registry.tags"].overrode == (Covered([], "default"),)
    assert shown["registry.label"].overrode == ()


def test_overridden_secrets_are_masked(tmp_path: Path) -> None:
    """What lies below a secret is as secret, and no password of an address is shown."""
    secret = "s3cr3t-XYZ"
    snapshot = load_application(
        sources(
            tmp_path,
            settings=f"[default.management]\ntoken = '{secret}'\n"
            f"[default.storage]\nurl = 'postgresql://me:{secret}@db/x'\n",
            environ={"ARBITER_MANAGEMENT__TOKEN": f"{secret}2"},
            overrides={"storage.url": "sqlite:///x.db"},
        )
    )

    shown = str(entries(snapshot)) + repr(snapshot)

    assert secret not in shown
    assert "postgresql://me:******@db/x" in shown


def test_a_reload_keeps_the_provenance_of_what_it_keeps(tmp_path: Path) -> None:
    """A key that waits for its restart shows what its old value overrode."""
    from arbiter.settings.live import LiveSettings

    source = LiveSettings(
        load, sources(tmp_path, settings="[default.registry]\nlabel = 'a'\nmax_agents = 5\n")
    )
    _ = source.current
    (tmp_path / "settings.toml").write_text(
        "[default.registry]\nlabel = 'b'\nmax_agents = 6\n[development.registry]\nlabel = 'c'\n"
    )
    source.reload()

    shown = {entry.key: entry for entry in entries(source.snapshot)}
    assert shown["registry.label"].value == "a"
    assert shown["registry.label"].overrode == (Covered("registry", "default"),)


def test_environments_are_compared_by_value(tmp_path: Path) -> None:
    """Keys that differ are listed with both values; the same value from another place is no difference."""
    given = sources(tmp_path, settings=f"{FILE}tags = ['a']\n[production.management]\ntoken = 'x'\n")
    loader: SettingsLoader[Settings] = load  # type: ignore[assignment]  # any settings type will do
    one, other = (
        loader.inspect(given if name is None else sources(tmp_path, environment=name))
        for name in (None, "production")
    )

    found = {each.key: each for each in differences(one, other)}

    assert set(found) == {"registry.max_agents", "management.token"}
    token = found["management.token"]
    assert isinstance(token, Difference)
    assert token.one is not None
    assert token.other is not None
    assert (token.one.value, token.other.value) == (MASK, MASK)


def test_looking_at_production_needs_no_secrets_of_it(tmp_path: Path) -> None:
    """A placeholder is refused where production is to run, and let pass where it is only looked at."""
    given = sources(
        tmp_path, environment="production", settings="", secrets="[default.management]\ntoken = 'change-me'\n"
    )

    with pytest.raises(SettingsInvalid):
        load(given)

    assert load.inspect(given).settings.management.token.get_secret_value() == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[default.lifecycle]\ngrace_period_s = 20\n", "lifecycle.total_s (25 s) is not below"),
        ("[default.lifecycle]\nhook_s = 7\n", "lifecycle.hook_s (7 s) is above"),
        ("[default.health]\ntimeout_s = 20\n", "health.timeout_s (20 s) is above"),
    ],
)
def test_what_looks_like_a_mistake_is_a_warning(tmp_path: Path, text: str, words: str) -> None:
    """A stop that outlives the platform's grace period is allowed, and said."""
    snapshot = loaded(tmp_path, settings=text)

    assert len(snapshot.warnings) == 1
    assert words in snapshot.warnings[0]


def test_the_defaults_give_no_warning(tmp_path: Path) -> None:
    """What the code says fits together."""
    assert loaded(tmp_path).warnings == ()
