"""Latencies counted in buckets that grow by a constant factor, so that any percentile is known within 1 % from counts
that can be added up and taken off again.

This is DDSketch (Masson, Rim and Lee, "DDSketch: A fast and fully-mergeable quantile sketch with relative-error
guarantees", VLDB 2019) with its logarithmic mapping: with a relative accuracy a and g = (1 + a) / (1 - a), a value x
is counted in bucket i = ceil(log_g(x)), which stands for 2 g^i / (g + 1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

__all__ = ["ACCURACY", "SMALLEST_MS", "bucket_of", "percentile"]

ACCURACY: Final = 0.01
"""How far a percentile may be off, as a part of its value."""

SMALLEST_MS: Final = 0.001
"""Anything shorter counts as nothing: a clock's ticks are no latency."""

_GROWTH: Final = (1 + ACCURACY) / (1 - ACCURACY)
_PER_BUCKET: Final = math.log(_GROWTH)
_NOTHING: Final = math.ceil(math.log(SMALLEST_MS) / _PER_BUCKET) - 1


def bucket_of(latency_ms: float) -> int:
    """The bucket that counts `latency_ms`, 0 or more."""
    return _NOTHING if latency_ms < SMALLEST_MS else math.ceil(math.log(latency_ms) / _PER_BUCKET)


def percentile(counts: Mapping[int, int], share: float) -> float | None:
    """The nearest-rank percentile of what `counts` holds, within `ACCURACY`; None of nothing.

    Args:
        counts: how many latencies each bucket counted.
        share: 0.95 for the 95th percentile.
    """
    left = math.ceil(share * sum(counts.values()))
    for bucket in sorted(counts):
        left -= counts[bucket]
        if left <= 0 and counts[bucket]:
            return 0.0 if bucket == _NOTHING else 2 * _GROWTH**bucket / (_GROWTH + 1)
    return None
