"""The real clock. It stands apart from the protocols, so that the vocabulary stays free of machinery."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

__all__ = ["SystemClock"]


class SystemClock:
    """Time as the operating system tells it."""

    __slots__ = ()

    monotonic = staticmethod(time.monotonic)
    """Seconds that never go backwards, whatever happens to the wall clock. The function itself: guards read it twice
    for every call."""

    def now(self) -> datetime:
        """The time of day in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait on the running loop."""
        await asyncio.sleep(seconds)
