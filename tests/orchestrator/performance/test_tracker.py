"""The tracker: recorded is durable, offered is bounded and counted, nothing is lost at stop."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import timedelta

import pytest
from pydantic import SecretStr

from arbiter.errors import LifecycleStateError
from arbiter.orchestrator.performance.cursors import CursorInvalid
from arbiter.orchestrator.performance.settings import PerformanceSettings
from arbiter.orchestrator.performance.spool import SpoolRefused
from arbiter.orchestrator.performance.store import EventStore
from arbiter.orchestrator.performance.tracker import PerformanceTracker
from arbiter.orchestrator.storage.database import Database
from arbiter.orchestrator.storage.errors import StorageUnavailable
from arbiter.protocols import Status
from arbiter.testing.clock import FakeClock
from arbiter.testing.live import Fixed
from tests.orchestrator.performance.kit import NOW, Switched, completion, counted, decision, tracking
from tests.waiting import until


async def test_a_recorded_event_is_on_disk(database: Database, sqlite_url: str) -> None:
    """Once `record` returns, another connection to the file sees the event."""
    async with tracking(EventStore(database)) as tracker:
        assert await tracker.record(completion("e1")) is True

        with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as other:
            found = other.execute("SELECT id FROM events").fetchall()
        other.close()

    assert found == [("e1",)]


async def test_a_retry_counts_once(any_database: Database) -> None:
    """The same event again is passed over, and says so."""
    async with tracking(EventStore(any_database)) as tracker:
        await tracker.record(completion("e1"))

        assert await tracker.record(completion("e1")) is False
        assert (await tracker.summary()).events == 1
        assert counted(tracker, "duplicates") == 1


async def test_concurrent_records_are_all_kept_in_one_chain(any_database: Database) -> None:
    """A thousand at once: all stored, one unbroken chain."""
    async with tracking(EventStore(any_database)) as tracker:
        await asyncio.gather(*(tracker.record(completion(f"e{number}")) for number in range(1000)))

        assert (await tracker.verify()).model_dump(exclude={"next"}) == {
            "events": 1000,
            "chains": 1,
            "broken_at": None,
            "missing": 0,
        }


async def test_a_cancelled_record_is_kept(any_database: Database) -> None:
    """Who gives up waiting does not take the event back."""
    async with tracking(EventStore(any_database)) as tracker:
        waiter = asyncio.create_task(tracker.record(completion("e1")))
        await asyncio.sleep(0)
        waiter.cancel()
        await asyncio.gather(waiter, return_exceptions=True)

        assert (await tracker.summary()).events == 1


async def test_offered_events_are_bounded_and_drops_counted(any_database: Database) -> None:
    """One more than fits is dropped, told and counted; the others are stored."""
    async with tracking(EventStore(any_database), PerformanceSettings(buffer_size=3)) as tracker:
        taken = [tracker.offer(decision(f"e{number}")) for number in range(5)]

        assert taken == [True, True, True, False, False]
        assert counted(tracker, "dropped") == 2
        assert (await tracker.summary()).events == 3
        assert counted(tracker, "buffered") == 0
        assert tracker.offer(decision("later")) is True


async def test_a_half_full_buffer_is_written(any_database: Database) -> None:
    """The second of four slots starts a flush, without any time passing."""
    async with tracking(EventStore(any_database), PerformanceSettings(buffer_size=4)) as tracker:
        tracker.offer(decision("e1"))
        assert counted(tracker, "buffered") == 1
        tracker.offer(decision("e2"))

        await until(lambda: counted(tracker, "flushed") == 2)


async def test_time_writes_the_buffer(any_database: Database) -> None:
    """What waits is written after `flush_interval_ms`, however little it is, again and again."""
    clock = FakeClock()
    async with tracking(
        EventStore(any_database), PerformanceSettings(flush_interval_ms=5000), clock
    ) as tracker:
        for number in (1, 2):
            tracker.offer(decision(f"e{number}"))
            await until(lambda: clock.sleepers == 3)
            clock.advance(4.9)
            await asyncio.sleep(0)
            assert counted(tracker, "flushed") == number - 1

            clock.advance(0.1)
            await until(lambda: counted(tracker, "flushed") == number)  # noqa: B023  awaited within the turn


async def test_stop_writes_what_waits_and_takes_no_more(any_database: Database) -> None:
    """Buffered events are in the database after stop; offers are refused and counted, records are errors."""
    store = EventStore(any_database)
    async with tracking(store) as tracker:
        for number in range(100):
            tracker.offer(decision(f"e{number}"))

    assert (await store.summarize(None)).events == 100
    assert tracker.offer(decision("late")) is False
    assert counted(tracker, "dropped") == 1
    with pytest.raises(LifecycleStateError):
        await tracker.record(decision("late"))
    await tracker.stop()


async def test_a_tracker_starts_again(any_database: Database) -> None:
    """After stop and start it takes events as before; a second start is refused."""
    tracker = PerformanceTracker(EventStore(any_database), Fixed(PerformanceSettings()), FakeClock())
    for event_id in ("e1", "e2"):
        await tracker.start()
        with pytest.raises(LifecycleStateError):
            await tracker.start()
        await tracker.record(decision(event_id))
        await tracker.stop()

    assert (await tracker.verify()).events == 2


async def test_while_the_store_is_away_offers_wait_and_records_fail(any_database: Database) -> None:
    """Who waits is told; who does not keeps a place in the buffer; both go on when the store is back."""
    store = Switched(any_database)
    async with tracking(store) as tracker:
        store.is_away = True
        tracker.offer(decision("offered"))
        with pytest.raises(StorageUnavailable):
            await tracker.record(decision("recorded"))
        assert (await tracker.buffer()).status is Status.WARN
        assert counted(tracker, "buffered") == 1

        store.is_away = False
        await tracker.flush()

        assert (await tracker.buffer()).status is Status.PASS
        assert (await tracker.summary()).events == 1
        assert (await tracker.verify()).broken_at is None


async def test_what_cannot_be_written_at_stop_is_counted(any_database: Database) -> None:
    """Without a spool stop raises, and the events that were lost are drops."""
    store = Switched(any_database)
    tracker = PerformanceTracker(store, Fixed(PerformanceSettings(spool_dir="")), FakeClock())
    await tracker.start()
    tracker.offer(decision("e1"))
    store.is_away = True

    with pytest.raises(SpoolRefused):
        await tracker.stop()

    assert counted(tracker, "dropped") == 1
    assert counted(tracker, "buffered") == 0


async def test_summaries_hold_what_was_just_offered(any_database: Database) -> None:
    """An agent's summary adds up with everything that was sent before it was asked for."""
    async with tracking(EventStore(any_database)) as tracker:
        tracker.offer(completion("e1", success=True))
        tracker.offer(completion("e2", success=False))
        tracker.offer(completion("e3", agent_id="b"))

        summary = await tracker.agent_summary("a")

    assert (summary.agent_id, summary.completed, summary.success_rate) == ("a", 2, 0.5)


