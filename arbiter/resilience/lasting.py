"""Async context managers that a guarded method made: getting in and out is the call, what happens between is not.

It is one call: admitted on the way in, one verdict at its end, a deadline for either way; neither deadline, duration
nor span covers the body of the `async with`. A body that raises says nothing about who made the context manager.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from types import AsyncGeneratorType, TracebackType
from typing import Any

from arbiter.resilience.call import Call
from arbiter.resilience.seam import Seam
from arbiter.resilience.stream import admitted, stream

__all__ = ["lasting"]


def lasting(seam: Seam, made: Any) -> Any:
    """`made` by a guarded method, with what it does guarded; anything else than it may be is returned as it is."""
    if isinstance(made, AsyncGeneratorType):
        return stream(seam, made)
    return _Guarded(seam, made) if isinstance(made, AbstractAsyncContextManager) else made


class _Guarded(AbstractAsyncContextManager[Any, bool | None]):
    __slots__ = ("_call", "_manager", "_seam")

    _call: Call

    def __init__(self, seam: Seam, manager: AbstractAsyncContextManager[Any, bool | None]) -> None:
        self._seam, self._manager = seam, manager

    async def __aenter__(self) -> Any:
        seam = self._seam
        call = self._call = await admitted(seam)
        try:
            entered = await self._manager.__aenter__()
        except BaseException as error:
            seam.raised(call, error)
            raise
        seam.pause(call)
        seam.leave_span(call)
        return entered

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        seam, call = self._seam, self._call
        seam.enter_span(call)
        seam.proceed(call)
        try:
            is_settled = await self._manager.__aexit__(kind, error, trace)
        except BaseException as raised:
            if raised is error:
                seam.passed_over(call, raised)
            else:
                seam.raised(call, raised)
            raise
        if error is None or is_settled:
            seam.succeeded(call)
        else:
            seam.passed_over(call, error)
        return is_settled
