"""Waiting in tests: for a condition, with a limit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["until"]


async def until(condition: Callable[[], bool], limit_s: float = 5.0) -> None:
    """Return as soon as `condition` holds; fail when it does not within the limit."""
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110  any condition, not one that an event stands for
            await asyncio.sleep(0.001)
