"""One check's memory: its last results, and the status that counts after the thresholds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from arbiter.health.settings import HealthSettings
from arbiter.protocols import CheckResult, Status

__all__ = ["Reading", "follow"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of one check; replaced as a whole, so that any thread may read it.

    Attributes:
        status: what counts, after the thresholds; None until the first run has ended.
        output: the last result's sentence.
        since: when `status` last changed.
        time: when the last run ended.
        ended_at: the same on the monotonic clock, in seconds.
        last_success: when a run last did not fail.
        duration_s: how long the last run took.
        failures: failed runs in a row, up to now.
        successes: runs in a row that did not fail, up to now.
        changes: how often `status` has changed.
    """

    status: Status | None = None
    output: str = ""
    since: datetime | None = None
    time: datetime | None = None
    ended_at: float = 0.0
    last_success: datetime | None = None
    duration_s: float = 0.0
    failures: int = 0
    successes: int = 0
    changes: int = 0


def follow(
    before: Reading, result: CheckResult, settings: HealthSettings, *, now: datetime, at: float, took_s: float
) -> Reading:
    """What is known after one more result.

    The first result counts at once. From then on a healthy check counts as failed after `failure_threshold`
    failures in a row, and a failed one as healthy after `success_threshold` runs in a row that did not fail.
    Between pass and warn there is no threshold.
    """
    failed = result.status is Status.FAIL
    after = replace(
        before,
        output=result.output,
        time=now,
        ended_at=at,
        duration_s=took_s,
        last_success=before.last_success if failed else now,
        failures=before.failures + 1 if failed else 0,
        successes=0 if failed else before.successes + 1,
    )
    status = _settled(after, result.status, settings)
    if status is before.status:
        return after
    return replace(after, status=status, since=now, changes=before.changes + 1)


def _settled(after: Reading, latest: Status, settings: HealthSettings) -> Status:
    if after.status is None:
        return latest
    if latest is Status.FAIL:
        return latest if after.failures >= settings.failure_threshold else after.status
    if after.status is Status.FAIL and after.successes < settings.success_threshold:
        return after.status
    return latest
