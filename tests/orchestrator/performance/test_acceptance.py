"""Component 004's acceptance criteria on capture: at once, whole, and in little memory."""

from __future__ import annotations

import asyncio
import gc
import time

import pytest

from arbiter.clock import SystemClock
from arbiter.orchestrator.performance.models import EventType, PerformanceEvent
from arbiter.orchestrator.performance.settings import PerformanceSettings
from arbiter.orchestrator.performance.store import EventStore
from arbiter.orchestrator.storage.database import Database
from tests.orchestrator.performance.kit import NOW, completion, counted, resident_mb, tracking

CONCURRENT = 10_000
MINUTE_S = 60.0
DAY = 24 * 60 * 1000
"""Events of a day at a thousand a minute."""


async def test_004_a1_what_happened_is_there_when_record_returns(any_database: Database) -> None:
    """Not within a second but at once: agent, task, figures and metadata of an event are in the store."""
    event = completion("e1", cost=0.5, tokens=7)
    async with tracking(EventStore(any_database)) as tracker:
        await tracker.record(event)

        (found,) = await EventStore(any_database).completions(0, 10)
        assert found.event == event
        assert (await tracker.agent_summary("a")).total_tokens == 7


@pytest.mark.timeout(120)
async def test_004_a2_of_ten_thousand_at_once_none_is_lost(any_database: Database) -> None:
    """Ten thousand records that wait together are all kept, each once, in an unbroken chain: 100 %, asked are 99.99."""
    async with tracking(EventStore(any_database)) as tracker:
        taken = await asyncio.gather(*(tracker.record(completion(f"e{one}")) for one in range(CONCURRENT)))

        report = await tracker.verify(CONCURRENT + 1)
        assert sum(taken) == CONCURRENT
        assert (report.events, report.chains, report.broken_at) == (CONCURRENT, 1, None)


@pytest.mark.soak
@pytest.mark.timeout(300)
async def test_004_a2_of_ten_thousand_at_a_time_for_a_minute_none_is_lost(any_database: Database) -> None:
    """Ten thousand callers record one event after the other for a minute: each acknowledged event is there, once, in an
    unbroken chain, and memory does not grow with them.
    """
    async with tracking(EventStore(any_database), clock=SystemClock()) as tracker:
        began, acknowledged, sizes = time.monotonic(), [0] * CONCURRENT, list[float]()

        async def calling(caller: int) -> None:
            """Record until the minute is over."""
            while time.monotonic() - began < MINUTE_S:
                await tracker.record(
                    completion(f"e{caller}-{acknowledged[caller]}", agent_id=f"a{caller % 100}")
                )
                acknowledged[caller] += 1
                if caller == 0:
                    sizes.append(resident_mb())

        await asyncio.gather(*map(calling, range(CONCURRENT)))
        stored, seen = (await tracker.summary()).events, 0
        cursor: str | None = ""
        while cursor is not None:
            report = await tracker.verify(20_000, cursor)
            assert (report.broken_at, report.missing) == (None, 0)
            seen, cursor = seen + report.events, report.next

        assert stored == seen == sum(acknowledged) > CONCURRENT
        assert sizes[-1] - sizes[len(sizes) // 2] < 50


async def test_004_a3_what_was_just_offered_is_in_the_next_batch(any_database: Database) -> None:
    """A batch of training data waits for the buffer, not for the flush interval: no five seconds pass."""
    async with tracking(
        EventStore(any_database), PerformanceSettings(flush_interval_ms=3_600_000)
    ) as tracker:
        tracker.offer(completion("e1"))

        assert len((await tracker.training_batches()).samples) == 1


async def test_an_execution_that_never_ends_stays_on_record(any_database: Database) -> None:
    """A start without its completion is kept as long as any event, and counts into no rate."""
    begun = PerformanceEvent(
        id="s1", type=EventType.TASK_EXECUTION_START, timestamp=NOW, agent_id="a", task_id="t"
    )
    async with tracking(EventStore(any_database)) as tracker:
        await tracker.record(begun)

        summary = await tracker.agent_summary("a")
        assert (summary.events, summary.completed, summary.success_rate) == (1, 0, None)


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_004_a6_a_day_at_a_thousand_a_minute_takes_less_than_200_mb(database: Database) -> None:
    """1,440,000 records, as fast as they go: none lost, the chain whole, and memory grows by less than 200 MB."""
    async with tracking(EventStore(database)) as tracker:
        await tracker.record_all([completion(f"w{one}") for one in range(10_000)])
        gc.collect()
        before = resident_mb()
        for begin in range(0, DAY, 1000):
            agent = f"agent-{begin // 1000 % 100}"
            await tracker.record_all([completion(f"e{begin + one}", agent_id=agent) for one in range(1000)])
        gc.collect()
        grown = resident_mb() - before

        assert counted(tracker, "flushed") == DAY + 10_000
        assert (await tracker.summary()).events == DAY + 10_000
        assert grown < 200
