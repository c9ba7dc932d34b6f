"""The states of a circuit, the ways between them, and what a circuit says: its rejection and its status."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pybreaker

from arbiter.errors import ArbiterError, Rejected

__all__ = [
    "CLOSED",
    "DISABLED",
    "FORCED_OPEN",
    "HALF_OPEN",
    "OBSERVED",
    "OPEN",
    "STATES",
    "BreakerStatus",
    "CircuitOpen",
    "DisabledState",
    "ForcedOpenState",
    "ObservedState",
    "TransitionRefused",
    "UnwantedResult",
    "check_transition",
]

CLOSED: Final = pybreaker.STATE_CLOSED
OPEN: Final = pybreaker.STATE_OPEN
HALF_OPEN: Final = pybreaker.STATE_HALF_OPEN
FORCED_OPEN: Final = "forced-open"
DISABLED: Final = "disabled"
OBSERVED: Final = "observe-only"
STATES: Final = (CLOSED, OPEN, HALF_OPEN, FORCED_OPEN, DISABLED, OBSERVED)

_BY_HAND: Final = {FORCED_OPEN, DISABLED, OBSERVED}
_WAYS: Final = {
    CLOSED: {OPEN, *_BY_HAND},
    OPEN: {HALF_OPEN, CLOSED, *_BY_HAND},
    HALF_OPEN: {OPEN, CLOSED, *_BY_HAND},
    FORCED_OPEN: {CLOSED},
    DISABLED: {CLOSED},
    OBSERVED: {CLOSED},
}


class CircuitOpen(Rejected, pybreaker.CircuitBreakerError):
    """The breaker did not let the call through; `except pybreaker.CircuitBreakerError` catches it too.

    Attributes:
        name: the operation's name.
        state: "open", "half-open" (all permits are taken) or "forced-open".
        retry_after_s: seconds until a trial may be made; None while nobody can know.
        last_failure: what the last counted failure raised.
    """

    name: str
    state: str
    last_failure: BaseException | None

    # BaseException keeps the arguments, and the fields are read from there: a rejection must cost next to nothing, and
    # an __init__ of Python's is a third of it. The arguments make it picklable as well.
    if TYPE_CHECKING:

        def __init__(
            self,
            name: str,
            state: str,
            retry_after_s: float | None = None,
            last_failure: BaseException | None = None,
        ) -> None: ...
    else:
        __init__ = Exception.__init__
        operation = name = property(lambda self: self.args[0], doc="The operation's name.")
        state = property(lambda self: self.args[1], doc="The circuit's state.")
        retry_after_s = property(
            lambda self: (*self.args[2:3], None)[0], doc="Seconds until a trial, or None."
        )
        last_failure = property(lambda self: (*self.args[3:4], None)[0], doc="The last counted failure.")

    def __reduce__(self) -> tuple[Any, ...]:
        return CircuitOpen, (self.name, self.state, self.retry_after_s, _portable(self.last_failure))

    @property
    def message(self) -> str:
        """Which circuit, its state and the last failure; formatted when read."""
        cause = f"; last failure: {type(self.last_failure).__name__}" if self.last_failure is not None else ""
        return f"{self.name} was rejected: its circuit is {self.state}{cause}"

    @property
    def hint(self) -> str:
        """When to try again, or who can close the circuit."""
        if self.state == FORCED_OPEN:
            return "an operator opened this circuit; close or reset it to let calls through"
        if self.retry_after_s is None:
            return "trial calls are under way; try again when they have ended"
        return f"try again in {self.retry_after_s:.3g} s"


def _portable(error: BaseException | None) -> BaseException | None:
    """`error` if it survives pickling, as not every library's does; a rejection must arrive in any case."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  our own bytes
    except Exception:  # noqa: BLE001  whatever its __reduce__ or its constructor raises
        return None
    return error


class UnwantedResult(ArbiterError):
    """What stands for a failure where a call returned a result that its operation declares a failure.

    No caller ever gets it: it is the `last_failure` of a circuit, and the cause of its rejections.
    """

    def __init__(self, name: str, result: object) -> None:
        super().__init__(f"{name} returned a result that counts as a failure: a {type(result).__name__}")
        self.name = name
        self.result = self.response = result

    @property
    def retry_after_s(self) -> float | None:
        """What the result says about when to come back, in seconds."""
        seconds: float | None = getattr(self.result, "retry_after_s", None)
        return seconds


class TransitionRefused(ArbiterError, RuntimeError):
    """A circuit cannot go from one state to the other."""

    def __init__(self, name: str, old: str, new: str) -> None:
        super().__init__(f"{name}: a circuit cannot go from {old} to {new}", hint="close it first")
        self.name, self.old, self.new = name, old, new


@dataclass(frozen=True, slots=True)
class BreakerStatus:
    """How one breaker stands; `last_failure` is the type's name, since a message may hold secrets.

    Of a circuit that counts consecutive failures, `window` is "consecutive" and both rates are None; else
    `failure_count` counts in the window, and a rate is None while the window holds too few calls to say.
    `would_open` is how often an observed circuit would have opened.
    """

    name: str
    state: str
    enabled: bool
    failure_count: int
    failure_threshold: int
    success_count: int
    success_threshold: int
    permits_in_use: int
    permits: int
    open_interval_s: float
    retry_after_s: float | None
    rejected: int
    transitions: int
    last_failure: str
    window: str
    window_calls: int
    failure_rate_percent: float | None
    slow_rate_percent: float | None
    would_open: int


class ForcedOpenState(pybreaker.CircuitOpenState):
    """Open by hand: no interval ends it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._name = FORCED_OPEN


class DisabledState(pybreaker.CircuitClosedState):
    """Closed for good: nothing is counted."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._name = DISABLED


class ObservedState(pybreaker.CircuitClosedState):
    """Closed for good, and counting: it is told what would have opened the circuit."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._name = OBSERVED


def check_transition(name: str, old: str, new: str) -> None:
    """Raise `TransitionRefused` unless a circuit may go from `old` to `new`."""
    if new not in _WAYS[old]:
        raise TransitionRefused(name, old, new)
