"""While the database is away: recorded events wait on disk, and are replayed in order, each once."""

from __future__ import annotations

from pathlib import Path

import pytest

from arbiter.operation import operation_of
from arbiter.orchestrator.performance.models import PerformanceEvent
from arbiter.orchestrator.performance.settings import PerformanceSettings
from arbiter.orchestrator.performance.spool import Spool, SpoolRefused
from arbiter.orchestrator.performance.store import EventStore
from arbiter.orchestrator.performance.tracker import PerformanceTracker
from arbiter.orchestrator.storage.database import Database
from arbiter.orchestrator.storage.errors import StorageUnavailable
from arbiter.protocols import Status
from arbiter.testing.clock import FakeClock
from tests.orchestrator.performance.kit import NOW, Switched, completion, counted, tracking
from tests.waiting import until


@pytest.fixture
def spooling(tmp_path: Path) -> PerformanceSettings:
    """Settings with a spool of this test's own."""
    return PerformanceSettings(spool_dir=str(tmp_path / "spool"))


def left(settings: PerformanceSettings) -> list[Path]:
    """The spool's files."""
    return list(Path(settings.spool_dir).iterdir())


async def guarded(tracker: PerformanceTracker, event: PerformanceEvent) -> bool:
    """What a guard makes of the operation: the fallback that it names answers for a failure."""
    try:
        return await tracker.record(event)
    except StorageUnavailable:
        (fallback,) = operation_of(PerformanceTracker.record).fallback
        return bool(await getattr(tracker, str(fallback))(event))


async def stored(store: EventStore) -> list[str]:
    """The ids of the completed executions, in the order of storing."""
    return [one.event.id for one in await store.completions(0, 10_000)]


async def test_what_was_recorded_while_the_database_was_away_is_replayed_in_order_and_once(
    any_database: Database, spooling: PerformanceSettings
) -> None:
    """Spooled events come before those recorded after them, also when one of them had been stored after all."""
    store = Switched(any_database)
    async with tracking(store, spooling) as tracker:
        await guarded(tracker, completion("e1"))
        store.is_away = True
        for number in range(2, 7):
            assert await guarded(tracker, completion(f"e{number}")) is True
        assert (await tracker.buffer()).status is Status.WARN
        assert counted(tracker, "spool.pending") == 5
        await EventStore(any_database).append([completion("e3")], NOW)  # a commit whose answer was lost

        store.is_away = False
        assert await guarded(tracker, completion("e7")) is True

        assert await stored(store) == ["e1", "e3", "e2", "e4", "e5", "e6", "e7"]
        assert (await tracker.buffer()).status is Status.PASS
        assert left(spooling) == []


async def test_the_spool_is_replayed_without_traffic(
    any_database: Database, spooling: PerformanceSettings
) -> None:
    """Once the database is back, the next flush interval is enough."""
    store, clock = Switched(any_database), FakeClock()
    async with tracking(store, spooling, clock) as tracker:
        store.is_away = True
        await guarded(tracker, completion("e1"))
        store.is_away = False

        await until(lambda: clock.sleepers == 3)
        clock.advance(spooling.flush_interval_ms / 1000)
        await until(lambda: counted(tracker, "spool.pending") == 0)

        assert await stored(store) == ["e1"]


async def test_a_spool_that_was_left_behind_is_replayed_by_the_next_start(
    any_database: Database, spooling: PerformanceSettings
) -> None:
    """A process that dies while the database is away loses nothing of what it acknowledged, nor a torn line more."""
    store = Switched(any_database)
    directory = Path(spooling.spool_dir)
    died = Spool(directory, store.identity, 10**6)
    await died.append([completion(f"e{number}") for number in range(3)], NOW)
    await died.stop()
    (file,) = left(spooling)
    file.write_bytes(file.read_bytes() + b"0123456789abcdef {torn")

    async with tracking(store, spooling) as tracker:
        await tracker.record(completion("e3"))

        assert await stored(store) == ["e0", "e1", "e2", "e3"]
        assert counted(tracker, "spool.refused") == 0


