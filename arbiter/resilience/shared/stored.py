"""A breaker on one of pybreaker's own storages: each look at its state is a look into the storage, as pybreaker has it.

For those who share circuits with programs that use pybreaker. The storage is asked for each call, on the caller's thread;
to share circuits among instances of one application, set `resilience.redis_url` instead.
"""

from __future__ import annotations

import math
from datetime import UTC
from typing import Any

import pybreaker

from arbiter.resilience.breaker import CircuitBreaker
from arbiter.resilience.policy import Policy
from arbiter.resilience.states import CLOSED, DISABLED, OBSERVED, OPEN

__all__ = ["StoredBreaker"]


class StoredBreaker(CircuitBreaker):
    """See `CircuitBreaker`, whose arguments it takes besides `storage`.

    Where pybreaker's breaker resets the shared counters when it merely notices a change, this one leaves them. Permits,
    eras and back-off are each process's own, as there is no place for them in such a storage.
    """

    def __init__(
        self,
        name: str,
        policy: Policy | None = None,
        *,
        storage: pybreaker.CircuitBreakerStorage,
        **others: Any,
    ) -> None:
        super().__init__(name, policy, **others)
        with self._critical:
            self._state_storage = storage
            self._take_over(storage, None)
            self._settle()

    def _settle(self) -> None:
        super()._settle()
        # Nothing may be decided without a look: another process may have changed it.
        self.quiet = self._lets_all_through = self._plain = False
        self._shut_until = -math.inf

    def _decide(self) -> int | None:
        self._notice()
        if self._state.name in (CLOSED, DISABLED, OBSERVED):
            return self.era
        return super()._decide()

    def _concerns(self, era: int) -> bool:
        self._notice()
        return super()._concerns(era)

    def _look(self) -> None:
        with self._critical:
            self._notice()
        super()._look()

    def _notice(self) -> None:
        """Follow a state that another process entered."""
        storage, before = self._state_storage, self._state
        if storage.state != before.name:
            self._take_over(storage, before)
            self.transitions += 1
            self._settle()
            self._announce(before, self._state)

    def _take_over(self, storage: pybreaker.CircuitBreakerStorage, before: Any) -> None:
        """Be in the storage's state, and leave its counters and times as they are."""
        opened_at = storage.opened_at
        self._state = self._create_new_state(storage.state, prev_state=before, notify=False)
        if self._state.name == OPEN and opened_at is not None:
            storage.opened_at = opened_at
            opened_at = opened_at if opened_at.tzinfo else opened_at.replace(tzinfo=UTC)
            self._since -= max(0.0, (self._clock.now() - opened_at).total_seconds())
