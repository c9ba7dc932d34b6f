"""What composition and shared circuits cost: layers that a successful call does not notice, a Redis that it never meets.

Beside ours stand the same call without the layer, stamina's retry, and pybreaker on its own Redis storage. Without a
Redis server on the machine, its rows are left out.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from statistics import median
from typing import Any, cast

import pybreaker
import stamina
from pydantic import SecretStr

from arbiter.clock import SystemClock
from arbiter.operation import Value, operation
from arbiter.resilience.guard import Guard
from arbiter.resilience.proxy import guarded
from arbiter.resilience.registry import BreakerRegistry
from arbiter.resilience.settings import ResilienceSettings
from arbiter.resilience.shared.fleet import SharedCircuits
from arbiter.testing.live import Fixed
from benchmarks.harness import Row, interleaved
from tests.servers import RedisServer, ServerMissing, redis_server

__all__ = ["rows"]

_TURN = 64
_OPEN_MS = 20
_PROBES = 25


def rows() -> list[Row]:
    """The rows of the table."""
    found = [*_layers()]
    try:
        with redis_server() as server:
            found += asyncio.run(_shared(server))
    except ServerMissing as missing:
        print(f"sharing: {missing}", file=sys.stderr)
    return found


def _layers() -> list[Row]:
    class Plain:
        async def take(self, sku: str, *, count: int = 1) -> int:  # noqa: ARG002  a call with arguments
            return count

    class Layered:
        @operation(idempotent=True, fallback=Value(0))
        async def take(self, sku: str, *, count: int = 1) -> int:  # noqa: ARG002  a call with arguments
            return count

    @stamina.retry(on=ValueError)
    async def retried(sku: str, *, count: int = 1) -> int:  # noqa: ARG001  a call with arguments
        return count

    guard = _guard()
    cases = {
        "plain": guarded(Plain)(guard=guard).take,
        "layered": guarded(Layered)(guard=guard).take,
        "stamina": retried,
    }
    cost = interleaved({name: partial(_timed, call) for name, call in cases.items()}, rounds=21, calls=2048)
    ns = {name: seconds * 1e9 for name, seconds in cost.items()}
    return [
        Row(
            "composed: success, retry and fallback",
            ns["layered"],
            "without them",
            ns["plain"],
            "ns",
            "as without",
        ),
        Row(
            "composed: success, retry and fallback",
            ns["layered"],
            "stamina alone",
            ns["stamina"],
            "ns",
            "less",
        ),
    ]


async def _shared(server: RedisServer) -> list[Row]:
    sharing = SharedCircuits(SecretStr(server.url))
    await sharing.start()
    while not sharing.answers:  # noqa: ASYNC110  it comes about in another thread
        await asyncio.sleep(0.01)
    shared, alone = _taking(sharing), _taking(None)
    theirs = _pybreaker(server)
    cost = {name: [] for name in ("shared", "alone", "pybreaker")}  # type: dict[str, list[float]]
    for _ in range(21):
        cost["shared"].append(await _spent(shared, 2048))
        cost["alone"].append(await _spent(alone, 2048))
        cost["pybreaker"].append(theirs(100))
    us = {name: median(values) * 1e6 for name, values in cost.items()}
    probe_ms = await _probe_ms(sharing)
    server.freeze()
    frozen_ms = await _probe_ms(sharing, probes=1)
    server.thaw()
    await sharing.stop()
    return [
        Row("sharing: closed circuit", us["shared"], "not shared", us["alone"], "us", "as not shared"),
        Row("sharing: closed circuit", us["shared"], "pybreaker on Redis", us["pybreaker"], "us", "far less"),
        Row("sharing: a trial waits for its lease", probe_ms, "limit", 100, "ms", "<= 100 ms"),
        Row("sharing: a trial, Redis frozen", frozen_ms, "limit", 100, "ms", "<= 100 ms"),
    ]


def _guard(sharing: SharedCircuits | None = None, **settings: int) -> Guard:
    live, clock = Fixed(ResilienceSettings.model_validate({"timeout_ms": 0, **settings})), SystemClock()
    return Guard(live, BreakerRegistry(live, clock, sharing=sharing), clock=clock)


def _taking(sharing: SharedCircuits | None) -> Callable[..., Awaitable[int]]:
    class Stock:
        async def take(self, sku: str, *, count: int = 1) -> int:  # noqa: ARG002  a call with arguments
            return count

    return guarded(Stock)(guard=_guard(sharing)).take


async def _probe_ms(sharing: SharedCircuits, probes: int = _PROBES) -> float:
    """How long the first call after the interval takes, until its body runs."""

    class Probed:
        async def ask(self, *, failing: bool) -> float:
            if failing:
                raise ConnectionError
            return time.perf_counter()

    guard = _guard(sharing, failure_threshold=1, success_threshold=1, open_interval_ms=_OPEN_MS)
    probed, waits = guarded(Probed)(guard=guard), []
    for _ in range(probes):
        try:
            await probed.ask(failing=True)
        except ConnectionError:
            await asyncio.sleep(1.5 * _OPEN_MS / 1000)
        began = time.perf_counter()
        waits.append(await probed.ask(failing=False) - began)
        await asyncio.sleep(0.02)
    return median(waits) * 1000


def _pybreaker(server: RedisServer) -> Callable[[int], float]:
    import redis

    client = redis.Redis.from_url(server.url)
    storage = pybreaker.CircuitRedisStorage(pybreaker.STATE_CLOSED, client, namespace="bench")
    call = cast("Callable[..., object]", pybreaker.CircuitBreaker(state_storage=storage).call)

    def work(count: int) -> float:
        began = time.perf_counter()
        for _ in range(count):
            call(_nothing)
        return (time.perf_counter() - began) / count

    return work


def _nothing() -> None:
    pass


def _timed(call: Callable[..., Awaitable[Any]], count: int) -> float:
    return asyncio.run(_whole(call, count))


async def _whole(call: Callable[..., Awaitable[Any]], count: int) -> float:
    return await _spent(call, count) * count


async def _spent(call: Callable[..., Awaitable[Any]], count: int) -> float:
    """Seconds of CPU time that one call took."""
    began = time.thread_time()
    for _ in range(count // _TURN):
        for _ in range(_TURN):
            await call("a", count=2)
        await asyncio.sleep(0)
    return (time.thread_time() - began) / count
