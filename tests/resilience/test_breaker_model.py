"""The invariants of the breaker under any order of calls, ends, cancellations, time and steering (model-based)."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from arbiter.errors import DeadlineExceeded, NotFound, Rejected
from arbiter.resilience.outcome import Outcome
from tests.resilience.kit import OwnError, World, turns

pytestmark = pytest.mark.timeout(300)  # 2,000 examples are 20 s of processor time

HELD = ("forced-open", "disabled", "observe-only")
WAYS = {
    ("closed", "open"),
    ("open", "half-open"),
    ("half-open", "open"),
    ("half-open", "closed"),
    ("open", "closed"),
    *((state, held) for state in ("closed", "open", "half-open") for held in HELD),
    ("forced-open", "closed"),
    ("disabled", "closed"),
    ("observe-only", "closed"),
}
_ENDS: dict[str, Callable[[asyncio.Future[object]], object]] = {
    "success": lambda future: future.set_result("fine"),
    "failure": lambda future: future.set_exception(OwnError()),
    "answer": lambda future: future.set_exception(NotFound("no")),
    "ignored": lambda future: future.set_exception(Rejected("another")),
}

_SETTINGS: dict[str, Any] = {"timeout_ms": 500_000, "failure_threshold": 1, "half_open_max_age_ms": 100_000}

Flying = tuple[asyncio.Task[object], "asyncio.Future[object]", int]


class Breaker(RuleBasedStateMachine):
    """Concurrent tasks through the proxy, on the fake clock."""

    keys = _SETTINGS

    def __init__(self) -> None:
        super().__init__()
        self.world = World(**self.keys)
        self.tally = self.world.guard._seams[
            "pay.charge"
        ].tally  # what the guard's measurements are read from
        # Not a Runner: setting a signal handler for every step takes longer than the step.
        self.loop = asyncio.new_event_loop()
        self.flying: list[Flying] = []
        self.begun = 0
        self.seen: Counter[str] = Counter()
        self.interval: float | None = None
        self.observed = [self.world.state]

    def teardown(self) -> None:
        """End what still flies, and check that nothing is left behind."""
        for task, _, _ in self.flying:
            task.cancel()
        self._settle()
        assert not self.flying
        assert self.tally.running == 0
        self._end_timers()
        self.loop.close()

    @rule(count=st.integers(1, 4))
    def call(self, count: int) -> None:
        """Begin calls together."""
        for _ in range(count):
            most = max(self.world.breaker.permits_in_use, self.world.breaker.policy.half_open_permits)
            [(task, future)] = self.loop.run_until_complete(self.world.begin())
            self.begun += 1
            self.flying.append((task, future, self.world.breaker.era))
            assert self.world.breaker.permits_in_use <= most
            self._look()
        self._settle()

    @precondition(lambda self: self.flying)
    @rule(pick=st.integers(0, 50), end=st.sampled_from([*sorted(_ENDS), "failure", "failure"]))
    def end(self, pick: int, end: str) -> None:
        """A call ends in one of the ways."""
        _, future, _ = self.flying[pick % len(self.flying)]
        _ENDS[end](future)
        self._settle()

    @precondition(lambda self: self.flying)
    @rule(pick=st.integers(0, 50))
    def cancel(self, pick: int) -> None:
        """A call is cancelled."""
        self.flying[pick % len(self.flying)][0].cancel()
        self._settle()

    @precondition(lambda self: self.world.state == "open")
    @rule()
    def wait_for_half_open(self) -> None:
        """The open interval ends, and a trial begins."""
        self.world.clock.advance(self.world.breaker.retry_after_s or 0)
        self.call(1)
        assert self.world.state == "half-open"

    @rule(seconds=st.sampled_from([0.1, 9.9, 10.0, 99.9, 100.0, 500.0]))
    def advance(self, seconds: float) -> None:
        """Time passes; deadlines may."""
        self.world.clock.advance(seconds)
        self._settle()

    @rule(act=st.sampled_from(["open", "close", "reset", "disable", "observe"]))
    def steer(self, act: str) -> None:
        """An operator takes a hand, where the way is allowed."""
        if self.world.state in HELD and act not in ("close", "reset"):
            return
        getattr(self.world.breakers, act)("pay.charge")
        self._look()

    @rule(threshold=st.integers(1, 3), permits=st.integers(1, 3))
    def reload(self, threshold: int, permits: int) -> None:
        """Settings change; states and counts stay."""
        before = (self.world.state, self.world.breaker.fail_counter)
        self.world.reload(**self.keys | {"failure_threshold": threshold, "half_open_permits": permits})
        assert (self.world.state, self.world.breaker.fail_counter) == before

    @invariant()
    def every_change_is_an_allowed_one_and_told_once(self) -> None:
        """Events form one chain of allowed transitions, as many as the breaker made."""
        changes = self.world.log.changes
        assert set(changes) <= WAYS
        assert all(earlier[1] == later[0] for earlier, later in itertools.pairwise(changes))
        assert len(changes) == self.world.breaker.transitions
        assert (changes[-1][1] if changes else "closed") == self.world.state

    @invariant()
    def permits_are_the_live_trials_of_the_era(self) -> None:
        """Never below 0, and each permit in use belongs to a call that flies in the present half-open era."""
        breaker = self.world.breaker
        live = sum(era == breaker.era for _, _, era in self.flying) if self.world.state == "half-open" else 0
        assert breaker.permits_in_use == live

    @invariant()
    def every_call_is_settled_once(self) -> None:
        """What the guard counted is what the callers saw, and the rest still flies."""
        assert {str(outcome): count for outcome, count in self.tally.counts().items()} == dict(self.seen)
        assert self.begun == sum(self.seen.values()) + len(self.flying)
        assert self.tally.running == len(self.flying)

    @invariant()
    def the_interval_does_not_shrink_before_a_close(self) -> None:
        """Without jitter, each open period since the last close is at least as long as the one before."""
        if self.world.state == "open":
            interval = self.world.breaker.reset_timeout
            assert self.interval is None or interval >= self.interval
            self.interval = interval
        elif self.world.state in ("closed", *HELD):
            self.interval = None

    def _end_timers(self) -> None:
        """What is left on the loop is the one timer of the deadlines, at most."""
        left = asyncio.all_tasks(self.loop)
        assert len(left) <= 1
        assert {task.get_name() for task in left} <= {"arbiter.timer"}
        for task in left:
            task.cancel()
        self.loop.run_until_complete(turns())

    def _look(self) -> None:
        if any(change[1] == "closed" for change in self.world.log.changes[len(self.observed) - 1 :]):
            self.interval = None
        self.observed = ["", *(new for _, new in self.world.log.changes)]

    def _settle(self) -> None:
        """Let everything run, and take the calls that ended out of the air."""
        self.loop.run_until_complete(turns(8))
        for task, _, _ in [flying for flying in self.flying if flying[0].done()]:
            self.seen[_outcome(task)] += 1
        self.flying = [flying for flying in self.flying if not flying[0].done()]
        self._look()


def _outcome(task: asyncio.Task[object]) -> str:
    if task.cancelled():
        return Outcome.CANCELLED
    error = task.exception()
    names = {OwnError: Outcome.FAILURE, NotFound: Outcome.ANSWER, DeadlineExceeded: Outcome.TIMEOUT}
    if error is None:
        return Outcome.SUCCESS
    if type(error) is Rejected:
        return Outcome.IGNORED
    return names.get(type(error), Outcome.REJECTED)


class Windowed(Breaker):
    """The same of a circuit that judges by rates, over a window as small as the machine's runs."""

    keys = _SETTINGS | {"window": "count", "window_calls": 4, "minimum_calls": 2, "failure_rate_percent": 50}


TestBreaker = Breaker.TestCase
TestBreaker.settings = settings(max_examples=2_000, stateful_step_count=20)

TestWindowed = Windowed.TestCase
TestWindowed.settings = settings(max_examples=300, stateful_step_count=20)
