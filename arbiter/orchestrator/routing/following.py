"""Following other instances: the leases that they open and end, and what they learn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog

from arbiter.orchestrator.routing.contents import ArmRow, Store
from arbiter.orchestrator.routing.holding import Holding
from arbiter.orchestrator.routing.ports import Registration
from arbiter.orchestrator.routing.scoring import Arms
from arbiter.protocols import Clock

__all__ = ["Following"]

log = structlog.get_logger(__name__)

_AGAIN_AFTER_S: Final = 1.0


class Following:
    """Keeps leases and arms in line with what other instances do. Without other instances it never does anything.

    Args:
        store: that the instances share.
        holding: this instance's leases.
        clock: to try again by, when the store does not answer.
    """

    def __init__(self, store: Store, holding: Holding, clock: Clock) -> None:
        self._store, self._holding, self._clock = store, holding, clock
        self._arms: Arms | None = None
        self._looking: asyncio.Task[None] | None = None
        self._end: Callable[[], None] = lambda: None

    def begin(self, arms: Arms) -> None:
        """Listen, and bring `arms` into line from now on."""
        self._arms = arms
        self._end = self._store.follow(self)

    async def catch_up(self, arms: Arms) -> None:
        """Take over everything that was learned."""
        for arm in await self._store.arms():
            arms.put(arm)

    async def end(self) -> None:
        """Listen no more."""
        self._end()
        self._end, self._arms = lambda: None, None
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
            self._looking = None

    def opened(self, task_id: str, agent: Registration, ends_at: datetime) -> None:
        """Another instance holds an agent."""
        self._holding.hold(task_id, agent, ends_at)

    def closed(self, task_id: str) -> None:
        """A lease is over."""
        self._holding.let_go(task_id)

    def learned(self, arm: ArmRow) -> None:
        """Another instance learned."""
        if self._arms is not None:
            self._arms.put(arm)

    def lost(self) -> None:
        """Look at everything again, in the background."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_again(), name="arbiter-routing-follow")

    async def _look_again(self) -> None:
        while (arms := self._arms) is not None:
            try:
                await self.catch_up(arms)
                await self._holding.catch_up()
            except Exception as error:  # noqa: BLE001  whatever it was, memory must get there in the end
                log.warning("what other instances did could not be read yet", reason=str(error))
                await self._clock.sleep(_AGAIN_AFTER_S)
            else:
                return
