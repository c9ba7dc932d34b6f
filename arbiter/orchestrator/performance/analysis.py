"""What is usual for an agent, where it is heading, and what is out of the ordinary: component ARBITER-004's definitions.

Every minute in which the realtime window holds enough gives a profile; the last 100 are kept.

* **Baseline**: the first profile until there are 24; then, at each 24th, the median of the last 20, figure by figure.
* **Trend**: a least-squares line through at least 20 profiles over time, for accuracy (success rate), speed
  (1 / (1 + p95 latency in seconds)) and thrift (1 / (1 + cost)). Their slopes an hour are weighed 0.4, 0.3 and 0.1;
  compliance, the fourth with 0.2, is constant, since no event carries a violation yet. A slope within 0.001 an hour is
  stable. A line's confidence is the square root of its R2; together it is 0.7 of their mean and 0.3 of their minimum.
* **Anomalies**: against the baseline, and over only when they are clearly over, so that none flaps:

| kind                | begins                            | critical           | over                       |
|---------------------|-----------------------------------|--------------------|----------------------------|
| latency_spike       | p95 above 2 times the baseline's  | p95 above 5,000 ms | at 1.2 times               |
| accuracy_drop       | quality 15 points below           | 20 points below    | less than 5 points below   |
| error_rate_increase | failures 10 points above          | failures above 5 % | less than 2 points above   |
| resource_saturation | CPU or memory above 90 %          | above 95 %         | below 85 %                 |

Accuracy is taken as quality, so that a failing agent raises one anomaly and not two of the same cause.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from arbiter.orchestrator.performance.models import AnomalyKind, AnomalySeverity, Profile, Trend

__all__ = ["History", "Judgement", "judge", "saturation"]

_KEPT: Final = 100
_RECENT: Final = 20
_EVERY: Final = 24
_STABLE_PER_HOUR: Final = 0.001
_FIGURES: Final = (
    "success_rate",
    "average_quality",
    "average_latency_ms",
    "p95_latency_ms",
    "average_cost",
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one look at an agent says about one kind of anomaly.

    Attributes:
        severity: None where it is not out of the ordinary.
        is_over: whether one that was there before is over; between the two bounds it stays as it was.
    """

    kind: AnomalyKind
    value: float
    baseline: float | None
    severity: AnomalySeverity | None
    is_over: bool


class History:
    """An agent's profiles of the realtime window, one a minute."""

    __slots__ = ("_profiles", "_seen", "baseline")

    def __init__(self) -> None:
        self._profiles: deque[tuple[float, Profile]] = deque(maxlen=_KEPT)
        self._seen = 0
        self.baseline: Profile | None = None

    def add(self, at_s: float, profile: Profile) -> None:
        """Take the profile of a minute that ended at `at_s`, in seconds since 1970."""
        self._profiles.append((at_s, profile))
        self._seen += 1
        if self.baseline is None:
            self.baseline = profile
        elif self._seen % _EVERY == 0:
            self.baseline = _median([one for _, one in self._profiles][-_RECENT:])

    def trend(self) -> Trend | None:
        """Where the agent is heading; None with fewer than 20 profiles."""
        if len(self._profiles) < _RECENT:
            return None
        hours = [at_s / 3600 for at_s, _ in self._profiles]
        lines = [
            (weight, *_line(hours, [score(one) for _, one in self._profiles])) for weight, score in _SCORES
        ]
        slope = sum(weight * slope for weight, slope, _ in lines)
        sure = [confidence for _, _, confidence in lines]
        direction = "stable" if abs(slope) <= _STABLE_PER_HOUR else "improving" if slope > 0 else "declining"
        return Trend(
            direction=direction,
            magnitude=max(-1.0, min(1.0, slope)),
            confidence=0.7 * statistics.fmean(sure) + 0.3 * min(sure),
            hours=hours[-1] - hours[0],
        )


def _accuracy(profile: Profile) -> float | None:
    return profile.success_rate


def _speed(profile: Profile) -> float | None:
    return None if profile.p95_latency_ms is None else 1 / (1 + profile.p95_latency_ms / 1000)


def _thrift(profile: Profile) -> float | None:
    return None if profile.average_cost is None else 1 / (1 + profile.average_cost)


_SCORES: Final[tuple[tuple[float, Callable[[Profile], float | None]], ...]] = (
    (0.4, _accuracy),
    (0.3, _speed),
    (0.1, _thrift),
)


def _line(hours: Sequence[float], scores: Sequence[float | None]) -> tuple[float, float]:
    """The slope an hour and the confidence of the line through what is known; flat and certain where nothing varies."""
    points = [(hour, score) for hour, score in zip(hours, scores, strict=True) if score is not None]
    x, y = [hour for hour, _ in points], [score for _, score in points]
    if len(set(y)) < 2:  # the correlation of these would be that of their rounding
        return 0.0, 1.0
    try:
        return statistics.linear_regression(x, y).slope, min(1.0, abs(statistics.correlation(x, y)))
    except statistics.StatisticsError:  # differences so small that their square is zero
        return 0.0, 1.0


def _median(profiles: Sequence[Profile]) -> Profile:
    figures: dict[str, float | None] = {}
    for name in _FIGURES:
        known = [value for one in profiles if (value := getattr(one, name)) is not None]
        figures[name] = statistics.median(known) if known else None
    executions = int(statistics.median(one.executions for one in profiles))
    return profiles[-1].model_copy(update={**figures, "executions": executions})


def judge(now: Profile, baseline: Profile) -> Iterable[Judgement]:
    """Hold what is seen now against what is usual; a figure that either lacks is passed over."""
    if now.p95_latency_ms is not None and baseline.p95_latency_ms:
        seen, usual = now.p95_latency_ms, baseline.p95_latency_ms
        severity = AnomalySeverity.CRITICAL if seen > 5000 else AnomalySeverity.HIGH
        yield Judgement(
            AnomalyKind.LATENCY_SPIKE,
            seen,
            usual,
            severity if seen > 2 * usual else None,
            seen <= 1.2 * usual,
        )
    if now.average_quality is not None and baseline.average_quality is not None:
        seen, usual = now.average_quality, baseline.average_quality
        drop = usual - seen
        severity = AnomalySeverity.CRITICAL if drop > 0.20 else AnomalySeverity.HIGH
        yield Judgement(
            AnomalyKind.ACCURACY_DROP, seen, usual, severity if drop > 0.15 else None, drop < 0.05
        )
    if now.success_rate is not None and baseline.success_rate is not None:
        seen, usual = 1 - now.success_rate, 1 - baseline.success_rate
        severity = AnomalySeverity.CRITICAL if seen > 0.05 else AnomalySeverity.MEDIUM
        yield Judgement(
            AnomalyKind.ERROR_RATE_INCREASE,
            seen,
            usual,
            severity if seen - usual > 0.10 else None,
            seen - usual < 0.02,
        )


def saturation(share: float) -> Judgement:
    """Judge how much of the scarcer of CPU and memory is taken, 0 to 1."""
    severity = AnomalySeverity.CRITICAL if share > 0.95 else AnomalySeverity.HIGH
    return Judgement(
        AnomalyKind.RESOURCE_SATURATION, share, None, severity if share > 0.90 else None, share < 0.85
    )
