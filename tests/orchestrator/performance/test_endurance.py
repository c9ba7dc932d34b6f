"""The tracker for a minute on end, as its callers have it: behind its guard, in one process, on a real database."""

from __future__ import annotations

import asyncio
import gc
import itertools
import sys
import time
from pathlib import Path

import pytest

from arbiter.orchestrator.performance.tracker import PerformanceTracker
from arbiter.settings.sources import Sources
from containers.application import Application
from tests.orchestrator.performance.kit import counted, execution, resident_mb
from tests.waiting import until

CALLERS = 1000
WARM_UP_S = 10.0
SECONDS = 60.0
GROWTH_MB = 50.0
"""Pages that SQLite keeps fill 32 MiB and no more; a million events that were held would take a thousand."""


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_004_whatever_is_recorded_for_a_minute_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A thousand callers, as fast as they go: each event acknowledged as new and stored, the chain whole, memory flat."""
    container = Application()
    overrides = {
        "storage.url": f"sqlite:///{tmp_path / 'events.db'}",
        "performance.spool_dir": str(tmp_path / "spool"),
        "observability.log_level": "error",
    }
    container.settings.read_from(Sources(tmp_path, "test", overrides=overrides))
    async with container:
        tracker, numbers = container.tracker(), itertools.count()
        early = await recorded(tracker, numbers, WARM_UP_S)
        gc.collect()
        before, began = resident_mb(), time.perf_counter()
        recent = await recorded(tracker, numbers, SECONDS)
        rate = recent / (time.perf_counter() - began)
        gc.collect()
        grown = resident_mb() - before
        with capsys.disabled():
            sys.stdout.write(f"\n{rate:,.0f} events a second for {SECONDS:.0f} s, {grown:+.1f} MB\n")

        await until(lambda: counted(tracker, "spool.pending") == 0)
        assert early + recent == next(numbers)
        assert (await tracker.summary()).events == early + recent
        assert await verified(tracker) == early + recent
        assert grown < GROWTH_MB


async def recorded(tracker: PerformanceTracker, numbers: itertools.count[int], seconds: float) -> int:
    """How many new events callers got acknowledged who recorded for so long."""
    end = time.perf_counter() + seconds

    async def call() -> int:
        """One caller."""
        new = 0
        while time.perf_counter() < end:
            new += await tracker.record(execution(next(numbers)))
        return new

    return sum(await asyncio.gather(*(call() for _ in range(CALLERS))))


async def verified(tracker: PerformanceTracker) -> int:
    """How many events the chain holds, looked at from end to end."""
    events, cursor = 0, ""
    while True:
        report = await tracker.verify(cursor=cursor)
        assert report.broken_at is None
        events += report.events
        if report.next is None:
            return events
        cursor = report.next
