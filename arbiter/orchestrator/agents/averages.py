"""Running averages with a prior, so that one outcome neither makes nor breaks an agent.

Source: DESIGN section 6. The prior is worth 5 observations of 0.8 success, 0.7 quality and 5000 ms. Exact sums are
kept, and an average is read from them:

    average = (5 * prior + sum of observations) / (5 + count)

so that the order of outcomes does not matter and no rounding builds up, as it does where an average is updated in
place. A new agent stands at the prior; after 45 outcomes the prior has a tenth of the say.
"""

from __future__ import annotations

from typing import Final

from arbiter.orchestrator.agents.models import PerformanceHistory, Tally
from arbiter.orchestrator.vocabulary import PerformanceReport

__all__ = ["PRIOR_LATENCY_MS", "PRIOR_QUALITY", "PRIOR_SUCCESS", "PRIOR_WEIGHT", "added", "averages"]

PRIOR_WEIGHT: Final = 5
PRIOR_SUCCESS: Final = 0.8
PRIOR_QUALITY: Final = 0.7
PRIOR_LATENCY_MS: Final = 5000.0


def averages(tally: Tally) -> PerformanceHistory:
    """The averages that `tally` gives, prior included."""
    return PerformanceHistory.trusted(
        success_rate=min(1.0, _average(PRIOR_SUCCESS, tally.successes, tally.task_count)),
        average_quality=min(1.0, _average(PRIOR_QUALITY, tally.quality_sum, tally.task_count)),
        average_latency_ms=_average(PRIOR_LATENCY_MS, tally.latency_sum_ms, tally.task_count),
        task_count=tally.task_count,
    )


def added(tally: Tally, report: PerformanceReport) -> Tally:
    """`tally` with one more outcome in it."""
    return Tally(
        task_count=tally.task_count + 1,
        successes=tally.successes + report.success,
        quality_sum=tally.quality_sum + report.quality_score,
        latency_sum_ms=tally.latency_sum_ms + report.latency_ms,
    )


def _average(prior: float, total: float, count: int) -> float:
    return (PRIOR_WEIGHT * prior + total) / (PRIOR_WEIGHT + count)
