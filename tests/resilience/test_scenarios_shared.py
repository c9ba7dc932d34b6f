"""Scenarios G: eight instances that share their circuits through a real Redis."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from arbiter.clock import SystemClock
from arbiter.errors import ConfigurationError
from arbiter.events import CallRejected, SharingDegraded, SharingRecovered
from arbiter.protocols import Status
from arbiter.resilience.guard import Guard
from arbiter.resilience.proxy import guarded
from arbiter.resilience.registry import BreakerRegistry
from arbiter.resilience.settings import ResilienceSettings
from arbiter.resilience.shared.breaker import SharedBreaker
from arbiter.resilience.shared.fleet import SharedCircuits
from arbiter.resilience.shared.record import Decision, Lease
from arbiter.resilience.shared.redis_store import RedisStore
from arbiter.resilience.states import CircuitOpen
from arbiter.testing.live import Fixed
from tests.resilience.kit import Log, OwnError, Pay, ended
from tests.servers import RedisServer

PROJECT = Path(__file__).parent.parent.parent
LIMIT_S = 20.0
_NUMBERS = itertools.count()
SETTINGS: dict[str, Any] = {
    "failure_threshold": 5,
    "success_threshold": 3,
    "timeout_ms": 0,
    "open_interval_ms": 900,
    "open_interval_max_ms": 60_000,
    "jitter": 0.0,
    "half_open_permits": 2,
}


class Instance:
    """One process of the fleet."""

    def __init__(self, url: str) -> None:
        command = [sys.executable, "-m", "tests.resilience.member", url, json.dumps(SETTINGS)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=PROJECT, text=True
        )

    def ask(self, *words: str) -> None:
        """Send one line."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()

    def hear(self) -> Any:
        """The answer to the oldest line that has none."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the instance ended"
        return json.loads(line)

    def do(self, *words: str) -> Any:
        """Send one line and wait for its answer."""
        self.ask(*words)
        return self.hear()

    def end(self) -> int:
        """Close its input, which ends it; the exit code."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            return self._process.wait(LIMIT_S)
        finally:
            self._process.kill()
            self._process.stdout.close()


@pytest.fixture(scope="module")
def fleet(redis: RedisServer) -> Iterator[list[Instance]]:
    """Eight processes on it; all of them end well."""
    instances = [Instance(redis.url) for _ in range(8)]
    for instance in instances:
        _until(lambda instance=instance: instance.do("status", "warm")["answers"])  # type: ignore[misc]
    yield instances
    assert [instance.end() for instance in instances] == [0] * 8


def _until(holds: Callable[[], object]) -> None:
    limit = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < limit, "it never came to hold"
        time.sleep(0.01)


def _all_are(fleet: list[Instance], name: str, state: str) -> bool:
    return all(instance.do("status", name)["state"] == state for instance in fleet)


def _trip(instance: Instance, name: str) -> None:
    for _ in range(5):
        instance.do("call", name, "f")


def _wait_out(instance: Instance, name: str) -> None:
    _until(lambda: not instance.do("status", name)["left"])


def test_g56_all_instances_together_make_as_many_trials_as_there_are_permits(fleet: list[Instance]) -> None:
    """Eight processes call at once when the interval is over: two bodies run."""
    for instance in fleet:
        instance.do("status", "g56")
    _trip(fleet[0], "g56")
    _until(lambda: _all_are(fleet, "g56", "open"))
    for instance in fleet:
        _wait_out(instance, "g56")

    for instance in fleet:
        instance.ask("begin", "g56")
    began = [instance.hear() for instance in fleet]

    assert sum(began) == 2
    for instance, is_running in zip(fleet, began, strict=True):
        if is_running:
            assert instance.do("end", "g56", "s") == "s"


def test_g57_noticing_the_fleets_state_leaves_an_instances_own_counts(fleet: list[Instance]) -> None:
    """A has three failures of five; B looks at the circuit and calls: A keeps its three, B has none of them."""
    first, second = fleet[:2]
    for _ in range(3):
        first.do("call", "g57", "f")

    second.do("status", "g57")
    second.do("call", "g57", "s")

    assert first.do("status", "g57")["failures"] == 3
    assert second.do("status", "g57")["failures"] == 0


def test_g58_successful_trials_of_several_instances_add_up(fleet: list[Instance]) -> None:
    """One success each of A, B and C close the circuit for all."""
    for instance in fleet:
        instance.do("status", "g58")
    _trip(fleet[0], "g58")
    _until(lambda: _all_are(fleet, "g58", "open"))

    for instance in fleet[:3]:
        _wait_out(instance, "g58")
        _until(lambda instance=instance: instance.do("call", "g58", "s") == "s")  # type: ignore[misc]

    _until(lambda: _all_are(fleet, "g58", "closed"))
    assert fleet[7].do("status", "g58")["changes"] == [["closed", "open"], ["open", "closed"]]


