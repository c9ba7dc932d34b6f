"""Running averages: the prior is worth five observations, the order of outcomes does not matter."""

from __future__ import annotations

import functools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbiter.orchestrator.agents.averages import added, averages
from arbiter.orchestrator.agents.models import Tally
from arbiter.orchestrator.vocabulary import PerformanceReport

REPORTS = st.lists(
    st.builds(
        PerformanceReport,
        success=st.booleans(),
        quality_score=st.floats(0, 1),
        latency_ms=st.floats(0, 1e6),
    ),
    max_size=50,
)


def tally_of(reports: list[PerformanceReport]) -> Tally:
    """The sums of `reports`."""
    return functools.reduce(added, reports, Tally())


def test_a_new_agent_stands_at_the_prior() -> None:
    """Without outcomes the averages are the prior's."""
    history = averages(Tally())

    assert history.model_dump() == {
        "success_rate": 0.8, "average_quality": 0.7, "average_latency_ms": 5000.0, "task_count": 0
    }  # fmt: skip


def test_one_outcome_neither_makes_nor_breaks_an_agent() -> None:
    """One failure moves the success rate from 4 of 5 to 4 of 6, one success to 5 of 6."""
    failed = PerformanceReport(success=False, quality_score=0, latency_ms=0)
    succeeded = PerformanceReport(success=True, quality_score=1, latency_ms=0)

    assert averages(tally_of([failed])).success_rate == pytest.approx(4 / 6)
    assert averages(tally_of([succeeded])).success_rate == pytest.approx(5 / 6)


def test_three_outcomes_of_which_one_failed() -> None:
    """Upstream's example: two successes and a failure give a rate between 0.5 and 0.8, and count 3."""
    reports = [PerformanceReport(success=ok, quality_score=0.5, latency_ms=1) for ok in (True, True, False)]

    history = averages(tally_of(reports))

    assert history.task_count == 3
    assert 0.5 < history.success_rate < 0.8


@given(REPORTS)
def test_averages_are_those_of_the_outcomes_and_five_of_the_prior(reports: list[PerformanceReport]) -> None:
    """Each average is the mean over the outcomes and five observations of the prior."""
    history, whole = averages(tally_of(reports)), 5 + len(reports)

    assert history.task_count == len(reports)
    assert history.success_rate == pytest.approx((5 * 0.8 + sum(r.success for r in reports)) / whole)
    assert history.average_quality == pytest.approx((5 * 0.7 + sum(r.quality_score for r in reports)) / whole)
    assert history.average_latency_ms == pytest.approx((25_000 + sum(r.latency_ms for r in reports)) / whole)
    assert 0 <= history.success_rate <= 1
    assert 0 <= history.average_quality <= 1


@given(REPORTS, st.randoms(use_true_random=False))
def test_the_order_of_outcomes_does_not_matter(reports: list[PerformanceReport], draw: random.Random) -> None:
    """Outcomes that arrive in another order give the same averages."""
    shuffled = list(reports)
    draw.shuffle(shuffled)

    assert averages(tally_of(shuffled)).model_dump() == pytest.approx(
        averages(tally_of(reports)).model_dump()
    )
