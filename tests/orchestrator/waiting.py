"""Waiting in tests: for a condition, with a limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

__all__ = ["reached", "until"]


async def until(condition: Callable[[], bool], limit_s: float = 5.0) -> None:
    """Return as soon as `condition` holds; fail when it does not within the limit."""
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110  any condition, not one that an event stands for
            await asyncio.sleep(0.001)


async def reached(state: Callable[[], Awaitable[object]], wanted: object, limit_s: float = 10.0) -> None:
    """Return as soon as what `state` tells is `wanted`; fail when it does not get there within the limit."""
    async with asyncio.timeout(limit_s):
        while await state() != wanted:  # noqa: ASYNC110  any state, not one that an event stands for
            await asyncio.sleep(0.005)
