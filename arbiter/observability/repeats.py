"""The same line written a thousand times a second says no more than once, and costs as much as a thousand."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import structlog

__all__ = ["Repeats"]

Key = tuple[str, str, str]
"""Logger, level and event: what makes two lines the same."""


class Repeats:
    """A step of the chain that lets the same line through so often a second, and counts the rest.

    The first one of a later second says in `withheld` how many came between.

    Args:
        limit: lines of one logger, level and event within a second.
        monotonic: the seconds.
    """

    def __init__(self, limit: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._limit, self._monotonic = limit, monotonic
        self._ends = 0.0
        self._counts: dict[Key, int] = {}
        self._withheld: Counter[Key] = Counter()

    def __call__(
        self, logger: Any, method: str, fields: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """The line, or `structlog.DropEvent`."""
        now = self._monotonic()
        if now >= self._ends:
            self._ends, self._counts = now + 1, {}  # replaced, never emptied: another thread may be counting
        event = fields.get("event")
        key = logger.name, method, event if isinstance(event, str) else type(event).__name__
        count = self._counts[key] = self._counts.get(key, 0) + 1
        if count > self._limit:
            self._withheld[key] += 1
            raise structlog.DropEvent
        if withheld := self._withheld.pop(key, 0):
            fields["withheld"] = withheld
        return fields

    def rest(self) -> Mapping[Key, int]:
        """How often each line was withheld since it was last written."""
        return dict(self._withheld)