def test_g59_an_interval_of_less_than_a_second_is_kept_whole(fleet: list[Instance]) -> None:
    """0.9 s, wherever within a second it begins, and for the instance that learns of it as for the one that tripped."""
    first, second = fleet[:2]
    second.do("status", "g59")
    _until(lambda: 0.8 <= time.time() % 1 < 0.9)
    _trip(first, "g59")
    tripped = first.do("status", "g59")
    _until(lambda: second.do("status", "g59")["state"] == "open")
    learned = second.do("status", "g59")

    ends = [status["at"] + status["left"] for status in (tripped, learned)]

    assert 0 < tripped["left"] <= 0.9
    assert ends[1] == pytest.approx(ends[0], abs=0.05)


def test_a_failed_trial_opens_the_circuit_for_all(fleet: list[Instance]) -> None:
    """For the next interval, twice as long."""
    for instance in fleet:
        instance.do("status", "again")
    _trip(fleet[0], "again")
    _until(lambda: _all_are(fleet, "again", "open"))
    _wait_out(fleet[1], "again")

    assert fleet[1].do("call", "again", "f") == "ValueError"

    left = fleet[1].do("status", "again")["left"]
    assert 0.9 < left <= 1.8
    _until(lambda: 0.9 < (fleet[2].do("status", "again")["left"] or 0) <= 1.8)


def test_what_an_operator_does_to_one_instance_holds_for_all(fleet: list[Instance]) -> None:
    """Forced open until it is closed by hand, at another instance."""
    for instance in fleet:
        instance.do("status", "hand")

    fleet[0].do("steer", "hand", "open")
    _until(lambda: _all_are(fleet, "hand", "forced-open"))
    fleet[5].do("steer", "hand", "close")

    _until(lambda: _all_are(fleet, "hand", "closed"))


def test_g61_a_decision_on_an_older_version_is_discarded(redis: RedisServer) -> None:
    """Version 7 is known, the store is at 8: nothing changes, and the answer says how it stands."""
    store = RedisStore(redis.url, 5)
    opened = store.decide("g61", 0, Decision("open", 60, 0, forced=False)).record
    assert opened is not None
    closed = store.decide("g61", opened.version, Decision("closed", 0, 0, forced=False)).record
    assert closed is not None

    stale = store.decide("g61", opened.version, Decision("open", 60, 0, forced=False))
    by_hand = store.decide("g61", opened.version, Decision("forced-open", 0, 0, forced=True))
    store.close()

    assert (stale.done, stale.record) == (False, closed)
    assert by_hand.done
    assert by_hand.record is not None
    assert by_hand.record.version > closed.version > opened.version


def test_g61_a_verdict_of_an_earlier_period_is_discarded(redis: RedisServer) -> None:
    """A trial of half-open period 1 that ends in period 2 counts nothing and frees no permit of it."""
    store = RedisStore(redis.url, 5)
    opening = Decision("open", 0, 0, forced=False)
    store.decide("periods", 0, opening)
    first = store.lease("periods", Lease(0, "one"), 1, 60, 0).record
    assert first is not None
    store.decide("periods", first.version, opening)
    second = store.lease("periods", Lease(0, "two"), 1, 60, 0).record
    assert second is not None

    late = store.settle("periods", Lease(first.version, "one"), "ok", 1, opening)
    third = store.lease("periods", Lease(second.version, "three"), 1, 60, 0)
    store.close()

    assert (late.done, late.record) == (False, second)
    assert not third.done


def test_a_lease_that_is_never_settled_runs_out(redis: RedisServer) -> None:
    """An instance that died with a trial blocks nobody for longer than the trial may take."""
    store = RedisStore(redis.url, 5)
    store.decide("died", 0, Decision("open", 0, 0, forced=False))
    assert store.lease("died", Lease(0, "dead"), 1, 0.05, 0).done

    _until(lambda: store.lease("died", Lease(0, "next"), 1, 60, 0).done)
    store.close()


