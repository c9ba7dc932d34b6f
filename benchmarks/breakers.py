"""The circuit breakers that stand beside ours: each as one function that awaits a call through it."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, Protocol

import aiobreaker
import circuitbreaker
import interlock
import purgatory
import pybreaker
from hyx.circuitbreaker import consecutive_breaker

from arbiter.clock import SystemClock
from arbiter.resilience.guard import Guard
from arbiter.resilience.proxy import guarded
from arbiter.resilience.registry import BreakerRegistry
from arbiter.resilience.settings import ResilienceSettings
from arbiter.testing.live import Fixed

__all__ = ["BREAKERS", "OURS", "Body", "Make", "Through"]

Body = Callable[[], Awaitable[Any]]
Through = Callable[[Body], Awaitable[Any]]
"""Awaits a body behind one breaker."""


class Make(Protocol):
    """Makes a breaker that opens at the third consecutive failure and closes after one good trial."""

    def __call__(self, *, fail_max: int = 3, open_s: float = 60.0, trials: int = 1) -> Through: ...


class _Anything:
    async def run(self, body: Body) -> Any:
        """Await it."""
        return await body()


def _ours(*, fail_max: int = 3, open_s: float = 60.0, trials: int = 1) -> Through:
    live, clock = (
        Fixed(
            ResilienceSettings(
                failure_threshold=fail_max,
                success_threshold=1,
                open_interval_ms=int(open_s * 1000),
                jitter=0,
                half_open_permits=trials,
            )
        ),
        SystemClock(),
    )
    return guarded(_Anything)(guard=Guard(live, BreakerRegistry(live, clock), None, clock)).run


def _pybreaker_calling(*, fail_max: int = 3, open_s: float = 60.0, trials: int = 1) -> Through:  # noqa: ARG001
    return _inside(pybreaker.CircuitBreaker(fail_max=fail_max, reset_timeout=open_s))


def _pybreaker_best(*, fail_max: int = 3, open_s: float = 60.0, trials: int = 1) -> Through:  # noqa: ARG001
    return _inside(
        pybreaker.CircuitBreaker(
            fail_max=fail_max, reset_timeout=open_s, exclude=[CancelledError], throw_new_error_on_trip=False
        )
    )


def _inside(breaker: pybreaker.CircuitBreaker) -> Through:
    async def through(body: Body) -> Any:
        with breaker.calling():
            return await body()

    return through


def _pybreaker_call(*, fail_max: int = 3, open_s: float = 60.0, trials: int = 1) -> Through:  # noqa: ARG001
    breaker = pybreaker.CircuitBreaker(fail_max=fail_max, reset_timeout=open_s)

    async def through(body: Body) -> Any:
        return await breaker.call(body)

    return through


def _aiobreaker(*, fail_max: int = 3, open_s: float = 60.0, trials: int = 1) -> Through:  # noqa: ARG001
    breaker = aiobreaker.CircuitBreaker(fail_max=fail_max, timeout_duration=timedelta(seconds=open_s))
    through: Through = breaker.call_async
    return through


def _purgatory(*, fail_max: int = 3, open_s: float = 60.0, trials: int = 1) -> Through:  # noqa: ARG001
    factory = purgatory.AsyncCircuitBreakerFactory(default_threshold=fail_max, default_ttl=open_s)

    async def through(body: Body) -> Any:
        async with await factory.get_breaker("peer"):
            return await body()

    return through


def _hyx(*, fail_max: int = 3, open_s: float = 60.0, trials: int = 1) -> Through:  # noqa: ARG001
    breaker: Any = consecutive_breaker(
        failure_threshold=fail_max, recovery_time_secs=open_s, recovery_threshold=1
    )

    async def through(body: Body) -> Any:
        return await breaker(body)()

    return through


def _circuitbreaker(*, fail_max: int = 3, open_s: float = 60.0, trials: int = 1) -> Through:  # noqa: ARG001
    breaker: Any = circuitbreaker.CircuitBreaker(failure_threshold=fail_max, recovery_timeout=open_s)

    async def through(body: Body) -> Any:
        return await breaker(body)()  # its call_async does not look whether it is open

    return through


def _interlock(*, fail_max: int = 3, open_s: float = 60.0, trials: int = 1) -> Through:
    # A window of as many calls, all of which must fail, is what it has for consecutive failures. Of several trials,
    # one that fails opens, as everywhere else.
    config = interlock.Config(
        failure_rate_threshold=1.0 if trials == 1 else 1 / fail_max,
        minimum_number_of_calls=fail_max,
        window_size=fail_max,
        permitted_calls_in_half_open=trials,
        max_concurrent_probes=trials,
        wait_duration_in_open=open_s,
    )
    return interlock.CircuitBreaker(name="peer", config=config).call_async


OURS = "arbiter"
BREAKERS: Mapping[str, Make] = {
    OURS: _ours,
    "interlock-cb": _interlock,
    "purgatory": _purgatory,
    "hyx": _hyx,
    "aiobreaker": _aiobreaker,
    "circuitbreaker": _circuitbreaker,
    "pybreaker.calling, tuned": _pybreaker_best,
    "pybreaker.calling": _pybreaker_calling,
    "pybreaker.call": _pybreaker_call,
}
"""What makes each, by name; "tuned" is the best that its options give: no new error on a trip, cancellation excluded."""
