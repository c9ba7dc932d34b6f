"""The queue of events: what is handed over while a batch is under way, and what waits for its end."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from datetime import datetime

import pytest

from arbiter.orchestrator.performance.contents import Stored
from arbiter.orchestrator.performance.models import PerformanceEvent
from arbiter.orchestrator.performance.queue import BATCH, EventQueue
from arbiter.testing.clock import FakeClock
from tests.orchestrator.performance.kit import decision
from tests.waiting import until


class Held:
    """A sink that answers when it is told to, the batches in their order."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.answers: list[asyncio.Future[None]] = []

    async def append(self, events: Sequence[PerformanceEvent], _at: datetime) -> Stored:
        """Keep the ids, and wait for the answer."""
        self.batches.append([event.id for event in events])
        self.answers.append(asyncio.get_running_loop().create_future())
        await self.answers[-1]
        return Stored(frozenset(self.batches[-1]))


def recorded(queue: EventQueue, begin: int, count: int) -> list[asyncio.Future[int]]:
    """As many events, each with somebody who waits for it."""
    return [queue.write((decision(f"e{number}"),)) for number in range(begin, begin + count)]


async def test_few_events_gather_until_the_batch_before_them_is_through() -> None:
    """They are handed over when it was answered, and not in a batch of one each."""
    sink = Held()
    queue = EventQueue(sink, FakeClock())
    waiting = recorded(queue, 0, 1)
    await until(lambda: len(sink.batches) == 1)

    waiting += recorded(queue, 1, 10)
    await asyncio.sleep(0)
    assert [len(batch) for batch in sink.batches] == [1]

    sink.answers[0].set_result(None)
    await until(lambda: len(sink.batches) == 2)
    sink.answers[1].set_result(None)
    assert [await one for one in waiting] == [1] * 11
    assert [len(batch) for batch in sink.batches] == [1, 10]


async def test_a_thousand_events_are_two_batches_under_way() -> None:
    """The second is handed over before the first is answered, a third is not; each keeps its place."""
    sink = Held()
    queue = EventQueue(sink, FakeClock())

    waiting = recorded(queue, 0, 3 * BATCH)
    await until(lambda: len(sink.batches) == 2)
    await asyncio.sleep(0)
    assert [len(batch) for batch in sink.batches] == [BATCH, BATCH]

    for number in range(3):
        await until(lambda: len(sink.answers) > number)  # noqa: B023  awaited within the turn
        sink.answers[number].set_result(None)
    assert [await one for one in waiting] == [1] * (3 * BATCH)
    assert list(itertools.chain(*sink.batches)) == [f"e{number}" for number in range(3 * BATCH)]


async def test_what_vouches_for_others_waits_for_all_that_is_under_way() -> None:
    """A flush, and what was offered, go behind no batch that may fail yet."""
    sink = Held()
    queue = EventQueue(sink, FakeClock())
    recorded(queue, 0, BATCH)
    await until(lambda: len(sink.batches) == 1)

    queue.put(decision("offered"))
    flushed = queue.write()
    later = recorded(queue, BATCH, BATCH)
    await asyncio.sleep(0)
    assert len(sink.batches) == 1
    assert not flushed.done()

    sink.answers[0].set_result(None)
    await until(lambda: len(sink.batches) == 2)
    assert sink.batches[1][0] == "offered"
    sink.answers[1].set_result(None)
    assert await flushed == 0
    await until(lambda: len(sink.batches) == 3)
    sink.answers[2].set_result(None)
    assert await later[-1] == 1


async def test_a_batch_that_fails_takes_none_along_that_is_under_way() -> None:
    """Its callers and those that wait are told; those of the batch behind it hear what became of their own."""
    sink = Held()
    queue = EventQueue(sink, FakeClock())
    waiting = recorded(queue, 0, 2 * BATCH + 1)
    await until(lambda: len(sink.batches) == 2)

    sink.answers[0].set_exception(OSError("away"))
    sink.answers[1].set_result(None)

    with pytest.raises(OSError, match="away"):
        await waiting[0]
    assert await waiting[BATCH] == 1
    with pytest.raises(OSError, match="away"):
        await waiting[-1]
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert [isinstance(one, OSError) for one in found] == [True] * BATCH + [False] * BATCH + [True]
    again = recorded(queue, 9000, 1)
    await until(lambda: len(sink.batches) == 3)
    sink.answers[2].set_result(None)
    assert await again[0] == 1
