"""Watching the settings' directory."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from arbiter.events import SettingsApplied, SettingsRejected
from arbiter.settings.live import LiveSettings
from arbiter.settings.snapshot import Snapshot
from arbiter.settings.sources import Sources
from arbiter.settings.watch import SettingsWatch
from tests.settings.kit import ShopSettings, load, sources

TEXT = "[default.registry]\nmax_agents = {}\n"


class Heard:
    """A sink that remembers what it took, and how often the settings were loaded for it."""

    def __init__(self) -> None:
        self.events: list[object] = []

    def publish(self, event: object) -> None:
        """Remember one event."""
        self.events.append(event)


class Counted:
    """The loader, counting."""

    def __init__(self) -> None:
        self.loads = 0

    def __call__(self, given: Sources | None = None) -> Snapshot[ShopSettings]:
        """Count and load."""
        self.loads += 1
        return load(given)


@contextmanager
def watched(
    directory: Path, given: Sources | None = None, **options: float
) -> Iterator[tuple[LiveSettings[ShopSettings], Counted]]:
    """Loaded live settings over a directory, and a watch on it."""
    loader = Counted()
    given = given or sources(directory, settings=TEXT.format(5))
    source: LiveSettings[ShopSettings] = LiveSettings(loader, given, events=Heard())  # type: ignore[arg-type]
    _ = source.current
    watch = SettingsWatch(source, **{"quiet_ms": 20, "apart_s": 0.05, **options})  # type: ignore[arg-type]
    assert watch.start()
    try:
        yield source, loader
    finally:
        watch.stop()


def until(condition: Callable[[], object], limit_s: float = 15) -> None:
    """Poll until `condition` is truthy."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.005)


def says(source: LiveSettings[ShopSettings], number: int) -> Callable[[], bool]:
    """Whether this number is in force."""
    return lambda: source.current.registry.max_agents == number


def has(heard: Heard, count: int) -> Callable[[], bool]:
    """Whether so many events were heard."""
    return lambda: len(heard.events) == count


def replaced(file: Path, text: str) -> None:
    """Put another file in this one's place, as editors and deployments do."""
    aside = file.with_name(f"{file.name}.new")
    aside.write_text(text)
    os.replace(aside, file)  # noqa: PTH105  the very call that is meant


def rename_dance(file: Path, text: str) -> None:
    """What vim does: the old file becomes a backup, a new one is written, the backup goes."""
    backup = file.with_name(f"{file.name}~")
    file.rename(backup)
    file.write_text(text)
    backup.unlink()


@pytest.mark.parametrize("write", [Path.write_text, replaced, rename_dance])
def test_a_changed_file_is_applied_each_time(tmp_path: Path, write: Callable[[Path, str], object]) -> None:
    """A write in place, an atomic replace and an editor's rename are seen, and so is the next one."""
    file = tmp_path / "settings.toml"
    with watched(tmp_path) as (source, _):
        for generation, number in ((2, 12), (3, 13), (4, 14)):
            write(file, TEXT.format(number))
            until(says(source, number))
            assert source.snapshot.generation == generation

        assert isinstance(source.events, Heard)
        assert [type(event) for event in source.events.events] == [SettingsApplied] * 3


def test_c11_a_swapped_configmap_is_one_generation_each(tmp_path: Path) -> None:
    """Kubernetes swaps the link `..data`; five swaps are five generations."""
    mount = tmp_path / "mount"
    mount.mkdir()

    def swap(number: int) -> None:
        version = mount / f"..2026_{number}"
        version.mkdir()
        (version / "settings.toml").write_text(TEXT.format(number))
        aside = mount / "..data_tmp"
        aside.symlink_to(version.name)
        os.replace(aside, mount / "..data")  # noqa: PTH105  the very call that is meant

    swap(5)
    (mount / "settings.toml").symlink_to("..data/settings.toml")
    with watched(mount, Sources(mount)) as (source, _):
        for number in range(6, 11):
            swap(number)
            until(says(source, number))

        assert source.snapshot.generation == 6


def test_c12_a_storm_of_writes_is_a_handful_of_reloads(tmp_path: Path) -> None:
    """However often the file is rewritten, reloads keep their distance, and the last content wins."""
    file = tmp_path / "settings.toml"
    with watched(tmp_path, quiet_ms=100, apart_s=0.6) as (source, loader):
        begun = time.monotonic()
        for number in range(200):
            file.write_text(TEXT.format(1000 + number))
            time.sleep(0.01)  # a storm takes its time
        until(lambda: source.current.registry.max_agents == 1199)
        reloads, took_s = loader.loads - 1, time.monotonic() - begun

        assert reloads <= took_s / 0.6 + 1


def test_c13_equal_content_makes_no_generation_and_calls_nobody(tmp_path: Path) -> None:
    """A touched file, and one rewritten with the same values, are read and change nothing."""
    file = tmp_path / "settings.toml"
    with watched(tmp_path) as (source, loader):
        before = source.snapshot
        os.utime(file, (1, 1))
        until(lambda: loader.loads == 2)
        replaced(file, f"# the same\n{TEXT.format(5)}")
        until(lambda: loader.loads == 3)

        until(lambda: source.last is not None)
        assert source.snapshot is before
        assert isinstance(source.events, Heard)
        assert source.events.events == []


def test_c10_each_bad_file_is_rejected_once_and_a_good_one_heals(tmp_path: Path) -> None:
    """Syntax, range, empty, gone: the generation stays, one event each; the next good file is applied."""
    file = tmp_path / "settings.toml"
    with watched(tmp_path) as (source, _):
        heard = source.events
        assert isinstance(heard, Heard)
        for count, text in enumerate(["[default", TEXT.format(-1), "", None], start=1):
            file.unlink() if text is None else replaced(file, text)
            until(has(heard, count))
            assert source.snapshot.generation == 1
        replaced(file, TEXT.format(6))
        until(lambda: source.snapshot.generation == 2)

        assert [type(event) for event in heard.events] == [SettingsRejected] * 4 + [SettingsApplied]
        assert source.last is not None
        assert source.last.outcome == "applied"


def test_a_directory_of_secret_files_is_watched_too(tmp_path: Path) -> None:
    """A secret that is mounted anew is taken over like any other value."""
    (tmp_path / "secrets").mkdir()
    secret = tmp_path / "secrets" / "registry__max_agents"
    secret.write_text("7")
    given = Sources(tmp_path, environ={"ARBITER_SECRETS_DIR": "secrets"})
    with watched(tmp_path, given) as (source, _):
        replaced(secret, "8")
        until(lambda: source.current.registry.max_agents == 8)


def test_files_are_looked_at_where_nothing_is_told(tmp_path: Path) -> None:
    """A link into a directory that is not watched is found changed by looking."""
    far, near = tmp_path / "far", tmp_path / "near"
    far.mkdir()
    near.mkdir()
    (far / "real.toml").write_text(TEXT.format(5))
    (near / "settings.toml").symlink_to(far / "real.toml")
    with watched(near, Sources(near), poll_s=0.05) as (source, _):
        replaced(far / "real.toml", TEXT.format(9))
        until(lambda: source.current.registry.max_agents == 9)


def test_settings_given_by_hand_are_not_watched() -> None:
    """There is nothing to watch, and no thread."""
    source = LiveSettings(load, snapshot=Snapshot.of(ShopSettings()))

    assert not SettingsWatch(source).start()
