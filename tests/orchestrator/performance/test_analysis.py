"""What is usual, where an agent is heading, and what is out of the ordinary, by component 004's numbers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from arbiter.orchestrator.performance.analysis import History, Judgement, judge, saturation
from arbiter.orchestrator.performance.models import AnomalyKind, AnomalySeverity, Profile

USUAL: dict[str, Any] = {
    "window": "realtime",
    "executions": 10,
    "success_rate": 0.9,
    "average_quality": 0.8,
    "average_latency_ms": 800.0,
    "p95_latency_ms": 1000.0,
    "average_cost": 0.1,
}


def profile(**figures: float | None) -> Profile:
    """What is usual, but for `figures`."""
    return Profile(**{**USUAL, **figures})


def judged(kind: AnomalyKind, **figures: float | None) -> Judgement:
    """What is said about one kind when `figures` are seen and the usual was usual."""
    return next(one for one in judge(profile(**figures), profile()) if one.kind is kind)


@pytest.mark.parametrize(
    ("p95_ms", "severity", "is_over"),
    [
        (1000, None, True),
        (1200, None, True),
        (1201, None, False),
        (2000, None, False),
        (2001, AnomalySeverity.HIGH, False),
        (5000, AnomalySeverity.HIGH, False),
        (5001, AnomalySeverity.CRITICAL, False),
    ],
)
def test_a_latency_spike_is_twice_the_usual_and_over_at_1_2_times(
    p95_ms: float, severity: AnomalySeverity | None, is_over: bool
) -> None:
    """Above 2 times the baseline's p95 it begins, above 5,000 ms it is critical, at 1.2 times it is over."""
    found = judged(AnomalyKind.LATENCY_SPIKE, p95_latency_ms=p95_ms)

    assert (found.severity, found.is_over) == (severity, is_over)


@pytest.mark.parametrize(
    ("quality", "severity", "is_over"),
    [
        (0.8, None, True),
        (0.76, None, True),
        (0.74, None, False),
        (0.66, None, False),
        (0.64, AnomalySeverity.HIGH, False),
        (0.61, AnomalySeverity.HIGH, False),
        (0.59, AnomalySeverity.CRITICAL, False),
    ],
)
def test_an_accuracy_drop_is_15_points_and_over_within_5(
    quality: float, severity: AnomalySeverity | None, is_over: bool
) -> None:
    """More than 15 points below the baseline it begins, more than 20 is critical, less than 5 is over."""
    found = judged(AnomalyKind.ACCURACY_DROP, average_quality=quality)

    assert (found.severity, found.is_over) == (severity, is_over)


@pytest.mark.parametrize(
    ("success_rate", "severity", "is_over"),
    [
        (0.9, None, True),
        (0.885, None, True),
        (0.87, None, False),
        (0.81, None, False),
        (0.79, AnomalySeverity.CRITICAL, False),
    ],
)
def test_an_error_rate_increase_is_10_points_and_over_within_2(
    success_rate: float, severity: AnomalySeverity | None, is_over: bool
) -> None:
    """More than 10 points above the baseline's failures it begins; less than 2 above it is over."""
    found = judged(AnomalyKind.ERROR_RATE_INCREASE, success_rate=success_rate)

    assert (found.severity, found.is_over) == (severity, is_over)


@pytest.mark.parametrize(
    ("share", "severity", "is_over"),
    [
        (0.84, None, True),
        (0.85, None, False),
        (0.90, None, False),
        (0.91, AnomalySeverity.HIGH, False),
        (0.96, AnomalySeverity.CRITICAL, False),
    ],
)
def test_a_saturation_is_above_90_percent_and_over_below_85(
    share: float, severity: AnomalySeverity | None, is_over: bool
) -> None:
    """CPU or memory above 90 % begins it, above 95 % is critical, below 85 % is over; no baseline is needed."""
    found = saturation(share)

    assert (found.severity, found.is_over) == (severity, is_over)


def test_what_either_lacks_is_passed_over() -> None:
    """A profile without quality says nothing about accuracy, and so on."""
    nothing = profile(p95_latency_ms=None, average_quality=None, success_rate=None)

    assert list(judge(nothing, profile())) == []
    assert list(judge(profile(), nothing)) == []


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.1, 1e5), st.floats(0.1, 1e5))
def test_nothing_begins_and_is_over_at_once(
    success: float, quality: float, p95_ms: float, usual_ms: float
) -> None:
    """The bounds lie apart, so that no anomaly flaps."""
    seen = profile(success_rate=success, average_quality=quality, p95_latency_ms=p95_ms)
    for one in judge(seen, profile(p95_latency_ms=usual_ms)):
        assert not (one.severity is not None and one.is_over)


def test_the_baseline_is_the_first_profile_then_each_24th_time_the_median_of_20() -> None:
    """23 profiles change nothing; with the 24th the baseline is the median of the last 20, figure by figure."""
    history = History()
    for minute in range(23):
        history.add(minute * 60.0, profile(p95_latency_ms=100.0 + minute))
    assert history.baseline is not None
    assert history.baseline.p95_latency_ms == 100.0

    history.add(23 * 60.0, profile(p95_latency_ms=None))

    assert history.baseline.p95_latency_ms == 100.0 + 13  # the median of 104 .. 122
    assert history.baseline.average_quality == 0.8


def test_a_trend_needs_20_profiles() -> None:
    """19 profiles are no trend."""
    history = History()
    for minute in range(19):
        history.add(minute * 60.0, profile())
    assert history.trend() is None

    history.add(19 * 60.0, profile())

    assert history.trend() is not None


@pytest.mark.parametrize(("step", "direction"), [(0.01, "improving"), (-0.01, "declining"), (0.0, "stable")])
def test_a_trend_is_the_slope_of_a_straight_line(step: float, direction: str) -> None:
    """A success rate that moves by 0.01 a minute is 0.6 an hour, weighed 0.4; a straight line is certain."""
    history = History()
    for minute in range(20):
        history.add(minute * 60.0, profile(success_rate=0.5 + step * minute))

    trend = history.trend()

    assert trend is not None
    assert trend.direction == direction
    assert trend.magnitude == pytest.approx(0.4 * step * 60)
    assert trend.confidence == pytest.approx(1.0)
    assert trend.hours == pytest.approx(19 / 60)


@given(st.lists(st.floats(0, 1), min_size=20, max_size=120))
@example([0.0] * 19 + [1e-300])
def test_a_trend_stays_in_bounds(rates: list[float]) -> None:
    """Whatever an agent does, magnitude is -1 to 1 and confidence 0 to 1."""
    history = History()
    for minute, rate in enumerate(rates):
        history.add(minute * 60.0, profile(success_rate=rate))

    trend = history.trend()

    assert trend is not None
    assert -1 <= trend.magnitude <= 1
    assert 0 <= trend.confidence <= 1
