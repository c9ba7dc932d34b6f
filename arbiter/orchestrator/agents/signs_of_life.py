"""Signs of life: agents that promised heartbeats and gave none for long are set aside, until they give one again."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

from arbiter.orchestrator.agents.index import Index
from arbiter.orchestrator.agents.settings import RegistrySettings
from arbiter.protocols import Clock, Live

__all__ = ["SignsOfLife"]

_LOOK_EVERY_S: Final = 60.0
"""Seconds between two looks for agents that gave no sign of life."""


class SignsOfLife:
    """Looks through an index for agents that were not heard of, at once and then again and again.

    Args:
        settings: say how long an agent may be silent.
        clock: to measure that by.
    """

    def __init__(self, settings: Live[RegistrySettings], clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._looking: asyncio.Task[None] | None = None

    def begin(self, index: Index) -> None:
        """Look now, and from time to time."""
        self.look(index)
        self._looking = asyncio.create_task(self._look_on(index), name="arbiter-registry-stale")

    def look(self, index: Index) -> None:
        """Set aside who was silent for too long, and take back who gave a sign since."""
        longest = timedelta(seconds=self._settings.current.stale_after_s)
        index.set_aside(self._clock.now() - longest)

    async def end(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
            self._looking = None

    async def _look_on(self, index: Index) -> None:
        while True:
            await self._clock.sleep(_LOOK_EVERY_S)
            self.look(index)
