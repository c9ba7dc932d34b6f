"""The HTTP histogram's own counting."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from arbiter.observability.http_metrics import HttpMetrics


@given(st.lists(st.floats(min_value=0, max_value=100), min_size=1))
def test_nothing_is_lost_between_the_buckets(durations: list[float]) -> None:
    """For all durations the buckets hold as many as were recorded, each below its inclusive upper bound."""
    metrics = HttpMetrics()

    for duration in durations:
        metrics.of("GET", "http").record((200, "/", ""), duration)

    _, measurement = metrics.measurements()
    assert sum(measurement.counts) == len(durations)
    for position, bound in enumerate(measurement.bounds):
        below = sum(duration <= bound for duration in durations)
        assert sum(measurement.counts[: position + 1]) == below


def test_t06_the_number_of_series_is_bounded() -> None:
    """Past 2,000 combinations new ones are counted together, visibly."""
    metrics = HttpMetrics()

    for number in range(5000):
        metrics.of("GET", "http").record((200, f"/{number}", ""), 0.1)

    _, *measured = metrics.measurements()
    overflow = [one for one in measured if one.attributes == (("otel.metric.overflow", "true"),)]
    assert len(measured) == 2000
    assert sum(overflow[0].counts) == 5000 - 1999
