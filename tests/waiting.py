"""Waiting in tests: for a condition, with a limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

__all__ = ["reached", "turned", "until"]


async def until(condition: Callable[[], object], limit_s: float = 5.0) -> None:
    """Return as soon as `condition` holds; fail when it does not within the limit."""
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110  any condition, not one that an event stands for
            await asyncio.sleep(0.001)


async def reached(state: Callable[[], Awaitable[object]], wanted: object, limit_s: float = 10.0) -> None:
    """Return as soon as what `state` tells is `wanted`; fail when it does not get there within the limit."""
    async with asyncio.timeout(limit_s):
        while await state() != wanted:  # noqa: ASYNC110  any state, not one that an event stands for
            await asyncio.sleep(0.005)


async def turned(condition: Callable[[], object], limit: int = 1000) -> None:
    """Let the loop turn until `condition` holds, without any time going by; fail when it takes more than `limit` turns."""
    for _ in range(limit):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError(f"it did not come true within {limit} turns of the loop")
