"""The errors of ARBITER, for people: what happened, where, and the mend.

    ArbiterError                           anything that this framework raises on purpose
    +-- ConfigurationError                 settings cannot be used (exit code 78)
    |   +-- SettingsInvalid                one report of everything that is wrong with them (settings/)
    |   +-- EnvironmentUnknown             ARBITER_ENV names no known environment (settings/)
    +-- ContainerError                     a container cannot be composed or driven
    |   +-- GraphInvalid                   the report of container.validate() (container/)
    |   +-- CompositionRefused             a class body that the engine would get wrong (container/)
    +-- LifecycleError                     an order, a budget or a state of the lifecycle was broken
    |   +-- LifecycleStateError            not now: the container is stopped, stopping, in another loop
    |   +-- CycleFound                     things need each other in a circle (lifecycle/)
    |   +-- StepFailed                     one provider failed to start or stop, or took too long
    +-- StartError                         the application cannot start: port taken, component failed (exit code 3)
    +-- TransitionRefused                  a circuit breaker cannot go from one state to the other (resilience/)
    +-- Rejected                           a guarded call was not made; nothing was attempted
    |   +-- CircuitOpen                    the breaker is open or half-open and full (resilience/)
    |   +-- Saturated                      the bulkhead is full (resilience/)
    +-- DeadlineExceeded                   a guarded call took longer than its deadline (also a TimeoutError)
    +-- DomainError                        the application's own "no": not found, invalid, full; never a failure
        +-- NotFound                       (also a LookupError)
        |   +-- BreakerUnknown             no circuit breaker has that name (resilience/)
        +-- Conflict
        +-- Invalid                        (also a ValueError)
        +-- Unavailable                    not now; carries retry_after_s

An error keeps its data in fields and makes its words in `message`; `str()` of it ends with a line "Hint: ..."
whenever there is a mend. Leaves marked (settings/) and so on are defined beside the code that raises them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

__all__ = [
    "ArbiterError",
    "ConfigurationError",
    "Conflict",
    "ContainerError",
    "DeadlineExceeded",
    "DomainError",
    "Invalid",
    "LifecycleError",
    "LifecycleStateError",
    "NotFound",
    "Rejected",
    "StartError",
    "StepFailed",
    "Unavailable",
]


class ArbiterError(Exception):
    """What every error of the framework is: a sentence, and a hint where there is a mend."""

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        super().__init__(message)
        self._message = message
        self._hint = hint

    @property
    def message(self) -> str:
        """What happened and where, in one or more sentences, without the hint."""
        return self._message

    @property
    def hint(self) -> str:
        """The mend, or an empty string where none is known."""
        return self._hint

    def __str__(self) -> str:
        return f"{self.message}\nHint: {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # Constructors take fields, not words, so the default way (call the class with args) would not fit them.
        return _restored, (type(self), self.args, self.__dict__)


def _restored(cls: type[ArbiterError], args: tuple[Any, ...], state: Mapping[str, Any]) -> ArbiterError:
    """Unpickle an error of any class of the tree."""
    error = cls.__new__(cls, *args)
    error.__dict__.update(state)
    return error


class ConfigurationError(ArbiterError):
    """The settings cannot be used; the process ends with exit code 78 (EX_CONFIG of sysexits.h)."""


class ContainerError(ArbiterError):
    """A container cannot be composed, checked or driven."""


class LifecycleError(ArbiterError):
    """An order, a budget or a state of the lifecycle was broken."""


class LifecycleStateError(LifecycleError, RuntimeError):
    """The call does not fit the state: after stop, during another loop's life, twice."""


class StepFailed(LifecycleError):
    """One step of the ordered start or stop failed, or did not end within its budget.

    Args:
        name: the provider's dotted name.
        action: "start" or "stop".
        reason: what went wrong, in words; the cause itself is chained as `__cause__`.
    """

    def __init__(self, name: str, action: str, reason: str, *, hint: str = "") -> None:
        super().__init__(f"{name}: {action} failed: {reason}", hint=hint)
        self.name, self.action, self.reason = name, action, reason


class StartError(ArbiterError):
    """The application cannot start: a port is taken, a component failed. Exit code 3."""


class Rejected(ArbiterError):
    """A guarded call was not made: the method was never invoked, so nothing needs to be undone.

    Args:
        operation: the operation's name, `<provider>.<method>`.
        retry_after_s: seconds until a call may succeed, or None when that is not known.
    """

    def __init__(self, operation: str, retry_after_s: float | None = None) -> None:
        super().__init__()
        self.operation, self.retry_after_s = operation, retry_after_s

    @property
    def message(self) -> str:
        """Which operation was rejected; formatted when read, since a rejection must cost next to nothing."""
        return f"{self.operation} was rejected"


class DeadlineExceeded(ArbiterError, TimeoutError):
    """A guarded call took longer than its deadline and was cancelled."""

    def __init__(self, operation: str, timeout_s: float) -> None:
        super().__init__()
        self.operation, self.timeout_s = operation, timeout_s

    @property
    def message(self) -> str:
        """Which operation, and how long it was given."""
        return f"{self.operation} did not finish within {self.timeout_s:g} s"


class DomainError(ArbiterError):
    """The application's own "no". A circuit breaker counts it as an answer, not as a failure.

    `code` names the problem type in the HTTP answer (RFC 9457: `type`); `status` is its HTTP status;
    `field` names the part of the input at fault, where there is one.
    """

    code: ClassVar[str] = "domain-error"
    status: ClassVar[int] = 400

    def __init__(self, message: str = "", *, hint: str = "", field: str = "") -> None:
        super().__init__(message, hint=hint)
        self.field = field


class NotFound(DomainError, LookupError):
    """What was asked for does not exist."""

    code = "not-found"
    status = 404


class Conflict(DomainError):
    """The state of what exists forbids it: already there, full, answered differently before."""

    code = "conflict"
    status = 409


class Invalid(DomainError, ValueError):
    """The input cannot be accepted as it is."""

    code = "invalid"
    status = 422


class Unavailable(DomainError):
    """Not now: try again after `retry_after_s` seconds."""

    code = "unavailable"
    status = 503

    def __init__(self, message: str = "", *, retry_after_s: float, hint: str = "", field: str = "") -> None:
        super().__init__(message, hint=hint, field=field)
        self.retry_after_s = retry_after_s
