"""Windows: an execution is counted once, is seen as long as its window looks back, and a profile needs enough of them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbiter.orchestrator.performance.sketch import percentile
from arbiter.orchestrator.performance.windows import REALTIME, WINDOWS, AgentWindows, Execution, Window

START = 1_767_225_600.0  # 2026-01-01T00:00:00Z, where every window's slots begin

counts = st.lists(st.tuples(st.floats(0, 100), st.booleans(), st.floats(1, 20_000)), min_size=1, max_size=60)


def execution(at_s: float, *, success: bool = True, latency_ms: float = 100.0) -> Execution:
    """A completed execution of the agent `a`."""
    return Execution("a", at_s, success, 0.5, latency_ms, 0.01)


@pytest.mark.parametrize("window", WINDOWS, ids=lambda window: window.name)
def test_a_window_speaks_once_it_holds_enough(window: Window) -> None:
    """One execution less than the window needs gives no profile; with it there is one, of all of them."""
    windows = AgentWindows()
    for _ in range(window.needs - 1):
        windows.count(execution(START))
    assert windows.profile(window, START) is None

    windows.count(execution(START))

    profile = windows.profile(window, START)
    assert profile is not None
    assert profile.executions == window.needs


@pytest.mark.parametrize("window", WINDOWS, ids=lambda window: window.name)
def test_a_window_forgets_what_is_older_than_it_looks_back(window: Window) -> None:
    """What was counted is seen for the window's duration, and no longer than one slide more."""
    windows = AgentWindows()
    for _ in range(window.needs):
        windows.count(execution(START))
    windows.turn(START + window.slide_s)

    assert windows.profile(window, START + window.duration_s - 1) is not None
    assert windows.profile(window, START + window.duration_s + window.slide_s) is None


@given(counts)
def test_a_profile_is_that_of_its_executions(found: list[tuple[float, bool, float]]) -> None:
    """Whenever within five minutes they came, the figures are those of all of them together."""
    ordered = sorted(found)
    windows = AgentWindows()
    for second, success, latency_ms in ordered:
        windows.count(execution(START + second, success=success, latency_ms=latency_ms))

    profile = windows.profile(REALTIME, START + ordered[-1][0])

    if len(ordered) < REALTIME.needs:
        assert profile is None
        return
    assert profile is not None
    assert profile.executions == len(ordered)
    assert profile.success_rate == sum(success for _, success, _ in ordered) / len(ordered)
    latencies = sorted(latency for _, _, latency in ordered)
    assert profile.average_latency_ms == pytest.approx(math.fsum(latencies) / len(latencies))
    assert profile.p95_latency_ms == pytest.approx(latencies[math.ceil(0.95 * len(latencies)) - 1], rel=0.01)


def test_what_comes_late_counts_in_the_present_minute() -> None:
    """An execution with an earlier time, of another instance, is not lost and opens no old minute."""
    windows = AgentWindows()
    for _ in range(9):
        windows.count(execution(START + 120))

    assert windows.count(execution(START)) is False

    profile = windows.profile(REALTIME, START + 120)
    assert profile is not None
    assert profile.executions == 10


def test_a_minute_is_over_once() -> None:
    """The next minute's first execution ends the minute before, and is alone in its own."""
    windows = AgentWindows()
    windows.count(execution(START))

    assert windows.count(execution(START + 60)) is True
    assert windows.turn(START + 119) is False
    assert windows.turn(START + 120) is True
    assert windows.turn(START + 500) is False


def test_figures_that_no_execution_carries_are_null() -> None:
    """A mean of nothing is not zero."""
    windows = AgentWindows()
    for _ in range(10):
        windows.count(Execution("a", START))

    profile = windows.profile(REALTIME, START)

    assert profile is not None
    assert profile.model_dump(exclude={"window", "executions"}) == {
        "success_rate": None,
        "average_quality": None,
        "average_latency_ms": None,
        "p95_latency_ms": None,
        "average_cost": None,
    }
    assert percentile({}, 0.95) is None
