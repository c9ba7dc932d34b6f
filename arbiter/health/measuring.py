"""Health as metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from arbiter.health.report import CheckReport
from arbiter.protocols import Measurement, Status

__all__ = ["measurements_of"]


def measurements_of(reports: Iterable[CheckReport]) -> Iterator[Measurement]:
    """Status (0 or 1 for each), duration and transitions of every check."""
    for report in reports:
        check = (("check", report.name),)
        for status in Status:
            yield Measurement(
                "arbiter.health.check.status",
                "gauge",
                int(report.status is status),
                "1 for the status that the check has, 0 for the others.",
                "1",
                (*check, ("status", status.value)),
            )
        yield Measurement(
            "arbiter.health.check.duration",
            "gauge",
            report.reading.duration_s,
            "How long the check's last run took.",
            "s",
            check,
        )
        yield Measurement(
            "arbiter.health.transitions",
            "counter",
            report.reading.changes,
            "How often the check's status has changed.",
            "{transition}",
            check,
        )
