"""The circuit breaker, driven in two phases, so that no lock is held over the guarded call.

`admit()` answers with an era or raises `CircuitOpen`; after the call, `succeeded(era)`, `failed(era, error)` or
`released(era)` gives the verdict. Every transition starts a new era, and a verdict of an older one changes nothing.
Counters and thresholds are pybreaker's (its storage, `fail_max`, `success_threshold`); permits and windows are ours.
"""

from __future__ import annotations

from math import inf
from typing import Any, Final, TypeVar

from arbiter.events import CallRejected
from arbiter.resilience import trials
from arbiter.resilience.outcome import ANSWER, FAILURE, TIMEOUT, Outcome
from arbiter.resilience.states import (
    CLOSED,
    FORCED_OPEN,
    HALF_OPEN,
    OBSERVED,
    OPEN,
    CircuitOpen,
    UnwantedResult,
)
from arbiter.resilience.ways import WaysIn
from arbiter.resilience.window import Window

__all__ = ["CircuitBreaker"]

T = TypeVar("T")

_PASSED_THROUGH: Final = -1
"""The era of a call made inside a trial of the same breaker: it takes no permit and gives no verdict."""


_COUNTING: Final = frozenset({CLOSED, HALF_OPEN, OBSERVED})


class CircuitBreaker(WaysIn):
    """One operation's breaker. Safe for tasks, threads and several loops; see `Machine` for its arguments."""

    def admit(self) -> int:
        """Let a call through and return the era that its verdict must name, or raise `CircuitOpen`."""
        now = self._clock.monotonic()
        era = self.ask(now)
        if era is None:
            raise self.refused(now) from self.last_failure
        return era

    def ask(self, now: float) -> int | None:
        """As `admit`, at that monotonic time; None says that the call is to be refused, by `raise refused(now)`."""
        era = self.era  # before the flag: a verdict of an older era is harmless
        if self._lets_all_through:
            return era
        if now < self._shut_until:
            return None
        with self._critical:
            return self._decide()

    # Never held in a variable where it is raised: frame and error would hold each other, and wait for the collector,
    # which doubles what a rejection costs.
    def refused(self, now: float) -> CircuitOpen:
        """Count a call that is not let through at `now`, and make the error that says so."""
        self.rejected += 1
        name, state, left_s = self._name or "", self._state._name, self._shut_until - now
        if self._events is not None:
            self._events.publish(CallRejected(name, state))
        return CircuitOpen(name, state, left_s if 0 <= left_s < inf else None, self.last_failure)

    def succeeded(self, era: int, seconds: float = 0.0) -> None:
        """The call admitted in `era` was answered after so many seconds."""
        with self._critical:
            if self._concerns(era):
                self._count_success(is_slow=self._is_slow(seconds))

    def failed(self, era: int, error: BaseException, seconds: float = 0.0) -> None:
        """The call admitted in `era` failed with `error` after so many seconds."""
        if self._plain:
            # The frequent case, with nobody to tell: a failure of a closed circuit that does not open it.
            with self._lock:
                storage: Any = self._state_storage
                is_simple = self._plain and era == self.era and not self._excluded_exceptions
                if is_simple and storage._fail_counter + 1 < self._fail_max:
                    storage._fail_counter += 1
                    self.last_failure = error
                    self.quiet = False
                    return
        with self._critical:
            if self._concerns(era):
                self._count_failure(error, is_slow=self._is_slow(seconds))

    def unwanted(self, era: int, result: object, seconds: float = 0.0) -> None:
        """The call admitted in `era` returned what its operation declares a failure."""
        self.failed(era, UnwantedResult(self._name or "", result), seconds)

    def released(self, era: int) -> None:
        """The call admitted in `era` ended in a way that says nothing: its permit is given back."""
        with self._critical:
            self._concerns(era)

    dismissed = released

    def raised(self, era: int, error: BaseException) -> None:
        """The call admitted in `era` raised `error`: the rules say what that means."""
        self.judge(era, error, self._rules.outcome_of(error))

    def judge(self, era: int, error: BaseException, outcome: Outcome, seconds: float = 0.0) -> None:
        """Give the verdict that fits `outcome` to a call that raised `error`."""
        if outcome is FAILURE or outcome is TIMEOUT:
            self.failed(era, error, seconds)
        elif outcome is ANSWER:
            self.succeeded(era, seconds)
        else:
            self.released(era)

    # Under the lock.

    def _decide(self) -> int | None:
        """The era of a call that may be made, or None; the flags that were read without the lock may be out of date."""
        state = self._state.name
        if self._lets_all_through:
            return self.era
        if state == FORCED_OPEN or self.retry_after_s:
            return None
        if trials.is_inside(self, self.era):
            return _PASSED_THROUGH
        if state == OPEN:
            self.half_open()
        elif self._is_stuck():
            self.open()
            return None
        return self._take_permit()

    def _is_stuck(self) -> bool:
        age = self._clock.monotonic() - self._trials_since
        return self._permits_in_use > 0 and age >= self.policy.half_open_max_age_s

    def _take_permit(self) -> int | None:
        if self._permits_in_use >= self.policy.half_open_permits:
            return None
        if not self._permits_in_use:
            self._trials_since = self._clock.monotonic()
        self._permits_in_use += 1
        trials.mark(self, self.era)
        return self.era

    def _concerns(self, era: int) -> bool:
        """Whether a verdict of `era` counts; a trial's permit is given back."""
        if era == _PASSED_THROUGH:
            return False
        trials.unmark(self)
        state = self._state.name
        if era != self.era or state not in _COUNTING:
            return False
        if state == HALF_OPEN:
            self._permits_in_use -= 1
        return True

    def _is_slow(self, seconds: float) -> bool:
        limit = self.policy.slow_call_s
        return self._window is not None and limit is not None and seconds > limit

    def _count_success(self, *, is_slow: bool) -> None:
        if self._state.name == HALF_OPEN:
            self._count_trial(is_slow=is_slow)
        elif self._window is not None:
            self._count_in_window(self._window, failed=False, slow=is_slow)
        else:
            self.last_failure = None
            self._exceeds = False
            self._state_storage.reset_counter()
        self._settle()
        self._audience.tell(lambda listener: listener.success(self))

    def _count_trial(self, *, is_slow: bool) -> None:
        """A trial was answered: enough of them close the circuit, a slow one opens it again."""
        storage = self._state_storage
        if is_slow:
            self.open()
            return
        self.last_failure = None
        storage.reset_counter()
        storage.increment_success_counter()
        if storage.success_counter >= self._success_threshold:
            self.close()

    def _count_failure(self, error: BaseException, *, is_slow: bool) -> None:
        if not self.is_system_error(error):  # pybreaker's exclusions: an excluded error is a success
            self._count_success(is_slow=is_slow)
            return
        self.last_failure = error
        self._audience.tell(lambda listener: listener.failure(self, error))
        if self._state.name == HALF_OPEN:
            self._state_storage.increment_counter()
            self.open()
        elif self._window is not None:
            self._count_in_window(self._window, failed=True, slow=is_slow)
        else:
            self._state_storage.increment_counter()
            self._weigh(exceeds=self._state_storage.counter >= self._fail_max)
        self._settle()

    def _count_in_window(self, window: Window, *, failed: bool, slow: bool) -> None:
        window.add(self._clock.monotonic(), failed=failed, slow=slow)
        self._weigh(exceeds=window.exceeds(self.policy))

    def _weigh(self, *, exceeds: bool) -> None:
        """Open, or tell once that an observed circuit would have opened."""
        if exceeds and self._state.name == CLOSED:
            self.open()
        elif exceeds and not self._exceeds:
            self._exceeds = True
            self.would_open += 1
            self._announce_excess()
        elif not exceeds:
            self._exceeds = False
