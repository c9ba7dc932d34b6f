"""The circuit breaker, driven in two phases, so that no lock is held over the guarded call.

`admit()` answers with an era or raises `CircuitOpen`; after the call, `succeeded(era)`, `failed(era, error)` or
`released(era)` gives the verdict. Every transition starts a new era, and a verdict of an older one changes nothing.
Counting and thresholds are pybreaker's (`_handle_success`, `_handle_error` of its states); permits are ours.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator
from inspect import iscoroutinefunction
from typing import Any, Final, TypeVar

from arbiter.events import CallRejected
from arbiter.resilience import trials
from arbiter.resilience.circuit import Circuit
from arbiter.resilience.outcome import ANSWER, FAILURE, TIMEOUT, Outcome
from arbiter.resilience.states import CLOSED, FORCED_OPEN, HALF_OPEN, OPEN, CircuitOpen

__all__ = ["CircuitBreaker"]

T = TypeVar("T")

_PASSED_THROUGH: Final = -1
"""The era of a call made inside a trial of the same breaker: it takes no permit and gives no verdict."""


class CircuitBreaker(Circuit):
    """One operation's breaker. Safe for tasks, threads and several loops; see `Circuit` for its arguments."""

    def admit(self) -> int:
        """Let a call through and return the era that its verdict must name, or raise `CircuitOpen`."""
        era = self.era  # before the flag: a verdict of an older era is harmless
        if self._lets_all_through:
            return era
        if self._clock.monotonic() < self._shut_until:
            raise self._rejection() from self.last_failure
        with self._critical:
            admitted = self._decide()
        if admitted is None:
            raise self._rejection() from self.last_failure
        return admitted

    def succeeded(self, era: int) -> None:
        """The call admitted in `era` was answered."""
        with self._critical:
            if self._concerns(era):
                self.last_failure = None
                self._muted = True
                self._state._handle_success()
                self._muted = False
                self._audience.tell(lambda listener: listener.success(self))
                self.quiet = self._lets_all_through and not self._audience.hears_calls

    def failed(self, era: int, error: BaseException) -> None:
        """The call admitted in `era` failed with `error`."""
        with self._critical:
            if self._concerns(era):
                self.last_failure = error
                self._audience.tell(lambda listener: listener.failure(self, error))
                self._count(error)
                self.quiet = False

    def released(self, era: int) -> None:
        """The call admitted in `era` ended in a way that says nothing: its permit is given back."""
        with self._critical:
            self._concerns(era)

    dismissed = released

    def raised(self, era: int, error: BaseException) -> None:
        """The call admitted in `era` raised `error`: the rules say what that means."""
        self.judge(era, error, self._rules.outcome_of(error))

    def judge(self, era: int, error: BaseException, outcome: Outcome) -> None:
        """Give the verdict that fits `outcome` to a call that raised `error`."""
        if outcome is FAILURE or outcome is TIMEOUT:
            self.failed(era, error)
        elif outcome is ANSWER:
            self.succeeded(era)
        else:
            self.released(era)

    # pybreaker's own ways in, driven in the same two phases.

    def call(self, func: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call `func` guarded; for a coroutine function, `acall` it."""
        if iscoroutinefunction(func):
            raise TypeError(f"{func!r} is a coroutine function: await acall(...) instead of call(...)")
        self._audience.tell(lambda listener: listener.before_call(self, func, *args, **kwargs))
        with self.calling():
            return func(*args, **kwargs)

    async def acall(self, func: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> T:
        """Await `func(...)` guarded."""
        self._audience.tell(lambda listener: listener.before_call(self, func, *args, **kwargs))
        with self.calling():
            return await func(*args, **kwargs)

    @contextlib.contextmanager
    def calling(self) -> Iterator[None]:
        """Guard the body of a `with` statement."""
        era = self.admit()
        try:
            yield
        except BaseException as error:
            self.raised(era, error)
            raise
        self.succeeded(era)

    def _rejection(self) -> CircuitOpen:
        self.rejected += 1
        name, state = self._name or "", self._state.name
        if self._events is not None:
            self._events.publish(CallRejected(name, state))
        return CircuitOpen(name, state, self.retry_after_s, self.last_failure)

    def _decide(self) -> int | None:
        """The era of a call that may be made, or None; under the lock, since the flags may be out of date."""
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
        age = self._clock.monotonic() - self._since
        return self._permits_in_use > 0 and age >= self.policy.half_open_max_age_s

    def _take_permit(self) -> int | None:
        if self._permits_in_use >= self.policy.half_open_permits:
            return None
        self._permits_in_use += 1
        trials.mark(self, self.era)
        return self.era

    def _concerns(self, era: int) -> bool:
        """Whether a verdict of `era` counts; a trial's permit is given back."""
        if era == _PASSED_THROUGH:
            return False
        trials.unmark(self)
        state = self._state.name
        if era != self.era or state not in (CLOSED, HALF_OPEN):
            return False
        if state == HALF_OPEN:
            self._permits_in_use -= 1
        return True

    def _count(self, error: BaseException) -> None:
        traceback = error.__traceback__
        self._muted = True
        try:
            self._state._handle_error(error, reraise=False)
        except BaseException as raised:  # pybreaker raises the error itself when it trips
            if raised is not error:
                raise
        finally:
            self._muted = False
            error.__traceback__ = traceback
