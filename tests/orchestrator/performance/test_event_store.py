"""Events in the database: stored once, chained, summed up by SQL, deleted by age."""

from __future__ import annotations

import asyncio
import statistics
import threading
from datetime import UTC, timedelta
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, NullPool, create_engine, delete, insert, select, text, update

from arbiter.orchestrator.performance.chain import GENESIS, Place
from arbiter.orchestrator.performance.models import EventType, PerformanceEvent
from arbiter.orchestrator.performance.store import EventStore
from arbiter.orchestrator.performance.store_order import hold
from arbiter.orchestrator.storage.database import Database
from arbiter.orchestrator.storage.errors import StorageError
from arbiter.orchestrator.storage.schema import events
from tests.orchestrator.performance.kit import NOW, completion, decision
from tests.servers import Postgresql
from tests.waiting import until


async def test_an_event_comes_back_as_it_went(any_database: Database) -> None:
    """Every field, metadata with its kinds included."""
    store = EventStore(any_database)
    event = completion("e1", cost=0.125, tokens=7)

    await store.append([event], NOW)

    assert [found.event for found in await store.completions(0, 10)] == [event]


async def test_an_id_is_stored_once(any_database: Database) -> None:
    """What is stored already, or comes twice in one batch, is passed over; the first one stays."""
    store = EventStore(any_database)
    first = completion("e1", latency_ms=1)

    stored = await store.append([first, completion("e1", latency_ms=2), completion("e2")], NOW)
    assert stored.ids == {"e1", "e2"}
    assert (await store.append([completion("e2"), completion("e3")], NOW)).ids == {"e3"}

    assert [found.event.id for found in await store.completions(0, 10)] == ["e1", "e2", "e3"]
    assert (await store.completions(0, 1))[0].event == first
    assert (await store.verify(None, 100))[0].model_dump(exclude={"next"}) == {
        "events": 3,
        "chains": 1,
        "broken_at": None,
        "missing": 0,
    }


async def test_each_instance_has_a_chain_of_its_own(any_database: Database) -> None:
    """Two stores on one database, as two instances or two runs have, write two chains, both whole."""
    stores = [EventStore(any_database) for _ in range(2)]
    for number in range(6):
        await stores[number % 2].append([completion(f"e{number}")], NOW)

    assert (await stores[0].verify(None, 100))[0].model_dump(exclude={"next"}) == {
        "events": 6,
        "chains": 2,
        "broken_at": None,
        "missing": 0,
    }


async def test_a_tampered_event_is_named(any_database: Database) -> None:
    """A row that somebody changed, or took away, is found."""
    store = EventStore(any_database)
    await store.append([completion(f"e{number}") for number in range(5)], NOW)

    await any_database.write(
        lambda connection: (
            connection.execute(update(events).where(events.c.id == "e3").values(success=False)).rowcount
        )
    )
    assert (await store.verify(None, 100))[0].broken_at == "e3"

    await any_database.write(
        lambda connection: connection.execute(delete(events).where(events.c.id == "e3")).rowcount
    )
    assert (await store.verify(None, 100))[0].broken_at == "e4"


@pytest.mark.parametrize(
    ("taken", "missing"),
    [(["a0", "a1"], 2), (["a4"], 1), (["b0", "b1"], 2), (["a0", "a1", "a2", "a3", "a4", "b0", "b1"], 7)],
    ids=["the beginning", "the end", "a whole chain", "all"],
)
async def test_events_that_no_hash_misses_are_missed_by_the_totals(
    any_database: Database, taken: list[str], missing: int
) -> None:
    """What stood at the beginning or the end of a chain, or alone, is followed by nothing; its number tells all the same."""
    for chain, size in (("a", 5), ("b", 2)):
        await EventStore(any_database).append([completion(f"{chain}{n}") for n in range(size)], NOW)
    store = EventStore(any_database)

    await any_database.write(
        lambda connection: connection.execute(delete(events).where(events.c.id.in_(taken))).rowcount
    )

    report = (await store.verify(None, 100))[0]
    assert (report.events, report.broken_at, report.missing) == (7 - missing, None, missing)
    assert (await store.verify(None, 1))[0].missing == (missing if missing == 7 else 0)