async def test_offered_events_go_into_the_spool_when_the_database_is_away_at_stop(
    any_database: Database, spooling: PerformanceSettings
) -> None:
    """They are in the store after the next start."""
    store = Switched(any_database)
    async with tracking(store, spooling) as tracker:
        tracker.offer(completion("e1"))
        store.is_away = True

    store.is_away = False
    async with tracking(store, spooling) as tracker:
        await tracker.record(completion("e2"))

    assert await stored(store) == ["e1", "e2"]


async def test_an_event_that_the_store_refuses_is_set_aside(
    any_database: Database, spooling: PerformanceSettings
) -> None:
    """It stands in a file for a person to look at, and does not keep the others from being replayed."""
    store = Switched(any_database)
    async with tracking(store, spooling) as tracker:
        store.is_away = True
        for name in ("e1", "bad", "e2"):
            await guarded(tracker, completion(name))

        store.is_away, store.refused = False, frozenset({"bad"})
        await tracker.record(completion("e3"))

        assert sorted(await stored(store)) == ["e1", "e2", "e3"]
        assert counted(tracker, "spool.refused") == 1
    (file,) = left(spooling)
    assert (file.name, '"id":"bad"' in file.read_text()) == ("refused.jsonl", True)


async def test_nothing_is_set_aside_while_the_store_takes_nothing(
    any_database: Database, spooling: PerformanceSettings
) -> None:
    """A store that answers a ping and takes no event, as on a full disk, is away."""
    store = Switched(any_database)
    async with tracking(store, spooling) as tracker:
        store.is_away = True
        for number in range(3):
            await guarded(tracker, completion(f"e{number}"))
        await guarded(tracker, completion("e3"))
        assert (counted(tracker, "spool.pending"), counted(tracker, "spool.refused")) == (4, 0)

        store.is_away = False
        await tracker.record(completion("e4"))

        assert await stored(store) == [f"e{number}" for number in range(5)]


async def test_a_damaged_line_is_set_aside(any_database: Database, spooling: PerformanceSettings) -> None:
    """What is not what was written is no event; its neighbours are."""
    store = Switched(any_database)
    directory = Path(spooling.spool_dir)
    died = Spool(directory, store.identity, 10**6)
    await died.append([completion(f"e{number}") for number in range(3)], NOW)
    await died.stop()
    (file,) = left(spooling)
    file.write_bytes(file.read_bytes().replace(b'"id":"e1"', b'"id":"x1"'))

    async with tracking(store, spooling) as tracker:
        await tracker.record(completion("e3"))

        assert await stored(store) == ["e0", "e2", "e3"]
        assert counted(tracker, "spool.refused") == 1


async def test_a_full_spool_refuses_and_keeps_what_it_has(tmp_path: Path) -> None:
    """Past its size an event is refused whole, with the setting that mends it."""
    spool = Spool(tmp_path, "store", 1000)
    await spool.append([completion("e1")], NOW)

    with pytest.raises(SpoolRefused, match="spool_max_mb"):
        await spool.append([completion(f"e{number}") for number in range(9)], NOW)

    assert [event.id for event in await spool.peek(10)] == ["e1"]
    await spool.stop()


async def test_the_spool_of_a_living_process_and_of_another_database_is_left_alone(tmp_path: Path) -> None:
    """Only files that nobody holds, and that are for the same store, are taken over."""
    living, other = Spool(tmp_path, "a", 10**6), Spool(tmp_path, "b", 10**6)
    await living.append([completion("e1")], NOW)
    await other.append([completion("e2")], NOW)
    await other.stop()

    started = Spool(tmp_path, "a", 10**6)
    await started.start()

    assert started.pending == 0
    await living.stop()
    await started.start()
    assert started.pending == 1
    await started.stop()


async def test_without_a_spool_a_record_fails_while_the_database_is_away(any_database: Database) -> None:
    """And says which setting would have kept it."""
    store = Switched(any_database)
    async with tracking(store, PerformanceSettings(spool_dir="")) as tracker:
        store.is_away = True

        with pytest.raises(SpoolRefused, match="spool_dir"):
            await guarded(tracker, completion("e1"))