class Alone:
    """One instance in this process, whose Redis comes and goes."""

    def __init__(self, url: str, **changed: Any) -> None:
        self.log = Log()
        live = Fixed(
            ResilienceSettings(**{**SETTINGS, "failure_threshold": 3, "open_interval_ms": 50, **changed})
        )
        self.sharing = SharedCircuits(SecretStr(url), self.log)
        self.breakers = BreakerRegistry(live, SystemClock(), self.log, sharing=self.sharing)
        guard = Guard(live, self.breakers, clock=SystemClock(), events=self.log)
        self.pay = guarded(Pay)(guard=guard)
        self.name = f"alone{next(_NUMBERS)}"
        guard.adopt(self.name, self.pay)

    def breaker(self, method: str = "charge") -> SharedBreaker:
        """The breaker of one operation."""
        found = self.breakers.get(f"{self.name}.{method}")
        assert isinstance(found, SharedBreaker)
        return found

    async def trip(self) -> None:
        """Three failures."""
        for _ in range(3):
            with pytest.raises(OwnError):
                await self.pay.charge(OwnError())

    def at_once(self, outcome: object = None) -> object:
        """A call that must not wait for anything: what it gave, or what it raised."""
        call = self.pay.charge(outcome)
        try:
            call.send(None)
        except StopIteration as stop:
            return stop.value
        except Exception as error:  # noqa: BLE001  the test judges it
            return error
        raise AssertionError("the call waited")

    def told(self, kind: type) -> int:
        """How many events of that kind there were."""
        return sum(isinstance(event, kind) for event in self.log.events)


@asynccontextmanager
async def _alone(url: str, **changed: Any) -> AsyncIterator[Alone]:
    alone = Alone(url, **changed)
    await alone.sharing.start()
    try:
        yield alone
    finally:
        await alone.sharing.stop()