ANY_EVENT = st.builds(
    PerformanceEvent,
    type=st.sampled_from(EventType),
    timestamp=st.datetimes(timezones=st.just(UTC)),
    agent_id=st.none() | st.sampled_from(["a", "b"]),
    task_id=st.none() | st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True),
    task_type=st.none() | st.text("aé李 😀", min_size=1).filter(str.strip),
    success=st.none() | st.booleans(),
    quality_score=st.none() | st.floats(0, 1),
    latency_ms=st.none() | st.floats(0, 1e12),
    cost=st.none() | st.floats(0, 1e12),
    tokens_used=st.none() | st.integers(0, 10**12),
    metadata=st.dictionaries(
        st.text("ké李", min_size=1, max_size=5),
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
        | st.text("aé李😀\n\\\"'", max_size=20),
        max_size=4,
    ),
)  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ANY_EVENT, min_size=1, max_size=8))
async def test_whatever_is_stored_is_verified_and_comes_back(
    any_database: Database, given_: list[PerformanceEvent]
) -> None:
    """No number, text or time changes on its way through a database so that its hash would not be that of what was told."""
    store = EventStore(any_database)
    await store.delete_recorded_before(NOW + timedelta(days=1))

    assert (await store.append(given_, NOW)).ids == {event.id for event in given_}

    report = (await store.verify(None, 100))[0]
    assert (report.events, report.broken_at, report.missing) == (len(given_), None, 0)
    done = [event for event in given_ if event.type is EventType.TASK_EXECUTION_COMPLETE]
    assert [found.event for found in await store.completions(0, 100)] == done
    assert (await store.summarize(None)).total_tokens == sum(event.tokens_used or 0 for event in given_)


async def test_the_chain_goes_on_after_a_failed_batch(any_database: Database) -> None:
    """A batch that could not be stored leaves no gap."""
    store = EventStore(any_database)
    await store.append([completion("e1")], NOW)
    with pytest.raises(StorageError):
        await store.append([completion("e2").model_copy(update={"type": None})], NOW)

    await store.append([completion("e3")], NOW)

    assert (await store.verify(None, 100))[0].model_dump(exclude={"next"}) == {
        "events": 2,
        "chains": 1,
        "broken_at": None,
        "missing": 0,
    }


async def test_batches_that_are_under_way_at_once_are_one_chain(any_database: Database) -> None:
    """Each goes on from the one before it, be that answered, unanswered or refused."""
    store = EventStore(any_database)
    refused = completion("x").model_copy(update={"type": None})
    batches = [[completion(f"e{batch}-{one}") for one in range(3)] for batch in range(6)]
    batches[2].append(refused)

    found = await asyncio.gather(*(store.append(batch, NOW) for batch in batches), return_exceptions=True)
    await store.append([completion("last")], NOW)

    assert [isinstance(one, StorageError) for one in found] == [False, False, True, False, False, False]
    report = (await store.verify(None, 100))[0]
    assert (report.events, report.chains, report.broken_at) == (16, 1, None)
    kept = [one.event.id for one in await store.completions(0, 100)]
    assert kept == [event.id for batch in batches if refused not in batch for event in batch] + ["last"]


async def test_a_summary_adds_up(any_database: Database) -> None:
    """Rates and latencies come from completions only; cost and tokens from everything."""
    store = EventStore(any_database)
    await store.append(
        [
            completion("e1", success=True, quality=0.5, latency_ms=100, cost=1.5, tokens=10),
            completion("e2", success=False, quality=1.0, latency_ms=300, cost=0.5, tokens=20),
            completion("e3", success=None, quality=None, latency_ms=None),
            completion("e4", agent_id="b"),
            decision("e5"),
        ],
        NOW,
    )

    summary = await store.summarize("a")

    assert summary.model_dump() == {
        "events": 4, "by_type": {"routing_decision": 1, "task_execution_complete": 3}, "completed": 3, "succeeded": 1,
        "success_rate": 0.5, "average_quality": 0.75, "average_latency_ms": 200.0, "p95_latency_ms": 300.0,
        "total_cost": 2.25, "total_tokens": 30, "first_at": NOW, "last_at": NOW,
    }  # fmt: skip
    assert (await store.summarize(None)).events == 5


async def test_a_summary_of_nothing_is_zeros(any_database: Database) -> None:
    """An agent without events has counts of zero, and means that are not known."""
    summary = await EventStore(any_database).summarize("nobody")

    assert (summary.events, summary.completed, summary.total_cost, summary.by_type) == (0, 0, 0, {})
    assert (summary.success_rate, summary.p95_latency_ms, summary.first_at) == (None, None, None)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=60))
async def test_the_95th_percentile_is_the_nearest_rank(any_database: Database, latencies: list[int]) -> None:
    """The smallest latency that at least 95 % of the executions do not exceed."""
    store = EventStore(any_database)
    await store.delete_recorded_before(NOW + timedelta(days=1))
    await store.append([completion(f"e{n}", latency_ms=value) for n, value in enumerate(latencies)], NOW)

    summary = await store.summarize("a")

    within = [
        value for value in latencies if sum(other <= value for other in latencies) >= 0.95 * len(latencies)
    ]
    assert summary.p95_latency_ms == min(within)
    assert summary.average_latency_ms == pytest.approx(statistics.fmean(latencies))


