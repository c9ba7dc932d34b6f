"""`@operation`: metadata on a component's method. Components need nothing else of the framework.

Every public method of a guarded component is an operation; the decorator is for saying more, or for saying no.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

__all__ = ["FallbackTo", "Operation", "Value", "blocking_of", "offloaded", "operation", "operation_of"]

F = TypeVar("F", bound=Callable[..., Any])
P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")

_ATTRIBUTE = "__arbiter_operation__"
_OFFLOADED = "__arbiter_offloaded__"


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
        fails_if: says of a result whether it is a failure, such as a response with status 503; its caller gets it.
        ignore: error types that say nothing about the health of what was called; more of them than the guard knows.
        answers: error types that are answers, and so successes; more of them than the guard knows.
        record: error types that are failures, in place of the guard's, which are all; others are then answers.
        open_interval_s: gives the seconds that the circuit stays open for the attempt, 0 for the first since it was
            closed, in place of the settings' back-off; the settings' longest interval holds.
    """

    name: str = ""
    guarded: bool = True
    fallback: tuple[FallbackTo, ...] = ()
    idempotent: bool = False
    span_attributes: tuple[str, ...] = ()
    fails_if: Callable[[Any], bool] | None = None
    ignore: tuple[type[BaseException], ...] = ()
    answers: tuple[type[BaseException], ...] = ()
    record: tuple[type[BaseException], ...] = ()
    open_interval_s: Callable[[int], float] | None = None


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
    fails_if: Callable[[Any], bool] | None = None,
    ignore: tuple[type[BaseException], ...] = (),
    answers: tuple[type[BaseException], ...] = (),
    record: tuple[type[BaseException], ...] = (),
    open_interval_s: Callable[[int], float] | None = None,
) -> Callable[[F], F]: ...
def operation(  # noqa: PLR0913  each is one thing to say
    method: F | None = None,
    /,
    *,
    name: str = "",
    guarded: bool = True,
    fallback: FallbackTo | tuple[FallbackTo, ...] = (),
    idempotent: bool = False,
    span_attributes: tuple[str, ...] = (),
    fails_if: Callable[[Any], bool] | None = None,
    ignore: tuple[type[BaseException], ...] = (),
    answers: tuple[type[BaseException], ...] = (),
    record: tuple[type[BaseException], ...] = (),
    open_interval_s: Callable[[int], float] | None = None,
) -> F | Callable[[F], F]:
    """Mark a component's method; see `Operation` for the arguments. The method itself is returned unchanged."""
    metadata = Operation(
        name=name,
        guarded=guarded,
        fallback=fallback if isinstance(fallback, tuple) else (fallback,),
        idempotent=idempotent,
        span_attributes=span_attributes,
        fails_if=fails_if,
        ignore=ignore,
        answers=answers,
        record=record,
        open_interval_s=open_interval_s,
    )

    def mark(function: F) -> F:
        setattr(function, _ATTRIBUTE, metadata)
        return function

    return mark if method is None else mark(method)


def offloaded(
    method: Callable[Concatenate[S, P], T],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
    """Make of a method that blocks one that is awaited: it runs on a thread, with its caller's context variables.

    Behind a guard that is one of its component's own threads, of which there are `resilience.offload_threads`: a call
    that finds none free is rejected as saturated, and one that exceeds its deadline is left behind on its thread.
    Without a guard it is one of the loop's. Goes below `@operation`, where both are used.
    """

    @functools.wraps(method)
    async def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call it on a thread, and wait."""
        import asyncio  # noqa: PLC0415  whoever awaits has it; a command line that needs none starts sooner

        return await asyncio.to_thread(method, self, *args, **kwargs)

    setattr(run, _OFFLOADED, method)
    return run


def blocking_of(method: Callable[..., Any]) -> Callable[..., Any] | None:
    """The method that `@offloaded` was put on, of the one it made; None of any other."""
    found: Callable[..., Any] | None = getattr(method, _OFFLOADED, None)
    return found


def operation_of(method: object) -> Operation:
    """The metadata of `method`; the defaults where it was never marked."""
    found = getattr(method, _ATTRIBUTE, None)
    return found if isinstance(found, Operation) else Operation()
