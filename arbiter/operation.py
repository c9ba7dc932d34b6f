"""`@operation`: metadata on a component's method. Components need nothing else of the framework.

Every public method of a guarded component is an operation; the decorator is for saying more, or for saying no.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, overload

__all__ = ["Operation", "operation", "operation_of"]

F = TypeVar("F", bound=Callable[..., Any])

_ATTRIBUTE = "__arbiter_operation__"


@dataclass(frozen=True, slots=True)
class Operation:
    """What a method says about itself to whoever guards it.

    Attributes:
        name: the operation's last part; the method's own name when empty.
        guarded: False leaves the method as it is: no breaker, no deadline, no span.
        fallback: the name of a method of the same component that answers instead, when the call is rejected,
            exceeds its deadline or fails. It gets the same arguments.
        span_attributes: names of parameters whose values (str, int, float, bool) go onto the span.
    """

    name: str = ""
    guarded: bool = True
    fallback: str = ""
    span_attributes: tuple[str, ...] = ()


@overload
def operation(method: F, /) -> F: ...
@overload
def operation(
    *, name: str = "", guarded: bool = True, fallback: str = "", span_attributes: tuple[str, ...] = ()
) -> Callable[[F], F]: ...
def operation(
    method: F | None = None,
    /,
    *,
    name: str = "",
    guarded: bool = True,
    fallback: str = "",
    span_attributes: tuple[str, ...] = (),
) -> F | Callable[[F], F]:
    """Mark a component's method; see `Operation` for the arguments. The method itself is returned unchanged."""
    metadata = Operation(name=name, guarded=guarded, fallback=fallback, span_attributes=span_attributes)

    def mark(function: F) -> F:
        setattr(function, _ATTRIBUTE, metadata)
        return function

    return mark if method is None else mark(method)


def operation_of(method: Callable[..., Any]) -> Operation:
    """The metadata of `method`; the defaults where it was never marked."""
    found = getattr(method, _ATTRIBUTE, None)
    return found if isinstance(found, Operation) else Operation()
