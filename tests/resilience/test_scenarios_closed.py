"""Scenarios A: the closed circuit."""

from __future__ import annotations

import abc
import asyncio
import traceback

import pytest

from arbiter.errors import DomainError, NotFound, Rejected
from arbiter.resilience.outcome import Outcome, Rules
from arbiter.resilience.states import CircuitOpen
from tests.resilience.kit import OwnError, World, ended


async def test_a01_failures_below_the_threshold_leave_the_circuit_closed() -> None:
    """Two failures of three are counted, and both callers see their own exception."""
    world = World()

    seen = await world.calls("ff")

    assert [type(error) for error in seen] == [OwnError, OwnError]
    assert (world.state, world.breaker.fail_counter) == ("closed", 2)


async def test_a02_a_success_resets_the_streak() -> None:
    """Only consecutive failures count."""
    world = World()

    await world.calls("ffsff")

    assert (world.state, world.breaker.fail_counter) == ("closed", 2)


async def test_a03_the_tripping_caller_sees_its_own_exception() -> None:
    """The third failure opens the circuit once, and its caller gets it with at most two frames of the guard."""
    world = World()
    await world.calls("ff")
    own = OwnError("third")

    with pytest.raises(OwnError) as caught:
        await world.pay.charge(own)

    frames = [frame.name for frame in traceback.extract_tb(own.__traceback__)]
    assert caught.value is own
    assert frames[0] == "test_a03_the_tripping_caller_sees_its_own_exception"
    assert frames[-1] == "charge"
    assert len(frames) <= 4
    assert own.__cause__ is None
    assert world.log.changes == [("closed", "open")]


async def test_a04_a_rejection_says_what_it_knows() -> None:
    """A rejected call does not invoke the body; its error and event say which circuit, why, and until when."""
    world = World()
    seen = await world.calls("fff")
    invoked = world.body.invoked

    error = await world.call()

    assert isinstance(error, CircuitOpen)
    assert (error.name, error.state, error.retry_after_s) == ("pay.charge", "open", 10.0)
    assert error.last_failure is error.__cause__ is seen[-1]
    assert world.body.invoked == invoked
    assert world.breaker.fail_counter == 3
    assert world.counted(Outcome.REJECTED) == world.breaker.rejected == len(world.log.rejections) == 1
    assert "10 s" in str(error)


async def test_a05_many_calls_failing_at_once_trip_once() -> None:
    """Fifty failures of one instant give one transition, and each caller its own exception."""
    world = World()
    started = await world.begin(50)
    errors = [OwnError(str(number)) for number in range(50)]

    for (_, future), error in zip(started, errors, strict=True):
        future.set_exception(error)
    seen = [await ended(task) for task, _ in started]

    assert all(given is own for given, own in zip(seen, errors, strict=True))
    assert world.log.changes == [("closed", "open")]
    assert world.breaker.fail_counter >= 3


async def test_a10_an_ignored_outcome_is_neutral() -> None:
    """What the rules ignore neither counts nor resets the streak."""
    world = World(rules=Rules(ignore=(Rejected, KeyError)))

    await world.calls("ff")
    await world.calls("k")
    before = world.breaker.fail_counter
    await world.calls("f")

    assert before == 2
    assert world.state == "open"
    assert world.counted(Outcome.IGNORED) == 1


async def test_a11_a_domain_error_is_an_answer() -> None:
    """Not found counts as success: it resets the streak and is no failure."""
    world = World()
    await world.calls("ff")

    seen = await world.call(NotFound("no such agent"))
    await world.calls("f")

    assert isinstance(seen, NotFound)
    assert (world.state, world.breaker.fail_counter) == ("closed", 1)
    assert world.counted(Outcome.ANSWER) == 1


def test_a12_ignoring_wins_over_recording() -> None:
    """A type whose base is ignored is ignored, though it is recorded too."""
    rules = Rules(ignore=(LookupError,), record=(KeyError,))

    assert rules.outcome_of(KeyError()) is Outcome.IGNORED
    assert rules.outcome_of(ValueError()) is Outcome.ANSWER


