"""Percentiles from counts: within their accuracy, whatever was counted."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbiter.orchestrator.performance.sketch import ACCURACY, SMALLEST_MS, bucket_of, percentile

LATENCIES = st.floats(0, 1e12, allow_subnormal=False)


@given(st.lists(LATENCIES, min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_a_percentile_is_the_nearest_rank_within_one_percent(latencies: list[float], share: float) -> None:
    """The value that a sorted list gives is met within the accuracy; what is shorter than a tick counts as nothing."""
    exact = sorted(latencies)[math.ceil(share * len(latencies)) - 1]

    found = percentile(Counter(map(bucket_of, latencies)), share)

    assert found == pytest.approx(exact, rel=ACCURACY * 1.000001, abs=SMALLEST_MS)


@given(st.lists(LATENCIES, max_size=50), st.lists(LATENCIES, max_size=50))
def test_counts_add_up_and_come_off_again(kept: list[float], gone: list[float]) -> None:
    """Counts of two parts are the counts of the whole, and taking one part off leaves the other."""
    whole = Counter(map(bucket_of, kept + gone))

    whole.subtract(Counter(map(bucket_of, gone)))

    assert percentile(whole, 0.95) == percentile(Counter(map(bucket_of, kept)), 0.95)


def test_nothing_has_no_percentile() -> None:
    """Of no latencies there is none."""
    assert percentile({}, 0.95) is None
