"""What users of pybreaker do with a breaker, done with ours."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Coroutine, Generator
from typing import Any

import pybreaker
import pytest

from arbiter.resilience.breaker import CircuitBreaker
from arbiter.resilience.policy import Policy
from arbiter.resilience.states import CircuitOpen, TransitionRefused
from arbiter.testing.clock import FakeClock
from tests.resilience.kit import OwnError


def _breaker(fail_max: int = 2) -> CircuitBreaker:
    return CircuitBreaker(
        "pay", Policy(failure_threshold=fail_max, open_interval_s=10, jitter=0), clock=FakeClock()
    )


def _raise() -> None:
    raise OwnError


async def _fail() -> None:
    raise OwnError


def _items() -> Generator[int, None, str]:
    yield 1
    yield 2
    return "done"


def _broken() -> Generator[int, None, None]:
    yield 1
    raise OwnError


def test_call_calling_and_decorator_count_as_the_proxy_does() -> None:
    """The tripping caller keeps its error, the next one gets pybreaker's."""
    breaker = _breaker()

    with pytest.raises(OwnError):
        breaker.call(_raise)
    with pytest.raises(OwnError), breaker.calling():
        raise OwnError
    with pytest.raises(pybreaker.CircuitBreakerError):
        breaker(_raise)()

    assert breaker.current_state == "open"


async def test_a_coroutine_function_is_awaited_through_the_breaker() -> None:
    """Counting success when the coroutine is made would never trip: call refuses it, acall and the decorator await it."""
    breaker = _breaker()

    with pytest.raises(TypeError, match="acall"):
        await breaker.call(_fail)
    with pytest.raises(OwnError):
        await breaker.acall(_fail)
    with pytest.raises(OwnError):
        await breaker(_fail)()

    assert breaker.current_state == "open"


async def test_a_coroutine_that_a_plain_function_returns_is_judged_when_it_ends() -> None:
    """Neither success when it is made, nor unguarded: two failures open the circuit."""
    breaker = _breaker()

    def plain() -> Coroutine[Any, Any, None]:
        return _fail()

    made = [breaker.call(plain) for _ in range(3)]
    before = breaker.fail_counter
    for coroutine in made[:2]:
        with pytest.raises(OwnError):
            await coroutine
    with pytest.raises(CircuitOpen):
        await made[2]

    assert (before, breaker.fail_counter) == (0, 2)


async def test_what_returns_an_awaitable_becomes_a_coroutine_function_on_request() -> None:
    """Pybreaker's option for Tornado's coroutines, without Tornado."""
    breaker = _breaker()

    def plain() -> Coroutine[Any, Any, None]:
        return _fail()

    guarded = breaker(__pybreaker_call_async=True)(plain)
    with pytest.raises(OwnError):
        await guarded()

    assert breaker.fail_counter == 1


def test_an_async_generator_function_is_refused() -> None:
    """It would count as a success each time that it is called."""

    async def items() -> AsyncIterator[int]:
        yield 1

    with pytest.raises(TypeError, match="asynchronous"):
        _breaker().call(items)


def test_a_generator_is_judged_when_it_ends() -> None:
    """Exhausted it is a success, raising a failure; what it returns is not lost."""
    breaker = _breaker()
    broken, items = breaker.call(_broken), breaker(_items)()
    assert next(broken) == 1
    assert breaker.fail_counter == 0

    with pytest.raises(OwnError):
        next(broken)
    after_failure = breaker.fail_counter
    given = [next(items), next(items)]
    with pytest.raises(StopIteration, match="done"):
        next(items)

    assert (given, after_failure, breaker.fail_counter) == ([1, 2], 1, 0)


def test_a_generator_that_is_closed_early_says_nothing() -> None:
    """Its consumer had enough: neither success nor failure."""
    breaker = _breaker()
    with pytest.raises(OwnError):
        breaker.call(_raise)

    items = breaker.call(_items)
    next(items)
    items.close()

    assert (breaker.fail_counter, breaker.current_state) == (1, "closed")


def test_a_generator_begun_by_a_trial_is_the_trial() -> None:
    """Made and never begun it holds no permit; begun, it does until its end."""
    breaker = _breaker(fail_max=1)
    with pytest.raises(OwnError):
        breaker.call(_raise)
    clock: Any = breaker._clock
    clock.advance(10)

    breaker.call(_items)
    unused = breaker.permits_in_use
    items = breaker.call(_items)
    next(items)
    begun = breaker.permits_in_use
    list(items)

    assert (unused, begun, breaker.permits_in_use) == (0, 1, 0)


def test_a_state_is_entered_by_its_name() -> None:
    """As by the method; a name that is none, or a way that is not there, is refused and changes nothing."""
    breaker = _breaker()

    for name in ("open", "closed"):
        breaker.state = name
    with pytest.raises(TransitionRefused):
        breaker.state = "half-open"
    with pytest.raises(ValueError, match="no state"):
        breaker.state = "ajar"

    assert (breaker.current_state, breaker.transitions) == ("closed", 2)


async def test_listeners_hear_of_a_call_before_it_is_made() -> None:
    """Of one that is let through: a rejected one is not made."""
    told: list[str] = []

    class Hearing(pybreaker.CircuitBreakerListener):
        def before_call(self, cb: pybreaker.CircuitBreaker, func: Any, *args: Any, **kwargs: Any) -> None:
            told.append(f"before {args[0]}")

    async def later(name: str) -> None:
        told.append(name)

    breaker = _breaker()
    breaker.add_listener(Hearing())
    breaker.call(told.append, "call")
    await breaker.acall(later, "acall")
    breaker.open()
    with pytest.raises(CircuitOpen):
        breaker.call(told.append, "rejected")

    assert told == ["before call", "call", "before acall", "acall"]


def test_listeners_hear_one_thing_at_a_time_and_in_order() -> None:
    """Four threads at once: a listener that reads, waits and writes loses nothing."""

    class Counting(pybreaker.CircuitBreakerListener):
        heard = 0

        def success(self, cb: pybreaker.CircuitBreaker) -> None:
            before = self.heard
            pause.wait(0.0001)
            self.heard = before + 1

    breaker, listener, pause = _breaker(), Counting(), threading.Event()
    breaker.add_listener(listener)

    def calls() -> None:
        for _ in range(50):
            breaker.call(lambda: None)

    threads = [threading.Thread(target=calls) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert listener.heard == 200