async def test_what_is_too_old_is_deleted_and_the_chain_still_holds(any_database: Database) -> None:
    """Deleting by age takes the oldest part of a chain; what is left is verified from there on."""
    store = EventStore(any_database)
    await store.append([completion("e1"), completion("e2")], NOW)
    await store.append([completion("e3")], NOW + timedelta(days=1))

    assert await store.delete_recorded_before(NOW + timedelta(hours=1)) == 2

    left = await any_database.read(lambda connection: list(connection.execute(select(events.c.id)).scalars()))
    assert left == ["e3"]
    assert (await store.verify(None, 100))[0].model_dump(exclude={"next"}) == {
        "events": 1,
        "chains": 1,
        "broken_at": None,
        "missing": 0,
    }


async def test_totals_are_those_of_the_events_that_are_left(any_database: Database) -> None:
    """What retention deletes is taken off again, down to the first moment and the percentile of many."""
    store = EventStore(any_database)
    early = [completion(f"e{n}", agent_id=("a", "b", None)[n % 3], latency_ms=n, cost=1) for n in range(30)]
    later = [
        completion(f"l{n}", latency_ms=1000 + n, tokens=2).model_copy(
            update={"timestamp": NOW + timedelta(days=2)}
        )
        for n in range(2000)
    ]
    await store.append(early, NOW)
    await store.append(later, NOW + timedelta(days=2))

    await store.delete_recorded_before(NOW + timedelta(days=1))

    of_agent, of_all = await store.summarize("a"), await store.summarize(None)
    assert of_agent == of_all
    assert (of_all.events, of_all.total_cost, of_all.total_tokens) == (2000, 0, 4000)
    assert (of_all.first_at, of_all.last_at) == (NOW + timedelta(days=2), NOW + timedelta(days=2))
    assert of_all.average_latency_ms == pytest.approx(1999.5)
    assert of_all.p95_latency_ms == pytest.approx(2899, rel=0.01)
    assert (await store.summarize("b")).events == 0


def test_a_default_event_has_an_id_of_its_own() -> None:
    """Two events without an id are two events."""
    assert PerformanceEvent(type="routing_decision").id != PerformanceEvent(type="routing_decision").id


async def test_no_reader_passes_over_an_event_that_is_on_its_way(
    postgres_server: Postgresql, migrated_template: str
) -> None:
    """An event whose position comes first and whose commit comes last is waited for, by whoever reads in order."""
    url = postgres_server.new_database(migrated_template)
    one, other = Database(url), Database(url)
    await asyncio.gather(one.start(), other.start())
    held, go = threading.Event(), threading.Event()
    try:
        writing = asyncio.create_task(one.write(partial(_held_back, held, go)))
        await asyncio.to_thread(held.wait, 5)
        await EventStore(other).append([completion("second")], NOW)
        reading = asyncio.create_task(EventStore(other).completions(0, 10))
        await until(partial(_waits_for_a_lock, url))
        assert not reading.done()

        go.set()

        await writing
        assert [one.event.id for one in await reading] == ["first", "second"]
        assert (await EventStore(one).others_after(0, 10)).until == 2
    finally:
        go.set()
        await asyncio.gather(one.stop(), other.stop())


def _held_back(held: threading.Event, go: threading.Event, connection: Connection) -> None:
    hold(connection)
    values = {
        "id": "first", "type": "task_execution_complete", "timestamp": NOW, "metadata": {}, "recorded_at": NOW,
        "chain": "c", "sequence": 1, "previous_hash": GENESIS, "integrity_hash": "x",
    }  # fmt: skip
    connection.execute(insert(events).values(values))
    held.set()
    go.wait(10)


def _waits_for_a_lock(url: str) -> bool:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return int(connection.execute(waiting).scalar_one()) > 0


async def test_a_chain_is_verified_in_portions(any_database: Database) -> None:
    """Portion after portion says what one look says; a break in a later portion is named there."""
    stores = [EventStore(any_database) for _ in range(2)]
    for store in stores:
        await store.append([completion(f"{id(store)}-{number}") for number in range(5)], NOW)

    portions = [await stores[0].verify(None, 3)]
    while (place := portions[-1][1]) is not None:
        portions.append(await stores[0].verify(place, 3))

    assert [found.events for found, _ in portions] == [3, 3, 3, 1, 0]
    assert [found.chains for found, _ in portions] == [1, 1, 0, 0, 0]

    await any_database.write(
        lambda connection: (
            connection.execute(update(events).where(events.c.sequence == 5).values(cost=1)).rowcount
        )
    )
    found, place = await stores[0].verify(portions[0][1], 3)
    assert (found.events, found.broken_at) == (1, place and await _id_behind(any_database, place))


async def _id_behind(database: Database, place: Place) -> str:
    behind = select(events.c.id).where(events.c.chain == place.chain, events.c.sequence == place.sequence + 1)
    return await database.read(lambda connection: str(connection.execute(behind).scalar_one()))
