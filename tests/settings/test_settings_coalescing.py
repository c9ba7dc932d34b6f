"""Who asks for a reload while one is running shares the next one."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from arbiter.container.settings_provider import SettingsProvider
from arbiter.host.surroundings import management_for
from arbiter.infrastructure import Infrastructure
from arbiter.settings.framework import FrameworkSettings
from arbiter.settings.live import LiveSettings
from arbiter.settings.loader import SettingsLoader
from arbiter.settings.snapshot import Snapshot
from arbiter.settings.sources import Sources
from tests.settings.kit import ShopSettings, load, sources
from tests.waiting import until

TEXT = "[default.registry]\nmax_agents = {}\ntags = ['{}']\n"


class Slow:
    """A loader that waits at a gate, and counts."""

    def __init__(self) -> None:
        self.loads = 0
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def __call__(self, given: Sources | None = None) -> Snapshot[ShopSettings]:
        """Load, once the gate is open."""
        self.loads += 1
        self.entered.set()
        assert self.gate.wait(10)
        return load(given)


def test_c15_twenty_at_once_are_two_loads(tmp_path: Path) -> None:
    """The first runs; the nineteen that come meanwhile share one more, which sees what they wrote."""
    loader = Slow()
    source: LiveSettings[ShopSettings] = LiveSettings(loader, sources(tmp_path, settings=TEXT.format(5, 5)))  # type: ignore[arg-type]
    _ = source.current
    loader.loads = 0
    loader.entered.clear()
    loader.gate.clear()

    first = source.ask()
    assert loader.entered.wait(10)
    (tmp_path / "settings.toml").write_text(TEXT.format(12, 12))
    others = [source.ask() for _ in range(19)]
    loader.gate.set()
    results = [asked.result(10) for asked in (first, *others)]

    assert loader.loads == 2
    assert {result.generation for result in results} == {2}
    assert source.current.registry.max_agents == 12


def test_who_stops_waiting_stops_nobody_else(tmp_path: Path) -> None:
    """An answer that nobody waits for any more does not keep the next one from coming."""
    loader = Slow()
    source: LiveSettings[ShopSettings] = LiveSettings(
        loader,  # type: ignore[arg-type]
        sources(tmp_path, settings=TEXT.format(5, 5)),
        apart_s=0,
    )
    _ = source.current
    loader.entered.clear()
    loader.gate.clear()

    running = source.ask()
    assert loader.entered.wait(10)
    waiting = source.ask()
    assert not running.cancel()
    assert waiting.cancel()
    loader.gate.set()

    assert running.result(10).outcome == "unchanged"
    assert source.ask().result(10).outcome == "unchanged"


class Counting(SettingsLoader[FrameworkSettings]):
    """The framework's loader, counting, with a gate that is open unless a test closes it."""

    loads = 0
    gate = threading.Event()
    gate.set()

    def __call__(self, sources: Sources | None = None) -> Snapshot[FrameworkSettings]:
        """Count and load, once the gate is open."""
        Counting.loads += 1
        assert Counting.gate.wait(10)
        return super().__call__(sources)


class Counted(Infrastructure):
    """An application of nothing but the pillars."""

    settings = SettingsProvider(Counting(FrameworkSettings))


async def test_c15_twenty_posts_are_at_most_two_loads(tmp_path: Path) -> None:
    """`POST /refresh` twenty times at once: each is answered with what the settings have become."""
    file = tmp_path / "settings.toml"
    file.write_text("[default.resilience]\ntimeout_ms = 5\n")
    container = Counted()
    container.settings.read_from(Sources(tmp_path))
    async with container:
        management = management_for(container, startup=container.startup, tasks=dict)
        arrived: list[object] = []

        async def counting(scope: Any, receive: Any, send: Any) -> None:
            arrived.append(scope)
            await management(scope, receive, send)

        file.write_text("[default.resilience]\ntimeout_ms = 12\n")
        Counting.loads = 0
        Counting.gate.clear()
        transport = httpx2.ASGITransport(app=counting)
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            posts = asyncio.gather(*(client.post("/refresh") for _ in range(20)))
            await until(lambda: len(arrived) == 20)
            for _ in range(100):  # from an arrival to its asking nothing waits: the loop has to turn only
                await asyncio.sleep(0)
            Counting.gate.set()
            answers = await posts

    assert Counting.loads <= 2
    assert {answer.status_code for answer in answers} == {200}
    assert ["resilience.timeout_ms"] in [answer.json()["changed"] for answer in answers]
    assert {answer.json()["generation"] for answer in answers} == {2}


def test_a_loader_with_a_bug_is_told_to_those_who_asked(tmp_path: Path) -> None:
    """What is no configuration error reaches the asker, and the next reload works."""

    class Broken(Slow):
        """One that has a bad day."""

        def __call__(self, given: Sources | None = None) -> Snapshot[ShopSettings]:
            """Fail at the second load."""
            if self.loads == 1:
                self.loads += 1
                raise ZeroDivisionError
            return super().__call__(given)

    source: LiveSettings[ShopSettings] = LiveSettings(Broken(), sources(tmp_path, settings=TEXT.format(5, 5)))  # type: ignore[arg-type]
    _ = source.current

    with pytest.raises(ZeroDivisionError):
        source.ask().result(10)

    assert source.ask().result(10).outcome == "unchanged"


def test_c10_no_reader_meets_a_bad_reload(tmp_path: Path) -> None:
    """100,000 reads during bad and good reloads: none missing, none torn, none raises."""
    source = LiveSettings(load, sources(tmp_path, settings=TEXT.format(1, 1)))
    view = source.view(lambda shop: shop.registry)
    _ = view.current
    file = tmp_path / "settings.toml"

    done = threading.Event()

    def read() -> tuple[int, int]:
        reads = wrong = 0
        while not done.is_set() or reads < 50_000:
            registry = view.current
            reads += 1
            wrong += registry.tags != (str(registry.max_agents),)
        return reads, wrong

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        for number in range(2, 12):
            for text in ("[default", TEXT.format(-1, -1), "", TEXT.format(number, number)):
                file.write_text(text)
                source.reload()
        done.set()

    assert sum(reader.result()[0] for reader in readers) >= 100_000
    assert [reader.result()[1] for reader in readers] == [0, 0]
    assert source.snapshot.generation == 11


def test_c12_a_thousand_reloads_leave_memory_and_descriptors(tmp_path: Path) -> None:
    """After a thousand reloads, good, bad and asked for, there are as many objects, threads and files as before."""
    source = LiveSettings(load, sources(tmp_path, settings=TEXT.format(1, 1)), apart_s=0)
    view = source.view(lambda shop: shop.registry)
    file = tmp_path / "settings.toml"

    def reloads(count: int) -> tuple[int, int, int]:
        for number in range(count):
            file.write_text("[default" if number % 10 == 0 else TEXT.format(number + 1, number + 1))
            if number % 2:
                source.reload()
            else:
                source.ask().result(10)
            _ = view.current
        gc.collect()
        return len(gc.get_objects()), len(os.listdir("/proc/self/fd")), _rss_kib()  # noqa: PTH208

    _ = source.current
    objects, files, rss_kib = reloads(100)
    more_objects, more_files, more_rss_kib = reloads(900)

    assert more_files <= files
    assert more_objects - objects < 500
    assert more_rss_kib - rss_kib < 5 * 1024


def _rss_kib() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])
