"""Scenarios E: manual control and live settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pybreaker
import pytest
from pydantic import ValidationError

from arbiter.events import BreakerChanged, BreakerWouldOpen
from arbiter.protocols import Status
from arbiter.resilience.outcome import Outcome
from arbiter.resilience.policy import Policy, PolicyInvalid
from arbiter.resilience.registry import BreakerUnknown
from arbiter.resilience.settings import ResilienceSettings
from arbiter.resilience.states import CircuitOpen, TransitionRefused
from tests.resilience.kit import OwnError, World, ended


async def test_e42_forced_open_lasts_until_closed_by_hand() -> None:
    """Every call is rejected however late, without a retry time; results in flight are ignored."""
    world = World(timeout_ms=0)
    [(task, future)] = await world.begin()
    world.breakers.open("pay.charge")

    errors = []
    for seconds in (10, 9_990):
        world.clock.advance(seconds)
        errors.append(await world.call())
    future.set_result("late")
    await ended(task)
    held = world.state
    world.breakers.close("pay.charge")

    assert [(e.state, e.retry_after_s) for e in errors if isinstance(e, CircuitOpen)] == [
        ("forced-open", None)
    ] * 2
    assert held == "forced-open"
    assert not await world.rejects()


def test_e42_only_closing_leaves_forced_open() -> None:
    """Neither opening nor disabling does."""
    breaker = World().breaker
    breaker.force_open()

    with pytest.raises(TransitionRefused):
        breaker.open()
    with pytest.raises(TransitionRefused):
        breaker.disable()


class Heard(pybreaker.CircuitBreakerListener):
    """Counts the outcomes that it is told of."""

    outcomes = 0

    def success(self, cb: pybreaker.CircuitBreaker) -> None:
        """One more."""
        self.outcomes += 1

    def failure(self, cb: pybreaker.CircuitBreaker, exc: BaseException) -> None:
        """One more."""
        self.outcomes += 1


async def test_e43_disabled_lets_all_through_and_counts_nothing() -> None:
    """Ten failures run and change nothing, and no listener hears of them; closed again, the count is 0."""
    world, heard = World(), Heard()
    world.breaker.add_listener(heard)
    world.breakers.disable("pay.charge")

    await world.calls("f" * 9 + "s")
    during = world.state
    world.breakers.close("pay.charge")

    assert (world.body.invoked, during, world.state) == (10, "disabled", "closed")
    assert (world.breaker.fail_counter, heard.outcomes) == (0, 0)
    assert [type(event) for event in world.log.events] == [BreakerChanged, BreakerChanged]


async def test_e44_observed_circuits_count_and_let_all_through() -> None:
    """Ten failures run and are counted; that the threshold is exceeded is told once, and nothing opens."""
    world = World()
    world.breakers.observe("pay.charge")

    await world.calls("f" * 10)

    told = [event for event in world.log.events if isinstance(event, BreakerWouldOpen)]
    assert (world.body.invoked, world.state, world.breaker.fail_counter) == (10, "observe-only", 10)
    assert world.counted(Outcome.FAILURE) == 10
    assert [type(event.cause) for event in told] == [OwnError]
    assert world.log.changes == [("closed", "observe-only")]
    assert (await world.breakers.check()).status is Status.PASS


async def test_e44_an_observed_circuit_tells_of_the_next_excess_too() -> None:
    """Once the streak, or the rate, was below the threshold again."""
    world, rated = World(), World(window="count", window_calls=2, minimum_calls=2)
    for each in (world, rated):
        each.breakers.observe("pay.charge")

        await each.calls("ffffssfff")

    assert (world.breaker.would_open, rated.breaker.would_open) == (2, 2)


@pytest.mark.parametrize("state", ["closed", "open", "half-open", "forced-open", "disabled", "observe-only"])
async def test_e45_reset_starts_afresh_from_any_state(state: str) -> None:
    """Closed, zero counts, one event at most; what is in flight is ignored."""
    world = World(timeout_ms=0)
    [(task, future)] = await world.begin()
    await world.calls("ff")
    ways: dict[str, Callable[[], object]] = {
        "closed": lambda: None,
        "open": world.breaker.open,
        "half-open": lambda: _half_open(world),
        "forced-open": world.breaker.force_open,
        "disabled": world.breaker.disable,
        "observe-only": world.breaker.observe,
    }
    ways[state]()
    before = len(world.log.changes)

    world.breakers.reset("pay.charge")
    future.set_exception(OwnError())
    await ended(task)

    assert (world.state, world.breaker.fail_counter) == ("closed", 0)
    assert world.log.changes[before:] == ([] if state == "closed" else [(state, "closed")])


def _half_open(world: World) -> None:
    world.breaker.open()
    world.breaker.half_open()


async def test_e46_a_reload_keeps_the_counts() -> None:
    """Two failures of three become two of five."""
    world = World()
    await world.calls("ff")

    world.reload(failure_threshold=5)
    status = world.breaker.status()
    await world.calls("ff")
    almost = world.state
    await world.calls("f")

    assert (status.failure_count, status.failure_threshold) == (2, 5)
    assert (almost, world.state) == ("closed", "open")


async def test_e46_an_open_circuit_takes_the_new_interval() -> None:
    """Its time left is worked out anew."""
    world = World()
    await world.trip()
    world.clock.advance(4)

    world.reload(open_interval_ms=30_000)

    assert world.breaker.retry_after_s == 26


async def test_e46_calls_notice_new_settings_without_being_told() -> None:
    """A guard that no event reached reads the settings again within 50 ms."""
    world = World()
    world.live.current = ResilienceSettings(failure_threshold=1)
    world.clock.advance(0.05)

    await world.calls("f")

    assert world.state == "open"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("failure_threshold", 0),
        ("failure_threshold", "three"),
        ("success_threshold", 0),
        ("open_interval_ms", -1),
        ("timeout_ms", -1),
        ("jitter", 1.0),
        ("backoff_multiplier", 0.5),
        ("backoff_multiplier", float("nan")),
        ("half_open_permits", 0),
        ("open_interval_ms", "soon"),
        ("failure_rate_percent", 101),
        ("failure_rate_percent", 0),
        ("slow_rate_percent", float("inf")),
        ("window", "sliding"),
        ("window_calls", 0),
        ("minimum_calls", 0),
        ("max_concurrent", -1),
        ("nonsense", 1),
    ],
)
def test_e46_invalid_settings_are_refused_by_name(key: str, value: object) -> None:
    """What pybreaker would accept and misbehave with is refused, and the key is named."""
    with pytest.raises(ValidationError) as caught:
        ResilienceSettings.model_validate({key: value})

    assert caught.value.errors()[0]["loc"] == (key,)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("failure_threshold", 0),
        ("failure_threshold", -1),
        ("failure_threshold", "3"),
        ("failure_threshold", True),
        ("success_threshold", 0),
        ("open_interval_s", -5),
        ("open_interval_s", float("nan")),
        ("failure_rate_percent", 101),
        ("window", "sliding"),
        ("jitter", 1),
        ("backoff_multiplier", 0.5),
        ("timeout_s", 0),
        ("max_concurrent", 0),
    ],
)
def test_e46_invalid_policies_are_refused_by_name(field: str, value: Any) -> None:
    """A policy made by hand is checked as the settings are."""
    with pytest.raises(PolicyInvalid, match=field) as caught:
        Policy(**{field: value})

    assert (caught.value.field, caught.value.value) == (field, value)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("name", "value"), [("fail_max", 0), ("success_threshold", "3"), ("reset_timeout", -1)]
)
def test_e46_pybreakers_setters_are_checked_and_keep_what_was(name: str, value: object) -> None:
    """A value that cannot work is refused, and the circuit goes on with the one it had."""
    breaker = World().breaker
    before = getattr(breaker, name)

    with pytest.raises(PolicyInvalid):
        setattr(breaker, name, value)

    assert getattr(breaker, name) == before


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"window": "count", "window_calls": 10, "minimum_calls": 11}, "would never open"),
        ({"slow_call_ms": 100}, "slow_call_ms needs"),
        (
            {"operations": {"pay": {"charge": {"slow_call_ms": 100}}}},
            r"operations\.pay\.charge\.slow_call_ms",
        ),
    ],
)
def test_e46_keys_that_contradict_each_other_are_refused(keys: dict[str, Any], words: str) -> None:
    """A window that can never open, or a slowness that nothing counts, is a mistake and says where."""
    with pytest.raises(ValidationError, match=words):
        ResilienceSettings.model_validate(keys)


def test_intervals_must_fit_their_cap_after_overriding() -> None:
    """An operation's own interval above the common cap is refused, with the operation's name."""
    operations = {"registry": {"query": {"open_interval_ms": 400_000}}}

    with pytest.raises(ValidationError, match=r"operations\.registry\.query\.open_interval_ms"):
        ResilienceSettings.model_validate({"operations": operations})


async def test_an_operation_may_have_its_own_policy() -> None:
    """Overrides hold for one operation and leave the others alone."""
    world = World(operations={"pay": {"charge": {"failure_threshold": 1}}})

    await world.calls("f")

    assert world.state == "open"
    assert world.breakers.get("pay.price").fail_max == 3


def test_an_unknown_breaker_is_answered_with_its_neighbours() -> None:
    """Steering a breaker that does not exist names those that are near."""
    world = World()

    with pytest.raises(BreakerUnknown, match=r"did you mean pay\.charge"):
        world.breakers.open("pay.chrage")


async def test_h66_an_open_circuit_degrades_health() -> None:
    """The breakers' check warns and does not fail, and names the circuit."""
    world = World()
    healthy = await world.breakers.check()
    await world.trip()

    degraded = await world.breakers.check()

    assert (healthy.status, degraded.status) == (Status.PASS, Status.WARN)
    assert "pay.charge is open" in degraded.output


async def test_the_registry_measures_states_and_transitions() -> None:
    """One gauge per state, of which one is 1; counters of transitions and rejections."""
    world = World()
    await world.trip()
    await world.call()

    found = [m for m in world.breakers.measurements() if ("operation", "pay.charge") in m.attributes]

    states = {
        dict(m.attributes)["state"]: m.value for m in found if m.name == "arbiter.circuit_breaker.state"
    }
    assert [state for state, value in states.items() if value] == ["open"]
    assert {m.name: m.value for m in found if m.kind == "counter"} == {
        "arbiter.circuit_breaker.transitions": 1,
        "arbiter.circuit_breaker.rejected": 1,
    }
