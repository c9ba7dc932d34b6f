"""A request keeps the settings that it began with."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send

from arbiter.settings.live import LiveSettings
from arbiter.settings.pins import Pin, SettingsOfRequest
from arbiter.settings.snapshot import Snapshot
from tests.settings.kit import RegistrySection, ShopSettings, load, sources

TEXT = "[default.registry]\nmax_agents = {}\n"


def live(directory: Path) -> LiveSettings[ShopSettings]:
    """Loaded live settings over one file that says 5."""
    source = LiveSettings(load, sources(directory, settings=TEXT.format(5)))
    _ = source.current
    return source


def rewritten(directory: Path, number: int, source: LiveSettings[ShopSettings]) -> None:
    """The file says `number`, and a reload has applied it."""
    (directory / "settings.toml").write_text(TEXT.format(number))
    assert source.reload().outcome == "applied"


def test_a_pinned_unit_of_work_keeps_what_it_began_with(tmp_path: Path) -> None:
    """Inside, `current` and every view stay; the snapshot in force and `latest` do not; outside, all follow."""
    source = live(tmp_path)
    view, latest = source.view(lambda s: s.registry), source.latest(lambda s: s.registry)

    with source.pinned() as began:
        rewritten(tmp_path, 12, source)
        inside = (source.current.registry.max_agents, view.current.max_agents)
        in_force = (source.snapshot.settings.registry.max_agents, latest.current.max_agents)
        kept = source.current is began.settings

    assert inside == (5, 5)
    assert kept
    assert in_force == (12, 12)
    assert (source.current.registry.max_agents, view.current.max_agents) == (12, 12)


def test_pins_nest_and_know_their_own_settings(tmp_path: Path) -> None:
    """An inner unit of work begins anew; the settings of another application are not held."""
    (tmp_path / "other").mkdir()
    source, other = live(tmp_path), live(tmp_path / "other")

    with source.pinned():
        rewritten(tmp_path, 6, source)
        rewritten(tmp_path / "other", 7, other)
        with source.pinned():
            inner = source.current.registry.max_agents
        outer, foreign = source.current.registry.max_agents, other.current.registry.max_agents

    assert (inner, outer, foreign) == (6, 5, 7)


async def test_work_that_outlives_its_request_follows_reloads_again(tmp_path: Path) -> None:
    """A task begun by a request inherits the context, but not old settings for ever."""
    source = live(tmp_path)
    view = source.view(lambda s: s.registry)
    ended = asyncio.Event()

    async def background() -> tuple[int, int]:
        """What is seen during the request, and after its end."""
        during = view.current.max_agents
        await ended.wait()
        return during, view.current.max_agents

    with source.pinned():
        rewritten(tmp_path, 9, source)
        task = asyncio.create_task(background())
        await asyncio.sleep(0)
    ended.set()

    assert await task == (5, 9)


async def test_each_http_request_is_pinned(tmp_path: Path) -> None:
    """Two requests, one begun before and one after a reload, each see one generation; a WebSocket follows."""
    source = live(tmp_path)
    view = source.view(lambda s: s.registry)
    seen: dict[str, list[int]] = {"/old": [], "/new": [], "/socket": []}
    reloaded = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        """Look at the beginning and at the end."""
        seen[scope["path"]].append(view.current.max_agents)
        await reloaded.wait()
        seen[scope["path"]].append(view.current.max_agents)

    async def receive() -> dict[str, str]:
        """The client has gone."""
        return {"type": "http.disconnect"}

    async def send(_: object) -> None:
        """Nobody listens."""
        return

    layer = SettingsOfRequest(app, source)
    early = [
        asyncio.create_task(layer({"type": kind, "path": path}, receive, send))
        for kind, path in (("http", "/old"), ("websocket", "/socket"))
    ]
    await asyncio.sleep(0)
    rewritten(tmp_path, 12, source)
    late = asyncio.create_task(layer({"type": "http", "path": "/new"}, receive, send))
    await asyncio.sleep(0)
    reloaded.set()
    await asyncio.gather(*early, late)

    assert seen == {"/old": [5, 5], "/new": [12, 12], "/socket": [5, 12]}
    assert source.pins == set()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(["begin", "end first", "end last", "reload"]), max_size=20))
def test_every_pin_holds_its_snapshot_whatever_comes_in_between(steps: list[str]) -> None:
    """However beginnings, ends and reloads interleave, each unit of work reads what was in force as it began."""
    source = LiveSettings(load, snapshot=Snapshot.of(ShopSettings()))
    view = source.view(lambda s: s.registry)
    running: list[tuple[Pin, int]] = []

    for number, step in enumerate(steps):
        if step == "begin":
            pin = Pin(source)
            source.pins.add(pin)
            pin.snapshot = source.snapshot
            running.append((pin, source.snapshot.settings.registry.max_agents))
        elif step == "reload":
            after = ShopSettings(registry=RegistrySection(max_agents=number + 1))
            source._swap(Snapshot.of(after))
        elif running:
            pin, _ = running.pop(0 if step == "end first" else -1)
            pin.snapshot = None
            source.unpin(pin)
        for pin, expected in running:
            assert _read_under(pin, lambda: view.current.max_agents) == expected
        assert view.current.max_agents == source.snapshot.settings.registry.max_agents


def _read_under(pin: Pin, read: object) -> object:
    from arbiter.settings.pins import PINNED

    token = PINNED.set(pin)
    try:
        return read()  # type: ignore[operator]  # a lambda of the test
    finally:
        PINNED.reset(token)


def test_units_of_work_on_many_threads_never_see_two_generations(tmp_path: Path) -> None:
    """While the settings are swapped without pause, no unit of work reads two values."""
    source = LiveSettings(load, snapshot=Snapshot.of(ShopSettings()))
    view = source.view(lambda s: s.registry)
    torn: list[set[int]] = []
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            with source.pinned():
                seen = {view.current.max_agents for _ in range(20)}
            if len(seen) != 1:
                torn.append(seen)

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for number in range(1, 400):
        source._swap(Snapshot.of(ShopSettings(registry=RegistrySection(max_agents=number))))
    done.set()
    for worker in workers:
        worker.join()

    assert torn == []
    assert view.current.max_agents == 399
