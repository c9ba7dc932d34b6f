"""Settings under reload: what concurrent readers get, what a read costs, how fast a changed file is in use.

dynaconf stands beside us as it is used alone: one object, `reload()` in place, attribute reads.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dynaconf import Dynaconf

from arbiter.settings.live import LiveSettings
from arbiter.settings.sources import Sources
from arbiter.settings.watch import SettingsWatch
from benchmarks.harness import Row, interleaved
from config import Settings, load

__all__ = ["rows"]

PROJECT = Path(__file__).parent.parent
READS, RELOADS, READERS = 1_000_000, 1_000, 2
PEER_RELOADS = 100
TEXT = "[default.registry]\nmax_agents = {0}\ncache_ttl_s = {0}\n"


def rows() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        return [*_readers(directory), *_read_costs(directory), _load_time(), *_change_to_use(directory)]


def _live(directory: Path) -> LiveSettings[Settings]:
    (directory / "settings.toml").write_text(TEXT.format(1))
    live = LiveSettings(load, Sources(directory))
    _ = live.current
    return live


def _peer(directory: Path) -> Any:
    (directory / "settings.toml").write_text(TEXT.format(1))
    peer = Dynaconf(settings_files=[str(directory / "settings.toml")], environments=True, env="default")
    _ = peer.registry.max_agents
    return peer


def _readers(directory: Path) -> list[Row]:
    """Reads of two keys that belong together, on two threads, while a third writes the file and reloads."""
    live = _live(directory)
    view = live.view(lambda settings: settings.registry)

    def ours() -> bool:
        registry = view.current
        return registry.max_agents == registry.cache_ttl_s

    def reload(number: int) -> None:
        (directory / "settings.toml").write_text(TEXT.format(number))
        assert live.reload().outcome == "applied"

    reads, wrong = _under_reloads(ours, reload, reloads=RELOADS, at_least=READS)
    peer = _peer(directory)

    def theirs() -> bool:
        registry = peer.get("registry")
        return bool(registry) and registry.max_agents == registry.cache_ttl_s

    def reload_peer(number: int) -> None:
        (directory / "settings.toml").write_text(TEXT.format(number))
        peer.reload()

    peer_reads, peer_wrong = _under_reloads(theirs, reload_peer, reloads=PEER_RELOADS, at_least=0)
    return [
        Row(
            f"reads missing, torn or raising, of {reads:,} during {RELOADS:,} reloads",
            wrong,
            f"dynaconf alone, of {peer_reads:,} during {PEER_RELOADS} (as many per million)",
            round(1e6 * peer_wrong / max(peer_reads, 1)),
            "per million",
            "0",
        )
    ]


def _under_reloads(
    read: Callable[[], bool], reload: Callable[[int], None], *, reloads: int, at_least: int
) -> tuple[int, int]:
    """How many reads there were, and how many of them did not get two values that belong together."""
    done = threading.Event()
    totals: list[tuple[int, int]] = []

    def work() -> None:
        reads = wrong = 0
        while not done.is_set() or reads < at_least / READERS:
            reads += 1
            try:
                wrong += not read()
            except Exception:  # noqa: BLE001  what a reader would meet
                wrong += 1
        totals.append((reads, wrong))

    readers = [threading.Thread(target=work) for _ in range(READERS)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)  # more chances to look in between
    try:
        for reader in readers:
            reader.start()
        for number in range(2, reloads + 2):
            reload(number)
        done.set()
        for reader in readers:
            reader.join()
    finally:
        sys.setswitchinterval(interval)
    return sum(reads for reads, _ in totals), sum(wrong for _, wrong in totals)


def _read_costs(directory: Path) -> list[Row]:
    live = _live(directory)
    view = live.view(lambda settings: settings.registry)
    peer = _peer(directory)

    def ours(calls: int) -> float:
        begun = time.perf_counter()
        for _ in range(calls):
            _ = view.current.max_agents
        return time.perf_counter() - begun

    def pinned(calls: int) -> float:
        with live.pinned():
            return ours(calls)

    def theirs(calls: int) -> float:
        begun = time.perf_counter()
        for _ in range(calls):
            _ = peer.registry
        return time.perf_counter() - begun

    cost = interleaved({"ours": ours, "pinned": pinned, "dynaconf": theirs}, calls=20_000)
    return [
        Row(
            f"read of a live value{where}",
            cost[name] * 1e9,
            "dynaconf attribute",
            cost["dynaconf"] * 1e9,
            "ns",
            "< 150 ns",
        )
        for name, where in (("ours", ""), ("pinned", ", inside a request"))
    ]


def _load_time() -> Row:
    sources = Sources(PROJECT, "staging")
    load(sources)
    taken = []
    for _ in range(30):
        begun = time.perf_counter()
        load(sources)
        taken.append(time.perf_counter() - begun)
    return Row(
        "load and validate the orchestrator's settings",
        statistics.median(taken) * 1e3,
        "limit",
        30,
        "ms",
        "< 30 ms",
    )


def _change_to_use(directory: Path) -> list[Row]:
    """From `os.replace` of the file to the first read that gets the new value, with the default watch."""
    live = _live(directory)
    view = live.view(lambda settings: settings.registry)
    watch = SettingsWatch(live)
    watch.start()
    taken = []
    try:
        for number in range(2, 12):
            time.sleep(1)  # a change after a quiet time
            aside = directory / "new.toml"
            aside.write_text(TEXT.format(number))
            begun = time.perf_counter()
            os.replace(aside, directory / "settings.toml")  # noqa: PTH105
            while view.current.max_agents != number:
                time.sleep(0.001)
            taken.append(time.perf_counter() - begun)
    finally:
        watch.stop()
    target = "< 700 ms"
    return [
        Row(f"change of file to value in use, {name}", value * 1e3, "limit", 700, "ms", target)
        for name, value in (("median", statistics.median(taken)), ("worst of 10", max(taken)))
    ]
