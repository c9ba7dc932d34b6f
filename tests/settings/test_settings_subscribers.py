"""Who has a say in a reload: two phases, a veto, a budget."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from arbiter.settings.live import LiveSettings
from arbiter.settings.oversight import SettingsOversight
from arbiter.settings.subscribers import Change
from tests.settings.kit import ShopSettings, load, sources

TEXT = "[default.registry]\nmax_agents = {}\nlabel = '{}'\nkey = 's3cr3t-XYZ'\n"


class Pool:
    """A subscriber that remembers what it was asked and told."""

    def __init__(
        self,
        prepare: Callable[[Change[Any]], object] = lambda _: None,
        commit: Callable[[Change[Any]], object] = lambda _: None,
    ) -> None:
        self.asked: list[Change[Any]] = []
        self.told: list[Change[Any]] = []
        self._prepare, self._commit = prepare, commit

    def prepare_settings(self, change: Change[Any]) -> None:
        """Remember, then do what the test says."""
        self.asked.append(change)
        self._prepare(change)

    def commit_settings(self, change: Change[Any]) -> None:
        """Remember, then do what the test says."""
        self.told.append(change)
        self._commit(change)


def fail(words: str) -> Callable[[Change[Any]], object]:
    """What raises with these words."""

    def act(_: Change[Any]) -> object:
        raise ValueError(words)

    return act


def live(directory: Path, *, budget_s: float = 2.0) -> LiveSettings[ShopSettings]:
    """Loaded live settings over one file."""
    source = LiveSettings(load, sources(directory, settings=TEXT.format(5, "a")), budget_s=budget_s)
    _ = source.current
    return source


def rewrite(directory: Path, number: int, label: str = "a") -> None:
    """Put other values into the file."""
    (directory / "settings.toml").write_text(TEXT.format(number, label))


def test_c09_a_subscriber_is_told_once_with_old_new_and_changed(tmp_path: Path) -> None:
    """One reload is one question and one announcement, each with both settings and the keys."""
    source, pool = live(tmp_path), Pool()
    source.subscribe(pool)
    old = source.current

    rewrite(tmp_path, 12)
    source.reload()

    assert pool.asked == pool.told == [Change(old, source.current, frozenset({"registry.max_agents"}), 2)]
    assert (old.registry.max_agents, source.current.registry.max_agents) == (5, 12)


def test_c14_a_veto_rejects_the_reload_and_nobody_commits(tmp_path: Path) -> None:
    """When one `prepare_settings` raises, the old settings stay and no subscriber is told."""
    source, willing, refusing = live(tmp_path), Pool(), Pool(prepare=fail("no connection to the new pool"))
    source.subscribe(willing)
    source.subscribe(refusing)
    before = source.snapshot

    rewrite(tmp_path, 12)
    result = source.reload()

    assert (result.outcome, result.generation) == ("rejected", 1)
    assert "no connection to the new pool" in result.report
    assert result.problems[0].key == "registry.max_agents"
    assert source.snapshot is before
    assert (len(willing.asked), willing.told, refusing.told) == (1, [], [])


def test_c14_restart_keys_are_listed_and_their_subscribers_not_disturbed(tmp_path: Path) -> None:
    """A key that needs a restart keeps its value, is reported, and is nothing to commit."""
    source, pool = live(tmp_path), Pool()
    source.subscribe(pool)

    rewrite(tmp_path, 5, "b")
    result = source.reload()

    assert result.restart_required == ("registry.label",)
    assert source.current.registry.label == "a"
    assert pool.asked == pool.told == []


def test_a_subscriber_that_hangs_is_a_veto_and_costs_its_budget(tmp_path: Path) -> None:
    """Whoever does not answer in time refuses; the reload goes on to its end."""
    source, hanging = live(tmp_path, budget_s=0.05), Pool(prepare=lambda _: threading.Event().wait(1))
    source.subscribe(hanging)

    rewrite(tmp_path, 12)
    result = source.reload()

    assert result.outcome == "rejected"
    assert "no answer within 0.05 s" in result.report


def test_a_failing_commit_stops_nobody(tmp_path: Path) -> None:
    """The settings are in force by then: the others are told all the same."""
    source, failing, next_one = live(tmp_path), Pool(commit=fail("too late")), Pool()
    source.subscribe(failing)
    source.subscribe(next_one)

    rewrite(tmp_path, 12)
    result = source.reload()

    assert result.outcome == "applied"
    assert len(next_one.told) == 1


def test_a_subscription_can_be_narrow_and_can_end(tmp_path: Path) -> None:
    """Only reloads that touch one of the keys are told, and none after the end."""
    source, narrow, foreign = live(tmp_path), Pool(), Pool()
    end = source.subscribe(narrow, keys=["registry"])
    source.subscribe(foreign, keys=["resilience", "registry.max"])

    rewrite(tmp_path, 12)
    source.reload()
    end()
    rewrite(tmp_path, 13)
    source.reload()

    assert len(narrow.told) == 1
    assert foreign.asked == []


def test_a_veto_never_tells_a_secret(tmp_path: Path) -> None:
    """Words of a subscriber that hold a secret are left out of the report."""
    source = live(tmp_path)
    source.subscribe(Pool(prepare=fail("cannot log in with s3cr3t-XYZ")))

    rewrite(tmp_path, 12)
    result = source.reload()

    assert result.outcome == "rejected"
    assert "s3cr3t" not in result.report


def test_a_dry_run_asks_nobody(tmp_path: Path) -> None:
    """What would be prepared is not, when nothing is to be committed."""
    source, pool = live(tmp_path), Pool()
    source.subscribe(pool)

    rewrite(tmp_path, 12)
    source.reload(dry_run=True)

    assert pool.asked == []


def test_components_subscribe_by_being_adopted(tmp_path: Path) -> None:
    """A component with both methods is asked and told; adopted again, it is asked once."""
    source, pool = live(tmp_path), Pool()
    oversight = SettingsOversight(source)
    oversight.adopt("pool", Pool())
    oversight.adopt("pool", pool)
    oversight.adopt("other", object())

    rewrite(tmp_path, 12)
    source.reload()

    assert len(pool.told) == 1
