"""Guarded results that outlive the call: async generators, and coroutines that a plain method returned.

A generator is one call: admitted at its first item, one verdict at its end, a deadline for each item. It runs in a
context of its own, so that neither its span nor its variables are seen by who consumes it. Closing it early is neutral.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextvars import Context, copy_context
from functools import partial
from typing import Any, Generic, TypeVar

from arbiter.resilience.seam import Seam
from arbiter.resilience.shared.undecided import Undecided

__all__ = ["admitted", "awaited", "stream"]

T = TypeVar("T")


async def admitted(gate: Any) -> Any:
    """Have `gate` admit a call; where only the fleet can, wait for its answer."""
    try:
        return gate.admit()
    except Undecided as undecided:
        return await undecided.admitted(gate)


async def awaited(seam: Seam, coroutine: Coroutine[Any, Any, T]) -> T:
    """Await `coroutine`, which a method that is no coroutine function returned, as a guarded call."""
    gate: Any = seam.gate
    try:
        call = await admitted(gate)
    except BaseException:
        coroutine.close()
        raise
    try:
        result = await coroutine
        failed = seam.fails_if is not None and seam.fails_if(result)
    except BaseException as error:
        gate.raised(call, error)
        raise
    if failed:
        gate.unwanted(call, result)
    else:
        gate.succeeded(call)
    return result


async def stream(seam: Seam, source: AsyncGenerator[Any, Any]) -> AsyncGenerator[Any, Any]:
    """Pass on what `source` yields, and to it what is sent or thrown in."""
    context = copy_context()
    call = await _Inside(context, admitted(seam))
    step = source.__anext__()
    try:
        while True:
            item = await _Inside(context, step)
            seam.pause(call)
            try:
                sent = yield item
            except GeneratorExit:
                seam.proceed(call)
                await _Inside(context, source.aclose())
                raise
            except BaseException as thrown:  # noqa: BLE001  it is the source's to deal with
                seam.proceed(call)
                step = source.athrow(thrown)
            else:
                seam.proceed(call)
                step = source.asend(sent)
    except StopAsyncIteration:
        context.run(seam.succeeded, call)
    except BaseException as error:
        context.run(seam.raised, call, error)
        raise


class _Inside(Generic[T]):
    """Awaits something with every step of it run in `context`, in the same task."""

    __slots__ = ("_awaitable", "_context")

    def __init__(self, context: Context, awaitable: Awaitable[T]) -> None:
        self._context, self._awaitable = context, awaitable

    def __await__(self) -> Generator[Any, Any, T]:
        steps: Any = self._awaitable.__await__()
        advance: Callable[[], Any] = partial(steps.send, None)
        while True:
            try:
                waiting = self._context.run(advance)
            except StopIteration as stop:
                result: T = stop.value
                return result
            try:
                yield waiting
            except BaseException as error:  # noqa: BLE001  cancellation, handed on to where it belongs
                advance = partial(steps.throw, error)
            else:
                advance = partial(steps.send, None)
