"""Who listens to a breaker: told after its lock is released, in order, each kept apart from the caller.

The lock itself stands here too, since leaving it is what delivers.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType

import pybreaker
import structlog

__all__ = ["Audience", "Critical"]

Listener = pybreaker.CircuitBreakerListener

log = structlog.get_logger(__name__)


class Audience:
    """Listeners of one breaker, and what they have still to be told.

    Attributes:
        members: the listeners, in the order they came.
        hears_calls: whether one of them wants to know of single successes, which the fast path would keep from it.
    """

    __slots__ = ("_faulty", "_pending", "_turn", "hears_calls", "members")

    def __init__(self) -> None:
        self.members: list[Listener] = []
        self.hears_calls = False
        self._pending: deque[Callable[[], None]] = deque()
        self._turn = threading.Lock()
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
        """Say what is on the list, one message at a time and in order, without the breaker's lock.

        A thread that finds another at it leaves its own messages to that one, as does a listener that calls the breaker.
        """
        while self._pending and self._turn.acquire(blocking=False):
            try:
                while self._pending:
                    self._pending.popleft()()
            finally:
                self._turn.release()

    def _attend(self) -> None:
        self.hears_calls = any(type(listener).success is not Listener.success for listener in self.members)

    def _reach(self, listener: Listener, message: Callable[[Listener], None]) -> None:
        try:
            message(listener)
        except Exception:  # a listener is a bystander: what it suffers is logged once, never passed on
            if id(listener) not in self._faulty:
                self._faulty.add(id(listener))
                log.exception("breaker_listener_failed", listener=type(listener).__name__)


class Critical:
    """A breaker's lock; whoever leaves it last delivers what happened inside.

    Attributes:
        lock: the lock itself, for a section in which nothing happens that anybody is told.
    """

    __slots__ = ("_audience", "_depth", "lock")

    def __init__(self, audience: Audience) -> None:
        self._audience, self._depth = audience, 0
        self.lock = threading.RLock()

    def __enter__(self) -> None:
        self.lock.acquire()
        self._depth += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        is_outermost = not self._depth
        self.lock.release()
        if is_outermost:
            self._audience.deliver()
