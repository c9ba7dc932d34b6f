"""What a reload may change, and what it may never break."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from arbiter.events import SettingsApplied, SettingsRejected
from arbiter.settings.live import LiveSettings
from arbiter.settings.problems import SettingsInvalid
from arbiter.settings.snapshot import Snapshot
from tests.settings.kit import RegistrySection, ShopSettings, load, sources

GOOD = "[default.registry]\nmax_agents = 5\nlabel = 'a'\n"


@dataclass(slots=True)
class Heard:
    """A sink that remembers what it took."""

    events: list[object] = field(default_factory=list)

    def publish(self, event: object) -> None:
        """Remember one event."""
        self.events.append(event)


def live(directory: Path, text: str = GOOD, **given: object) -> LiveSettings[ShopSettings]:
    """Live settings over one file, with a sink of their own."""
    return LiveSettings(load, sources(directory, settings=text, **given), events=Heard())  # type: ignore[arg-type]


def test_settings_are_loaded_at_first_use(tmp_path: Path) -> None:
    """Making live settings reads nothing; a failed first load is tried again."""
    settings = live(tmp_path, "broken")

    with pytest.raises(SettingsInvalid):
        _ = settings.current
    assert settings.held is None
    (tmp_path / "settings.toml").write_text(GOOD)

    assert settings.current.registry.max_agents == 5


def test_a_good_reload_is_applied_and_told(tmp_path: Path) -> None:
    """The generation grows, views follow, and one event names the changed keys."""
    heard = Heard()
    settings = LiveSettings(load, sources(tmp_path, settings=GOOD), events=heard)
    view = settings.view(lambda shop: shop.registry)
    before = view.current

    (tmp_path / "settings.toml").write_text(GOOD.replace("5", "12"))
    result = settings.reload()

    assert (result.outcome, result.generation, result.changed) == ("applied", 2, ("registry.max_agents",))
    assert (before.max_agents, view.current.max_agents) == (5, 12)
    assert heard.events == [SettingsApplied(2, ("registry.max_agents",))]


def test_equal_content_changes_nothing(tmp_path: Path) -> None:
    """A rewritten file with the same values makes no generation and no event."""
    settings = live(tmp_path)
    before = settings.snapshot

    (tmp_path / "settings.toml").write_text(f"# touched\n{GOOD}")
    result = settings.reload()

    assert (result.outcome, result.generation) == ("unchanged", 1)
    assert settings.snapshot is before
    assert isinstance(settings.events, Heard)
    assert settings.events.events == []


@pytest.mark.parametrize("text", ["[default", "[default.registry]\nmax_agents = -1\n", "", None])
def test_a_bad_reload_keeps_what_was_there(tmp_path: Path, text: str | None) -> None:
    """Syntax, range, an emptied and a deleted file are rejected; the next good file is applied."""
    settings = live(tmp_path)
    before = settings.snapshot
    file = tmp_path / "settings.toml"

    file.unlink() if text is None else file.write_text(text)
    rejected = settings.reload()
    kept = settings.snapshot
    file.write_text(GOOD.replace("5", "6"))
    applied = settings.reload()

    assert (rejected.outcome, rejected.generation) == ("rejected", 1)
    assert kept is before
    assert rejected.report
    assert rejected.problems
    assert (applied.outcome, applied.generation) == ("applied", 2)
    assert isinstance(settings.events, Heard)
    assert [type(event) for event in settings.events.events] == [SettingsRejected, SettingsApplied]


def test_a_dry_run_says_and_does_nothing(tmp_path: Path) -> None:
    """A dry run reports the outcome and leaves settings and events alone."""
    settings = live(tmp_path)
    before = settings.snapshot

    (tmp_path / "settings.toml").write_text(GOOD.replace("5", "12"))
    result = settings.reload(dry_run=True)

    assert (result.outcome, result.generation, result.changed) == ("applied", 1, ("registry.max_agents",))
    assert settings.snapshot is before
    assert isinstance(settings.events, Heard)
    assert settings.events.events == []


def test_restart_keys_keep_their_values_and_sources(tmp_path: Path) -> None:
    """Keys that need a restart are reported at each reload, and never half-applied."""
    settings = live(tmp_path)
    _ = settings.current

    (tmp_path / "settings.toml").write_text("[default.registry]\nmax_agents = 7\n\n\nlabel = 'b'\n")
    first = settings.reload()
    second = settings.reload()

    registry = settings.current.registry
    assert (registry.max_agents, registry.label) == (7, "a")
    assert (first.outcome, first.changed, first.restart_required) == (
        "applied",
        ("registry.max_agents",),
        ("registry.label",),
    )
    assert (second.outcome, second.restart_required) == ("unchanged", ("registry.label",))
    assert str(settings.snapshot.sources["registry.label"]) == "settings.toml [default] line 3"


def test_new_entries_of_a_live_mapping_are_applied(tmp_path: Path) -> None:
    """Overrides of an operation can appear and vanish by reload."""
    settings = live(tmp_path)
    _ = settings.current

    (tmp_path / "settings.toml").write_text(f"{GOOD}[default.resilience.operations.a.b]\ntimeout_ms = 9\n")
    result = settings.reload()

    assert "resilience.operations.a.b.timeout_ms" in result.changed
    assert "resilience.operations" not in result.changed
    assert settings.current.resilience.policy("a", "b").timeout_s == 0.009


def test_live_values_that_do_not_fit_the_kept_ones_are_rejected(tmp_path: Path) -> None:
    """A mix of new live and old restart keys is validated as a whole."""
    text = "[default.registry]\nmax_agents = {}\nfloor = {}\nkey = 's3cr3t-XYZ'\n"
    settings = live(tmp_path, text.format(5, 4))
    _ = settings.current

    (tmp_path / "settings.toml").write_text(text.format(2, 1))
    result = settings.reload()

    assert result.outcome == "rejected"
    assert "until a restart" in result.report
    assert "s3cr3t" not in result.report
    assert settings.current.registry.max_agents == 5


def test_a_changed_secret_is_a_change(tmp_path: Path) -> None:
    """Secrets count when snapshots are compared, although the hash leaves them out."""
    secret = "[default.registry]\nmax_agents = 5\nkey = '{}'\n"
    settings = live(tmp_path, secrets=secret.format("one"))
    _ = settings.current

    (tmp_path / ".secrets.toml").write_text(secret.format("two"))
    result = settings.reload()

    assert result.restart_required == ("registry.key",)


def test_settings_given_by_hand_have_nothing_to_reload() -> None:
    """A snapshot made from objects stays; its sources say that it was given."""
    given = Snapshot.of(ShopSettings(registry=RegistrySection(max_agents=3)), environment="test")
    settings = LiveSettings(load, snapshot=given)

    assert settings.reload().outcome == "unchanged"
    assert settings.current.registry.max_agents == 3
    assert str(given.sources["registry.max_agents"]) == "given"
    assert "management.token" in given.secrets


def test_readers_never_see_less_than_a_whole_snapshot(tmp_path: Path) -> None:
    """While files go good and bad, each read gives settings in which both keys belong together."""
    settings = live(tmp_path, "[default.registry]\nmax_agents = 1\ntags = ['1']\n")
    view = settings.view(lambda shop: shop.registry)
    _ = view.current  # loaded before the files begin to change
    torn: list[object] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            registry = view.current
            if registry.tags != (str(registry.max_agents),):
                torn.append(registry)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(2, 8):
        (tmp_path / "settings.toml").write_text(
            f"[default.registry]\nmax_agents = {number}\ntags = ['{number}']\n"
        )
        settings.reload()
        (tmp_path / "settings.toml").write_text("[default")
        settings.reload()
    done.set()
    reader.join()

    assert torn == []
    assert settings.snapshot.generation == 7
