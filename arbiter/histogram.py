"""A histogram by plain counting: an observation costs a search in a short tuple, where an instrument's costs 5 us."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from arbiter.protocols import Measurement

__all__ = ["COUNTS", "SECONDS", "Histogram"]

SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds for durations of operations, in seconds."""

COUNTS: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
"""Upper bounds for sizes: batches, candidates, findings."""


class Histogram:
    """Counts observations by size. Written by one thread, read by any.

    Args:
        bounds: upper bounds of the buckets, ascending, inclusive; above the last there is one bucket more.
    """

    __slots__ = ("_bounds", "_counts", "_total")

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._total = 0.0

    def observe(self, value: float) -> None:
        """Count one."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._total += value

    def measurement(
        self, name: str, about: str, unit: str, attributes: tuple[tuple[str, str], ...] = ()
    ) -> Measurement:
        """The present counts as a metric of this name."""
        counts = tuple(self._counts)
        return Measurement(name, "histogram", self._total, about, unit, attributes, self._bounds, counts)