async def _until_async(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not holds():  # noqa: ASYNC110  what is awaited happens in another thread or process
            await asyncio.sleep(0.01)


async def test_g60_without_redis_an_instance_is_a_breaker_of_its_own(absent: RedisServer) -> None:
    """Down at the start: it starts, trips at the third failure, probes by itself; one event when it fails, one when it is back."""
    async with _alone(absent.url) as alone:
        await _until_async(lambda: alone.told(SharingDegraded))
        await alone.trip()
        opened = alone.breaker().current_state
        await _until_async(lambda: alone.at_once("probe") == "probe")
        degraded = await alone.sharing.check()

        absent.start()
        await _until_async(lambda: alone.told(SharingRecovered))
        absent.stop()
        await _until_async(lambda: alone.told(SharingDegraded) == 2)
        absent.start()
        await _until_async(lambda: alone.told(SharingRecovered) == 2)

        assert (opened, degraded.status) == ("open", Status.WARN)
        assert (await alone.sharing.check()).status is Status.PASS
        assert alone.told(SharingDegraded) == 2


async def test_g60_what_was_decided_alone_is_told_when_redis_is_back(absent: RedisServer) -> None:
    """The others learn of a trip that happened while nobody could be told."""
    async with _alone(absent.url, open_interval_ms=60_000) as alone:
        await _until_async(lambda: alone.told(SharingDegraded))
        await alone.trip()

        absent.start()
        await _until_async(lambda: alone.told(SharingRecovered))

        store = RedisStore(absent.url, 5)
        record = store.read([f"{alone.name}.charge"])[f"{alone.name}.charge"]
        store.close()
        assert record.state == "open"
        assert 50 < record.left_s <= 60


async def test_g60_a_frozen_redis_holds_up_no_call_and_a_probe_only_for_its_patience(
    absent: RedisServer,
) -> None:
    """Closed and open circuits answer without waiting; the probe gives up on the store and is decided here."""
    absent.start()
    async with _alone(absent.url) as alone:
        await _until_async(lambda: alone.sharing.answers)
        absent.freeze()

        closed = alone.at_once("closed")
        for _ in range(3):
            alone.at_once(OwnError())
        rejected = alone.at_once("open")
        await _until_async(lambda: not alone.breaker().retry_after_s)
        probe = await alone.pay.charge("probe")
        absent.thaw()
        await _until_async(lambda: alone.sharing.answers)

        assert (closed, type(rejected).__name__, probe) == ("closed", "CircuitOpen", "probe")
        assert (alone.told(SharingDegraded), alone.told(SharingRecovered)) == (1, 1)


async def test_closed_and_open_circuits_send_no_command(redis: RedisServer) -> None:
    """A thousand calls of each, and the server has seen only what the looking takes, counted between two looks."""
    async with _alone(redis.url, open_interval_ms=60_000) as alone:
        await _until_async(lambda: alone.sharing.answers)
        before = _commands(alone)
        for _ in range(1_000):
            alone.at_once("closed")
        between = _commands(alone)
        await alone.trip()
        await _until_async(lambda: alone.breaker().version)
        tripped = _commands(alone)
        for _ in range(1_000):
            alone.at_once("open")
        after = _commands(alone)

        # The thread looks ten times a second whether calls are made or not.
        assert between - before <= 20
        assert after - tripped <= 20


def _commands(alone: Alone) -> int:
    return next(int(m.value) for m in alone.sharing.measurements() if m.name.endswith("commands"))


async def test_a_plain_method_in_a_loop_never_blocks_it_for_a_lease(redis: RedisServer) -> None:
    """Its first probe is rejected while the fleet is asked; the lease that comes of it lets the next one through."""
    async with _alone(redis.url) as alone:
        await _until_async(lambda: alone.sharing.answers)
        for _ in range(3):
            with pytest.raises(OwnError):
                alone.pay.price(OwnError())
        await _until_async(lambda: not alone.breaker("price").retry_after_s)

        results = []

        def probes() -> bool:
            try:
                results.append(alone.pay.price("probe"))
            except Exception as error:  # noqa: BLE001  the test judges it
                results.append(type(error).__name__)
            return results[-1] == "probe"

        await _until_async(probes)

        rejected = sum(isinstance(event, CallRejected) for event in alone.log.events)
        assert results[0] == "CircuitOpen"
        assert rejected == alone.breaker("price").rejected == len(results) - 1


async def test_a_breaker_that_is_called_by_itself_asks_the_fleet_too(redis: RedisServer) -> None:
    """`acall` waits for its lease; what cannot wait is rejected, and counted."""
    async with _alone(redis.url) as alone:
        breaker = alone.breaker()
        await _until_async(lambda: alone.sharing.answers)
        await alone.trip()
        await _until_async(lambda: not breaker.retry_after_s)

        with pytest.raises(CircuitOpen) as rejected:
            breaker.call(list)
        answer = await breaker.acall(_answer)

        assert type(rejected.value) is CircuitOpen
        assert (breaker.rejected, answer) == (1, "fine")


async def _answer() -> str:
    return "fine"


async def test_a_plain_method_in_a_thread_waits_for_its_lease(redis: RedisServer) -> None:
    """Where no loop runs, the probe's own thread waits."""
    async with _alone(redis.url) as alone:
        await _until_async(lambda: alone.sharing.answers)

        def work() -> object:
            for _ in range(3):
                with pytest.raises(OwnError):
                    alone.pay.price(OwnError())
            _until(lambda: not alone.breaker("price").retry_after_s)
            return alone.pay.price("probe")

        assert await asyncio.to_thread(work) == "probe"


async def test_a_cancelled_probe_gives_its_lease_back(redis: RedisServer) -> None:
    """The next probe is let through, though there is one permit only."""
    async with _alone(redis.url, half_open_permits=1, half_open_max_age_ms=60_000) as alone:
        await _until_async(lambda: alone.sharing.answers)
        await alone.trip()
        await _until_async(lambda: not alone.breaker().retry_after_s)
        task = await _trial(alone)

        task.cancel()

        results: list[object] = []
        while results[-1:] != ["next"]:
            results.append(await _ended(alone.pay.charge("next")))
        assert all(isinstance(result, CircuitOpen) for result in results[:-1])


async def _trial(alone: Alone) -> asyncio.Task[object]:
    """A call that was let through and waits; it may be turned away before, while the fleet has not heard of the trip."""
    while True:
        task = asyncio.create_task(alone.pay.charge(asyncio.get_running_loop().create_future()))
        await _until_async(lambda task=task: task.done() or alone.breaker().permits_in_use)  # type: ignore[misc]
        if not task.done():
            return task
        assert isinstance(task.exception(), CircuitOpen)


async def _ended(call: Any) -> object:
    await asyncio.sleep(0.01)
    return await ended(asyncio.ensure_future(call))


async def test_an_address_that_is_none_is_said_without_showing_it() -> None:
    """It may hold a password."""
    sharing = SharedCircuits(SecretStr("nonsense://user:sesame@host"))

    with pytest.raises(ConfigurationError, match=r"resilience\.redis_url") as caught:
        await sharing.start()

    assert "sesame" not in str(caught.value)


async def test_nothing_is_shared_unless_asked_for() -> None:
    """Without an address there is no thread, no command and no measurement."""
    sharing = SharedCircuits(SecretStr(""))
    await sharing.start()

    assert not sharing.is_shared
    assert list(sharing.measurements()) == []
    assert (await sharing.check()).status is Status.PASS
    await sharing.stop()
