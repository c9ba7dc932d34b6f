"""The state machine of a circuit: states, time, steering, and the delivery of what happens.

It is pybreaker's, with eras, a monotonic clock, back-off and listeners that are told after the lock is released. Of its
protected names are used `_lock`, `_state`, `_state_storage`, `_fail_max`, `_success_threshold`, `_excluded_exceptions`,
`_create_new_state`, a state's `_name` and the memory storage's `_fail_counter`.

    closed --failures--> open --interval over, next call--> half-open --successes--> closed
                           ^----------- a failed or hung trial ----------'
    any --force_open()--> forced-open --close(), reset()--> closed
    any --disable()-----> disabled    --close(), reset()--> closed
    any --observe()-----> observe-only --close(), reset()--> closed
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from functools import partial
from random import Random
from typing import Any, Final

import pybreaker

from arbiter.clock import SystemClock
from arbiter.events import BreakerChanged, BreakerWouldOpen
from arbiter.protocols import Clock, EventSink
from arbiter.resilience.backoff import Interval, OpenInterval
from arbiter.resilience.listeners import Audience, Critical
from arbiter.resilience.outcome import Rules
from arbiter.resilience.policy import Policy
from arbiter.resilience.states import (
    CLOSED,
    DISABLED,
    FORCED_OPEN,
    HALF_OPEN,
    OBSERVED,
    OPEN,
    DisabledState,
    ForcedOpenState,
    ObservedState,
    check_transition,
)
from arbiter.resilience.timer import Cancel, later
from arbiter.resilience.window import fitting

__all__ = ["Machine"]

_OWN_STATES: Final = {FORCED_OPEN: ForcedOpenState, DISABLED: DisabledState, OBSERVED: ObservedState}


class Machine(pybreaker.CircuitBreaker):
    """The state of one circuit and its ways; `Circuit` shows it.

    Attributes:
        era: grows with every transition; read it before `quiet`.
        quiet: closed (or disabled) with nothing counted: a success has nothing to report, so the fast path skips it.
        policy: thresholds, intervals and permits in force.
        last_failure: what the last counted failure raised; None once it no longer matters.
        rejected: calls not let through.
        transitions: changes of state.
        would_open: how often the circuit would have opened while it was only observed.

    Args:
        name: the operation's name.
        policy: thresholds, intervals and permits.
        clock: monotonic time is read from it.
        events: takes `BreakerChanged` and `CallRejected`.
        rng: draws the jitter; seed it for a repeatable sequence.
        rules: what counts as a failure.
        interval: gives the open interval in place of the policy's back-off, which still caps it; it is asked once
            for each opening, under the lock, and must return at once.
        listeners: pybreaker listeners; they are called after the lock is released, and their errors stay theirs.
    """

    def __init__(
        self,
        name: str,
        policy: Policy | None = None,
        *,
        clock: Clock | None = None,
        events: EventSink | None = None,
        rng: Random | None = None,
        rules: Rules | None = None,
        interval: Interval | None = None,
        listeners: Sequence[pybreaker.CircuitBreakerListener] = (),
    ) -> None:
        self.era = 0
        self.quiet = False
        self.policy = policy or Policy()
        self.last_failure: BaseException | None = None
        self.rejected = 0
        self.transitions = self.would_open = 0
        self._clock, self._events = clock or SystemClock(), events
        self._rules = rules or Rules()
        self._interval = OpenInterval(name, rng or Random(), interval)  # noqa: S311  jitter, not a secret
        self._permits_in_use = 0
        self._since = self._trials_since = 0.0
        self._cancel_timer: Cancel | None = None
        self._exceeds = False
        self._window = fitting(self.policy, None)
        self._shut_until = -math.inf
        self._lets_all_through = self._plain = False
        self._muted = False
        self._audience = Audience()
        self._critical = Critical(self._audience)
        super().__init__(
            fail_max=self.policy.failure_threshold,
            reset_timeout=self.policy.open_interval_s,
            success_threshold=self.policy.success_threshold,
            name=name,
            throw_new_error_on_trip=False,
        )
        self.add_listeners(*listeners)
        self._lock = self._critical.lock
        self._settle()

    # Steering.

    def open(self) -> bool:
        """Open the circuit for its interval; opening an open one changes nothing. Returns False (pybreaker's)."""
        with self._critical:
            if self._state.name != OPEN:
                is_again = self._state.name == HALF_OPEN
                self._interval.draw(self.last_failure, self._clock.now(), is_again=is_again)
                self._enter(OPEN)
        return self._throw_new_error_on_trip

    def half_open(self) -> None:
        """Let trials through; only an open circuit can become half-open."""
        with self._critical:
            if self._state.name != HALF_OPEN:
                self._enter(HALF_OPEN)

    def close(self) -> None:
        """Let every call through, from any state; closing a closed circuit changes nothing."""
        with self._critical:
            if self._state.name != CLOSED:
                self._forget()
                self._state_storage.reset_success_counter()
                self._enter(CLOSED)

    def reset(self) -> None:
        """Close, forget all counts, and ignore what is in flight."""
        with self._critical:
            self.close()
            self._forget()
            self._state_storage.reset_counter()
            self.era += 1
            self._settle()

    def force_open(self) -> None:
        """Reject every call until `close()` or `reset()`."""
        self._hold(FORCED_OPEN)

    def disable(self) -> None:
        """Let every call through and count nothing until `close()` or `reset()`."""
        self._hold(DISABLED)

    def observe(self) -> None:
        """Let every call through and count, and tell what would have opened, until `close()` or `reset()`."""
        self._hold(OBSERVED)

    def configure(self, policy: Policy) -> None:
        """Take new settings and keep state and counts; an open circuit's time left is worked out anew."""
        with self._critical:
            if self.policy.enabled and not policy.enabled:
                self.reset()
            self.policy = policy
            self._fail_max, self._success_threshold = policy.failure_threshold, policy.success_threshold
            self._window = fitting(policy, self._window)
            self._settle()
            self._set_timer()

    # Time, and the ways between the states.

    @property
    def retry_after_s(self) -> float | None:
        """Seconds until an open circuit lets a trial through, 0 when it would now; None in other states."""
        if self._state.name != OPEN:
            return None
        return max(0.0, self._since + self._interval.seconds(self.policy) - self._clock.monotonic())

    def _create_new_state(
        self,
        new_state: str,
        prev_state: pybreaker.CircuitBreakerState | None = None,
        notify: bool = False,  # noqa: FBT001, FBT002  pybreaker's signature
    ) -> Any:
        before, self._muted = self._muted, True
        try:
            state = self._made(new_state, prev_state, notify=notify)
        finally:
            self._muted = before
        self.era += 1
        self._permits_in_use = 0
        self._since = self._clock.monotonic()
        self._exceeds = False
        if new_state == OPEN:
            self._state_storage.opened_at = self._clock.now()
        elif new_state in (CLOSED, OBSERVED) and self._window is not None:
            self._window.clear()
        if notify and prev_state is not None:
            self._announce(prev_state, state)
        return state

    def _made(self, name: str, prev: pybreaker.CircuitBreakerState | None, *, notify: bool) -> Any:
        own = _OWN_STATES.get(name)
        return own(self, prev, notify) if own else super()._create_new_state(name, prev, notify)

    def _enter(self, name: str) -> None:
        check_transition(self._name or "", self._state.name, name)
        self._state_storage.state = name
        self._state = self._create_new_state(name, prev_state=self._state, notify=True)
        self.transitions += 1
        self._settle()
        self._set_timer()

    def _hold(self, name: str) -> None:
        with self._critical:
            if self._state.name != name:
                self._enter(name)

    def _forget(self) -> None:
        self._interval.forget()
        self.last_failure = None
        if self._window is not None:
            self._window.clear()

    def _look(self) -> None:
        """Become half-open if that is due and to be done unasked."""
        with self._critical:
            if self.policy.auto_half_open and self.retry_after_s == 0:
                self.half_open()

    def _set_timer(self) -> None:
        """Have the loop, where one runs, end the open state in time; without one, whoever looks next does."""
        if self._cancel_timer is not None:
            self._cancel_timer()
            self._cancel_timer = None
        left, loop = self.retry_after_s, asyncio._get_running_loop()
        if self.policy.auto_half_open and left is not None and loop is not None:
            self._cancel_timer = later(loop, self._clock, left, self._on_time)

    def _on_time(self) -> None:
        with self._critical:
            self._cancel_timer = None
            self._look()
            self._set_timer()  # for a clock that came early

    def _settle(self) -> None:
        """Work out what the fast paths read without the lock."""
        state = self._state.name
        quiet = self._window is None and not self._audience.hears_calls and not self._state_storage.counter
        self._lets_all_through = state in (CLOSED, DISABLED, OBSERVED)
        is_own = isinstance(self._state_storage, pybreaker.CircuitMemoryStorage)
        self._plain = state == CLOSED and is_own and self._window is None and not self._audience.members
        self.quiet = state == DISABLED or (state in (CLOSED, OBSERVED) and quiet)
        self._shut_until = math.inf if state == FORCED_OPEN else -math.inf
        if state == OPEN:
            self._shut_until = self._since + self._interval.seconds(self.policy)

    def _announce_excess(self) -> None:
        if self._events is not None:
            event = BreakerWouldOpen(self._name or "", self.last_failure)
            self._audience.later(partial(self._events.publish, event))

    def _announce(self, old: pybreaker.CircuitBreakerState, new: pybreaker.CircuitBreakerState) -> None:
        if self._events is not None:
            cause = self.last_failure if new.name == OPEN else None
            event = BreakerChanged(self._name or "", old.name, new.name, cause)
            self._audience.later(partial(self._events.publish, event))
        self._audience.tell(lambda listener: listener.state_change(self, old, new))
