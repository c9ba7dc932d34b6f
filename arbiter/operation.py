"""`@operation`: metadata on a component's method. Components need nothing else of the framework.

Every public method of a guarded component is an operation; the decorator is for saying more, or for saying no.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, overload

__all__ = ["FallbackTo", "Operation", "Value", "operation", "operation_of"]

F = TypeVar("F", bound=Callable[..., Any])

_ATTRIBUTE = "__arbiter_operation__"


@dataclass(frozen=True, slots=True)
class Value:
    """A fallback that is always the same answer. Every caller gets this very object: let it be an immutable one."""

    value: object


FallbackTo = str | Callable[..., Any] | Value
"""What may answer in an operation's place; see `Operation.fallback`."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What a method says about itself to whoever guards it.

    Attributes:
        name: the operation's last part; the method's own name when empty.
        guarded: False leaves the method as it is: no breaker, no deadline, no span.
        fallback: what answers instead when the call is rejected, exceeds its deadline or fails; several form a chain,
            each asked when the one before it failed. A name is a method of the same component, a dotted name
            (`"backup.charge"`) a method of a component that it holds, a function gets the component as its first
            argument, a `Value` is the answer itself. All get the method's arguments; one that has a parameter `errors`
            also gets what failed so far, a tuple, oldest first.
        idempotent: calling it twice does no more than calling it once, so a failed call may be retried.
        span_attributes: names of parameters whose values (str, int, float, bool) go onto the span.
    """

    name: str = ""
    guarded: bool = True
    fallback: tuple[FallbackTo, ...] = ()
    idempotent: bool = False
    span_attributes: tuple[str, ...] = ()


@overload
def operation(method: F, /) -> F: ...
@overload
def operation(
    *,
    name: str = "",
    guarded: bool = True,
    fallback: FallbackTo | tuple[FallbackTo, ...] = (),
    idempotent: bool = False,
    span_attributes: tuple[str, ...] = (),
) -> Callable[[F], F]: ...
def operation(
    method: F | None = None,
    /,
    *,
    name: str = "",
    guarded: bool = True,
    fallback: FallbackTo | tuple[FallbackTo, ...] = (),
    idempotent: bool = False,
    span_attributes: tuple[str, ...] = (),
) -> F | Callable[[F], F]:
    """Mark a component's method; see `Operation` for the arguments. The method itself is returned unchanged."""
    metadata = Operation(
        name=name,
        guarded=guarded,
        fallback=fallback if isinstance(fallback, tuple) else (fallback,),
        idempotent=idempotent,
        span_attributes=span_attributes,
    )

    def mark(function: F) -> F:
        setattr(function, _ATTRIBUTE, metadata)
        return function

    return mark if method is None else mark(method)


def operation_of(method: object) -> Operation:
    """The metadata of `method`; the defaults where it was never marked."""
    found = getattr(method, _ATTRIBUTE, None)
    return found if isinstance(found, Operation) else Operation()
