"""Breakers on pybreaker's own storages, in memory and in a real Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pybreaker
import pytest

from arbiter.resilience.breaker import CircuitBreaker
from arbiter.resilience.outcome import Outcome
from arbiter.resilience.registry import BreakerRegistry
from arbiter.resilience.settings import ResilienceSettings
from arbiter.resilience.states import CircuitOpen
from arbiter.testing.clock import FakeClock
from arbiter.testing.live import Fixed
from tests.resilience.kit import Log, OwnError, R
from tests.servers import RedisServer

Storage = Callable[[str], pybreaker.CircuitBreakerStorage]


@pytest.fixture(params=["memory", "redis"])
def storage(request: pytest.FixtureRequest) -> Iterator[Storage]:
    """The same storage for every process that asks for it by name."""
    if request.param == "memory":
        held: dict[str, pybreaker.CircuitBreakerStorage] = {}
        yield lambda name: held.setdefault(name, pybreaker.CircuitMemoryStorage(pybreaker.STATE_CLOSED))
        return
    import redis

    server: RedisServer = request.getfixturevalue("redis")
    client = redis.Redis.from_url(server.url)
    client.flushall()
    yield lambda name: pybreaker.CircuitRedisStorage(pybreaker.STATE_CLOSED, client, namespace=name)
    client.close()


class Process:
    """A registry with the breaker of one operation, as another process would have it."""

    def __init__(self, storage: Storage, clock: FakeClock) -> None:
        self.log = Log()
        live = Fixed(ResilienceSettings(**R))
        self.breaker: CircuitBreaker = BreakerRegistry(live, clock, self.log, storage=storage).get(
            "pay.charge"
        )

    def fails(self, times: int = 1) -> None:
        """So many calls fail."""
        for _ in range(times):
            self.breaker.judge(self.breaker.admit(), OwnError(), Outcome.FAILURE)


def test_processes_share_state_and_counters(storage: Storage) -> None:
    """Two failures here and one there open the circuit for both; a third notices, and its counters stay."""
    clock = FakeClock()
    one, other = Process(storage, clock), Process(storage, clock)

    one.fails(2)
    other.fails()
    with pytest.raises(CircuitOpen):
        one.breaker.admit()

    assert one.log.changes == [("closed", "open")]
    assert other.log.changes == [("closed", "open")]
    assert one.breaker.fail_counter == other.breaker.fail_counter == 3


def test_trials_of_several_processes_close_it(storage: Storage) -> None:
    """One success each are the two that are needed."""
    clock = FakeClock()
    one, other = Process(storage, clock), Process(storage, clock)
    one.fails(3)
    clock.advance(11)

    for process in (one, other):
        process.breaker.succeeded(process.breaker.admit())

    assert other.breaker.current_state == "closed"
    one.breaker.succeeded(one.breaker.admit())
    assert one.log.changes[-1][1] == "closed"
