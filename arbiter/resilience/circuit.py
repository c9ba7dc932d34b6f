"""The state machine of a circuit: states, time, counters, steering, and the delivery of what happens.

It is pybreaker's (whose protected names used here are `_lock`, `_state`, `_state_storage`, `_create_new_state` and a
state's `_name`), with eras, a monotonic clock, back-off and listeners that are told after the lock is released.

    closed --failures--> open --interval over, next call--> half-open --successes--> closed
                           ^----------- a failed or hung trial ----------'
    any --force_open()--> forced-open --close(), reset()--> closed
    any --disable()-----> disabled    --close(), reset()--> closed
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from random import Random
from types import TracebackType
from typing import Any, Final

import pybreaker

from arbiter.clock import SystemClock
from arbiter.events import BreakerChanged
from arbiter.protocols import Clock, EventSink
from arbiter.resilience.backoff import open_interval_s
from arbiter.resilience.listeners import Audience
from arbiter.resilience.outcome import Rules
from arbiter.resilience.settings import Policy
from arbiter.resilience.states import (
    CLOSED,
    DISABLED,
    FORCED_OPEN,
    HALF_OPEN,
    OPEN,
    BreakerStatus,
    DisabledState,
    ForcedOpenState,
    check_transition,
)

__all__ = ["Circuit"]

_OWN_STATES: Final = {FORCED_OPEN: ForcedOpenState, DISABLED: DisabledState}


class Circuit(pybreaker.CircuitBreaker):
    """The state of one circuit.

    Attributes:
        era: grows with every transition; read it before `quiet`.
        quiet: closed (or disabled) with nothing counted: a success has nothing to report, so the fast path skips it.
        policy: thresholds, intervals and permits in force.
        last_failure: what the last counted failure raised; None once it no longer matters.
        rejected: calls not let through.
        transitions: changes of state.

    Args:
        name: the operation's name.
        policy: thresholds, intervals and permits.
        clock: monotonic time is read from it.
        events: takes `BreakerChanged` and `CallRejected`.
        rng: draws the jitter; seed it for a repeatable sequence.
        rules: what counts as a failure.
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
        listeners: Sequence[pybreaker.CircuitBreakerListener] = (),
    ) -> None:
        self.era = 0
        self.quiet = False
        self.policy = policy or Policy()
        self.last_failure: BaseException | None = None
        self.rejected = 0
        self.transitions = 0
        self._clock, self._events = clock or SystemClock(), events
        self._rules = rules or Rules()
        self._rng = rng or Random()  # noqa: S311  jitter, not a secret
        self._permits_in_use = 0
        self._attempt = 0
        self._spread = 0.0
        self._since = 0.0
        self._shut_until = -math.inf
        self._lets_all_through = False
        self._muted = False
        self._audience = Audience()
        self._critical = _Critical(self)
        super().__init__(
            fail_max=self.policy.failure_threshold,
            reset_timeout=self.policy.open_interval_s,
            success_threshold=self.policy.success_threshold,
            name=name,
            throw_new_error_on_trip=False,
        )
        self.add_listeners(*listeners)
        self._settle()

    # Steering.

    def open(self) -> bool:
        """Open the circuit for its interval; opening an open one changes nothing. Returns False (pybreaker's)."""
        with self._critical:
            if self._state.name != OPEN:
                self._attempt = self._attempt + 1 if self._state.name == HALF_OPEN else 0
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
                self._attempt, self.last_failure = 0, None
                self._state_storage.reset_success_counter()
                self._enter(CLOSED)

    def reset(self) -> None:
        """Close, forget all counts, and ignore what is in flight."""
        with self._critical:
            self.close()
            self._attempt, self.last_failure = 0, None
            self._state_storage.reset_counter()
            self.era += 1
            self._settle()

    def force_open(self) -> None:
        """Reject every call until `close()` or `reset()`."""
        self._hold(FORCED_OPEN)

    def disable(self) -> None:
        """Let every call through and count nothing until `close()` or `reset()`."""
        self._hold(DISABLED)

    def configure(self, policy: Policy) -> None:
        """Take new settings and keep state and counts; an open circuit's time left is worked out anew."""
        with self._critical:
            if self.policy.enabled and not policy.enabled:
                self.reset()
            self.policy = policy
            self.fail_max, self.success_threshold = policy.failure_threshold, policy.success_threshold
            self._settle()

    # What there is to see.

    @property
    def reset_timeout(self) -> float:
        """The present open interval in seconds, back-off and jitter included."""
        return open_interval_s(self.policy, self._attempt, self._spread)

    @reset_timeout.setter
    def reset_timeout(self, timeout: float) -> None:
        """Set the first interval, in seconds; back-off and jitter apply to it."""
        self.configure(replace(self.policy, open_interval_s=timeout))

    @property
    def retry_after_s(self) -> float | None:
        """Seconds until an open circuit lets a trial through, 0 when it would now; None in other states."""
        if self._state.name != OPEN:
            return None
        return max(0.0, self._since + self.reset_timeout - self._clock.monotonic())

    @property
    def permits_in_use(self) -> int:
        """Trials of the present half-open period that have not ended."""
        return self._permits_in_use

    def status(self) -> BreakerStatus:
        """How the breaker stands, in one consistent look."""
        with self._critical:
            return BreakerStatus(
                name=self._name or "",
                state=self._state.name,
                enabled=self.policy.enabled,
                failure_count=self.fail_counter,
                failure_threshold=self.fail_max,
                success_count=self.success_counter,
                success_threshold=self.success_threshold,
                permits_in_use=self._permits_in_use,
                permits=self.policy.half_open_permits,
                open_interval_s=self.reset_timeout,
                retry_after_s=self.retry_after_s,
                rejected=self.rejected,
                transitions=self.transitions,
                last_failure="" if self.last_failure is None else type(self.last_failure).__name__,
            )

    # pybreaker's machinery, with our listeners, states and time.

    @property
    def listeners(self) -> tuple[Any, ...]:
        """The registered listeners; none while pybreaker's states look, since we deliver after the lock."""
        return () if self._muted else tuple(self._audience.members)

    def add_listener(self, listener: Any) -> None:
        """Register a pybreaker listener."""
        with self._critical:
            self._audience.add(listener)
            self._settle()

    def remove_listener(self, listener: Any) -> None:
        """Unregister a listener."""
        with self._critical:
            self._audience.remove(listener)
            self._settle()

    def is_system_error(self, exception: BaseException) -> bool:
        """Whether pybreaker's exclusions leave `exception` a failure; types with a metaclass are types too."""
        return not self._excluded_exceptions or not any(
            isinstance(exception, rule) if isinstance(rule, type) else rule(exception)
            for rule in self._excluded_exceptions
        )

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
        if new_state == OPEN:
            self._spread = self._rng.uniform(-1, 1)
            self._state_storage.opened_at = self._clock.now()
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

    def _hold(self, name: str) -> None:
        with self._critical:
            if self._state.name != name:
                self._enter(name)

    def _settle(self) -> None:
        """Work out what the fast paths read without the lock."""
        state = self._state.name
        silent = not self.fail_counter and not self._audience.hears_calls
        self._lets_all_through = state in (CLOSED, DISABLED)
        self.quiet = state == DISABLED or (state == CLOSED and silent)
        self._shut_until = math.inf if state == FORCED_OPEN else -math.inf
        if state == OPEN:
            self._shut_until = self._since + self.reset_timeout

    def _announce(self, old: pybreaker.CircuitBreakerState, new: pybreaker.CircuitBreakerState) -> None:
        if self._events is not None:
            cause = self.last_failure if new.name == OPEN else None
            event = BreakerChanged(self._name or "", old.name, new.name, cause)
            self._audience.later(partial(self._events.publish, event))
        self._audience.tell(lambda listener: listener.state_change(self, old, new))


class _Critical:
    """The circuit's lock; whoever leaves it last delivers what happened inside."""

    __slots__ = ("_circuit", "_depth")

    def __init__(self, circuit: Circuit) -> None:
        self._circuit, self._depth = circuit, 0

    def __enter__(self) -> None:
        self._circuit._lock.acquire()
        self._depth += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        is_outermost = not self._depth
        self._circuit._lock.release()
        if is_outermost:
            self._circuit._audience.deliver()
