"""The bulkhead: how many calls of one operation may run at once. A plain counter, no queue: one more is rejected."""

from __future__ import annotations

from arbiter.errors import Rejected

__all__ = ["Saturated"]


class Saturated(Rejected):
    """The operation runs as often as it may, or its component has no thread for it; neutral for its breaker.

    Args:
        name: the operation's name.
        limit: how many calls may run at once.
        key: the setting to raise; the operation's `max_concurrent` where it is not given.
    """

    def __init__(self, name: str, limit: int, key: str = "") -> None:
        # No super().__init__(): a rejection must cost next to nothing, and BaseException.__new__ has kept the
        # arguments already, which makes the error picklable.
        self.operation = self.name = name
        self.limit, self.key = limit, key
        self.retry_after_s = None

    @property
    def message(self) -> str:
        """Which operation is full, and at how many calls."""
        return f"{self.name} was rejected: {self.limit} calls are running already"

    @property
    def hint(self) -> str:
        """The key to raise."""
        key = self.key or f"max_concurrent in [resilience.operations.{self.name}]"
        return f"try again shortly, or raise {key}"
