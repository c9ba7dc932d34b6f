"""What users of pybreaker know of a circuit: its state and numbers to read and to set, its listeners and exclusions."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from arbiter.resilience.machine import Machine
from arbiter.resilience.states import CLOSED, DISABLED, FORCED_OPEN, HALF_OPEN, OBSERVED, OPEN, BreakerStatus

__all__ = ["Circuit"]


class Circuit(Machine):
    """One circuit, as pybreaker shows one. See `Machine` for attributes and arguments."""

    @property
    def state(self) -> Any:
        """The present state, as pybreaker's object; `current_state` is its name."""
        self._look()
        return self._state

    @state.setter
    def state(self, state_str: str) -> None:
        """Enter the state of that name, as the method does that leads there; ValueError where there is none."""
        ways = {
            CLOSED: self.close,
            OPEN: self.open,
            HALF_OPEN: self.half_open,
            FORCED_OPEN: self.force_open,
            DISABLED: self.disable,
            OBSERVED: self.observe,
        }
        if state_str not in ways:
            raise ValueError(f"{state_str!r} is no state of a circuit: it is one of {', '.join(ways)}")
        ways[state_str]()

    @property
    def current_state(self) -> str:
        """The state's name; with `auto_half_open`, an interval that is over has ended the open state."""
        if self.policy.auto_half_open and self._shut_until > -math.inf:
            self._look()
        return self._state_storage.state

    @property
    def fail_counter(self) -> int:
        """Consecutive failures, or those in the window where the policy has one."""
        return self._state_storage.counter if self._window is None else self._window.failures

    @property
    def fail_max(self) -> int:
        """Consecutive failures that open the circuit."""
        return self._fail_max

    @fail_max.setter
    def fail_max(self, number: int) -> None:
        """Set the threshold; PolicyInvalid unless it is at least 1."""
        self.configure(replace(self.policy, failure_threshold=number))

    @property
    def success_threshold(self) -> int:
        """Successful trials that close a half-open circuit."""
        return self._success_threshold

    @success_threshold.setter
    def success_threshold(self, threshold: int) -> None:
        """Set the threshold; PolicyInvalid unless it is at least 1."""
        self.configure(replace(self.policy, success_threshold=threshold))

    @property
    def reset_timeout(self) -> float:
        """The present open interval in seconds, as `OpenInterval` makes it."""
        return self._interval.seconds(self.policy)

    @reset_timeout.setter
    def reset_timeout(self, timeout: float) -> None:
        """Set the first interval, in seconds; back-off and jitter apply to it."""
        self.configure(replace(self.policy, open_interval_s=timeout))

    @property
    def permits_in_use(self) -> int:
        """Trials of the present half-open period that have not ended."""
        return self._permits_in_use

    def status(self) -> BreakerStatus:
        """How the breaker stands, in one consistent look."""
        self._look()
        with self._critical:
            window, policy = self._window, self.policy
            if window is not None:
                window.look(self._clock.monotonic())
            return BreakerStatus(
                name=self._name or "",
                state=self._state.name,
                enabled=policy.enabled,
                failure_count=self.fail_counter,
                failure_threshold=self.fail_max,
                success_count=self.success_counter,
                success_threshold=self.success_threshold,
                permits_in_use=self._permits_in_use,
                permits=policy.half_open_permits,
                open_interval_s=self.reset_timeout,
                retry_after_s=self.retry_after_s,
                rejected=self.rejected,
                transitions=self.transitions,
                last_failure="" if self.last_failure is None else type(self.last_failure).__name__,
                window=policy.window,
                window_calls=0 if window is None else window.calls,
                failure_rate_percent=None if window is None else window.failure_rate_percent(policy),
                slow_rate_percent=None if window is None else window.slow_rate_percent(policy),
                would_open=self.would_open,
            )

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