class Abstract(abc.ABC, Exception):
    """An exception type with another metaclass than `type`."""


async def test_a13_a_metaclass_does_not_make_everything_ignored() -> None:
    """Only the ignored type and its subclasses are ignored."""
    world = World(rules=Rules(ignore=(Abstract,)))

    ignored = await world.call(Abstract())
    await world.calls("fff")

    assert isinstance(ignored, Abstract)
    assert world.state == "open"


async def test_a13_pybreakers_own_exclusions_know_metaclasses_too() -> None:
    """An excluded type with a metaclass is a type, not a predicate."""
    breaker = World().breaker
    breaker.add_excluded_exception(Abstract)

    assert breaker.is_system_error(OwnError())
    assert not breaker.is_system_error(Abstract())


@pytest.mark.parametrize(
    ("errors", "failures"), [([KeyError()], 0), ([KeyError(), OwnError()], 1), ([NotFound(), KeyError()], 0)]
)
async def test_a14_groups_are_judged_by_their_leaves(errors: list[Exception], failures: int) -> None:
    """A group of ignored errors is neutral; one failure among them makes it a failure."""
    world = World(rules=Rules(ignore=(KeyError,)))

    await world.call(ExceptionGroup("several", [ExceptionGroup("nested", errors)]))

    assert world.breaker.fail_counter == failures


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), SystemExit(1), GeneratorExit(), asyncio.CancelledError()]
)
async def test_a16_what_is_no_exception_is_neutral(error: BaseException) -> None:
    """Interrupts, exits and cancellation pass unchanged and are not counted."""
    world = World(failure_threshold=1)

    with pytest.raises(type(error)) as caught:
        await world.pay.charge(error)

    assert caught.value is error
    assert (world.state, world.breaker.fail_counter) == ("closed", 0)


async def test_a17_anothers_rejection_is_neutral() -> None:
    """A component that lets its neighbour's rejection through does not open its own circuit."""
    world = World()

    for _ in range(3):
        await world.call(CircuitOpen("bank.transfer", "open", 3.0))

    assert (world.state, world.breaker.fail_counter) == ("closed", 0)


async def test_a17_anothers_rejection_may_be_made_a_failure() -> None:
    """Where the rules do not ignore it."""
    world = World(rules=Rules(ignore=()))

    for _ in range(3):
        await world.call(CircuitOpen("bank.transfer", "open", 3.0))

    assert world.state == "open"


async def test_sync_methods_are_guarded_on_their_callers_thread() -> None:
    """A plain method has a breaker and counts, and stays plain."""
    world = World()

    for _ in range(3):
        with pytest.raises(OwnError):
            world.pay.price(OwnError())
    with pytest.raises(CircuitOpen):
        world.pay.price()

    assert world.body.invoked == 3


async def test_without_breakers_the_rest_stays() -> None:
    """circuit_breaker_enabled = false: nothing is rejected, deadlines and counts go on."""
    world = World(circuit_breaker_enabled=False)

    await world.calls("ffffff")
    [(task, _)] = await world.begin()
    world.clock.advance(1.0)

    assert isinstance(await ended(task), TimeoutError)
    assert not await world.rejects()
    assert (world.counted(Outcome.FAILURE), world.counted(Outcome.TIMEOUT)) == (6, 1)
    assert world.breaker.fail_counter == 0


async def test_a_breaker_taken_out_and_put_back_starts_afresh() -> None:
    """Switching breakers off closes them; switched on, they count from zero."""
    world = World()
    await world.trip()

    world.reload(circuit_breaker_enabled=False)
    off = await world.rejects()
    world.reload()
    await world.calls("ff")

    assert not off
    assert (world.state, world.breaker.fail_counter) == ("closed", 2)


async def test_domain_errors_of_every_kind_are_answers() -> None:
    """Subclasses of DomainError count as it does."""

    class RegistryFull(DomainError):
        """One of an application's own."""

    world = World(failure_threshold=1)

    await world.call(RegistryFull("full"))

    assert world.state == "closed"