async def test_events_older_than_their_retention_are_deleted(any_database: Database) -> None:
    """At start and once a day."""
    store, clock = EventStore(any_database), FakeClock()
    await store.append([decision("old")], clock.now() - timedelta(days=8))
    await store.append([decision("aging")], clock.now() - timedelta(days=6.5))
    async with tracking(
        store, PerformanceSettings(retention_days=7, flush_interval_ms=3_600_000), clock
    ) as tracker:
        await until(lambda: clock.sleepers == 3)
        assert (await tracker.summary()).events == 1

        clock.advance(86_400)
        await until(lambda: clock.sleepers == 3)

        assert (await tracker.summary()).events == 0


async def test_training_batches_follow_one_another(any_database: Database) -> None:
    """Every completion is in exactly one batch, in the order of storing; other events are in none."""
    settings = PerformanceSettings(anonymization_key=SecretStr("key"))
    async with tracking(EventStore(any_database), settings) as tracker:
        for number in range(7):
            await tracker.record(completion(f"e{number}", latency_ms=number))
            tracker.offer(decision(f"d{number}"))

        latencies: list[float | None] = []
        cursor: str | None = ""
        while cursor is not None:
            batch = await tracker.training_batches(3, cursor)
            latencies += [one.latency_ms for one in batch.samples]
            cursor = batch.next

    assert latencies == [0, 1, 2, 3, 4, 5, 6]
    assert len({one.agent for one in batch.samples}) == 1
    assert batch.key_id


@pytest.mark.parametrize("cursor", ["x", "p", "p-1", "p٣", "1", "p" + "9" * 30])
async def test_a_foreign_cursor_is_refused(any_database: Database, cursor: str) -> None:
    """Whatever is no cursor of ours is an error of the field `cursor`."""
    async with tracking(EventStore(any_database)) as tracker:
        with pytest.raises(CursorInvalid) as caught:
            await tracker.training_batches(10, cursor)

    assert caught.value.field == "cursor"


@pytest.mark.parametrize("cursor", ["x.1", "\0.1", "é.1", f"{'a' * 32}.x", "a" * 32])
async def test_a_foreign_cursor_of_the_chain_is_refused(any_database: Database, cursor: str) -> None:
    """No database is asked for a chain that cannot be one, such as a name with a NUL in it."""
    async with tracking(EventStore(any_database)) as tracker:
        with pytest.raises(CursorInvalid):
            await tracker.verify(10, cursor)


async def test_times_of_events_are_kept_as_they_were_told(any_database: Database) -> None:
    """An event's own time is stored to the microsecond; the store's time only decides its age."""
    async with tracking(EventStore(any_database)) as tracker:
        await tracker.record(completion("e1"))

        assert (await tracker.summary()).first_at == NOW
