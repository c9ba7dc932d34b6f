"""What a guard counts about one operation: outcomes and a latency histogram, by plain additions.

An OpenTelemetry instrument costs about 5 us a call, this 0.1 us; exporters read it when they ask.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from typing import Final

from arbiter.protocols import Measurement
from arbiter.resilience.outcome import Outcome

__all__ = ["BOUNDS_S", "QUICK_S", "Tally"]

BOUNDS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds of the histogram's buckets, in seconds; the last bucket has none."""


QUICK_S: Final = BOUNDS_S[0]
"""A call no longer than this needs no search for its bucket, which costs as much as two looks at the clock."""


class Tally:
    """Counts of one operation. A success is counted by its bucket alone, every other outcome by name as well.

    Attributes:
        buckets: finished calls by duration, one more than there are bounds.
        total_s: the sum of their durations.
        others: outcomes other than success.
        admitted: calls that were let through; each ends in a bucket.
        overran: calls that returned after their deadline: the method blocked its thread, or swallowed the cancellation.
    """

    __slots__ = ("admitted", "buckets", "name", "others", "overran", "total_s")

    def __init__(self, name: str) -> None:
        self.name = name
        self.admitted = self.overran = 0
        self.buckets = [0] * (len(BOUNDS_S) + 1)
        self.total_s = 0.0
        self.others: Counter[Outcome] = Counter()

    @property
    def running(self) -> int:
        """Calls in flight: those admitted less those that ended."""
        return self.admitted - sum(self.buckets)

    def finished(self, seconds: float, outcome: Outcome) -> None:
        """One call ran for `seconds` and did not simply return."""
        self.buckets[0 if seconds <= QUICK_S else bisect_left(BOUNDS_S, seconds)] += 1
        self.total_s += seconds
        self.others[outcome] += 1

    def counts(self) -> dict[Outcome, int]:
        """Calls by outcome; successes are what finished in no other way."""
        ran = sum(count for outcome, count in self.others.items() if outcome not in _NOT_RUN)
        found = {outcome: count for outcome, count in self.others.items() if count}
        successes = sum(self.buckets) - ran
        return {Outcome.SUCCESS: successes, **found} if successes else found

    def measurements(self) -> Iterator[Measurement]:
        """`arbiter.operation.calls` by outcome, the histogram of their durations, calls in flight."""
        operation = ("operation", self.name)
        for outcome, count in self.counts().items():
            yield Measurement(
                "arbiter.operation.calls",
                "counter",
                count,
                "Guarded calls by how they ended.",
                "{call}",
                (operation, ("outcome", outcome.value)),
            )
        yield Measurement(
            "arbiter.operation.duration",
            "histogram",
            self.total_s,
            "Duration of guarded calls.",
            "s",
            (operation,),
            bounds=BOUNDS_S,
            counts=tuple(self.buckets),
        )
        yield Measurement(
            "arbiter.operation.in_flight",
            "gauge",
            self.running,
            "Guarded calls that are running.",
            "{call}",
            (operation,),
        )
        yield Measurement(
            "arbiter.operation.overran",
            "counter",
            self.overran,
            "Guarded calls that returned after their deadline, since they blocked or swallowed the cancellation.",
            "{call}",
            (operation,),
        )


_NOT_RUN: Final = frozenset({Outcome.REJECTED, Outcome.SATURATED, Outcome.FALLBACK})
