"""Who listens to a breaker: told after its lock is released, in order, each kept apart from the caller."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import pybreaker
import structlog

__all__ = ["Audience"]

Listener = pybreaker.CircuitBreakerListener

log = structlog.get_logger(__name__)


class Audience:
    """Listeners of one breaker, and what they have still to be told.

    Attributes:
        members: the listeners, in the order they came.
        hears_calls: whether one of them wants to know of single successes, which the fast path would keep from it.
    """

    __slots__ = ("_faulty", "_pending", "hears_calls", "members")

    def __init__(self) -> None:
        self.members: list[Listener] = []
        self.hears_calls = False
        self._pending: deque[Callable[[], None]] = deque()
        self._faulty: set[int] = set()

    def add(self, listener: Listener) -> None:
        """Let `listener` be told from now on."""
        self.members.append(listener)
        self._attend()

    def remove(self, listener: Listener) -> None:
        """Tell it no more; ValueError if it is not there."""
        self.members.remove(listener)
        self._attend()

    def tell(self, message: Callable[[Listener], None]) -> None:
        """Put one message to every listener on the list; `deliver()` delivers it."""
        for listener in self.members:
            self._pending.append(lambda listener=listener: self._reach(listener, message))  # type: ignore[misc]

    def later(self, act: Callable[[], None]) -> None:
        """Put something else on the list, in its order."""
        self._pending.append(act)

    def deliver(self) -> None:
        """Say what is on the list. Called without the breaker's lock; threads may share the work."""
        while self._pending:
            try:
                act = self._pending.popleft()
            except IndexError:  # another thread took the last one
                return
            act()

    def _attend(self) -> None:
        self.hears_calls = any(type(listener).success is not Listener.success for listener in self.members)

    def _reach(self, listener: Listener, message: Callable[[Listener], None]) -> None:
        try:
            message(listener)
        except Exception:  # a listener is a bystander: what it suffers is logged once, never passed on
            if id(listener) not in self._faulty:
                self._faulty.add(id(listener))
                log.exception("breaker_listener_failed", listener=type(listener).__name__)
