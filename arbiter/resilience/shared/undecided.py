"""A call that only the fleet can let through: it waits for the answer, in its own task, and for no longer than is said."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any

from arbiter.resilience.states import HALF_OPEN, CircuitOpen

__all__ = ["Undecided"]


class Undecided(CircuitOpen):
    """Whether a trial may be made is being asked. Whoever can wait awaits `admitted`; to others it is a rejection.

    Args:
        name: the operation's name.
        answer: is done when there is an answer.
        patience_s: how long to wait for it.
        give_up: called when there was none in time; from then on the instance decides by itself.
    """

    def __init__(
        self, name: str, answer: Future[None], patience_s: float, give_up: Callable[[], None]
    ) -> None:
        super().__init__(name, HALF_OPEN)
        self.args = (name, HALF_OPEN)
        self._answer, self._patience_s, self._give_up = answer, patience_s, give_up

    async def admitted(self, gate: Any) -> Any:
        """Wait, and have the call admitted by `gate` as the answer allows; may raise a `Rejected`."""
        until, asked = time.monotonic() + self._patience_s, self
        while True:
            await asked._wait(until - time.monotonic())
            try:
                return gate.admit()
            except Undecided as again:  # somebody else took the lease that was granted
                asked = again

    def wait_here(self) -> None:
        """Wait in this thread."""
        if not wait([self._answer], self._patience_s).done:
            self._give_up()

    async def _wait(self, seconds: float) -> None:
        waiting = asyncio.wrap_future(self._answer)
        done, _ = await asyncio.wait([waiting], timeout=max(seconds, 0))
        if not done:
            waiting.cancel()
            self._give_up()
