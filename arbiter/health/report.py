"""An answer to "how are you?": the status of the whole, of each check, and the JSON of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

from arbiter.health.monitor import Reading
from arbiter.protocols import Status

__all__ = ["CheckReport", "HealthReport", "degraded", "worst"]


_REFUSING = frozenset({"open", "forced-open"})
"""States of a circuit breaker in which it lets nothing through."""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """One check in a report; `status` is None while it is unknown."""

    name: str
    status: Status | None
    critical: bool
    reading: Reading
    output: str = ""

    def to_json(self) -> dict[str, object]:
        """The check's object in `application/health+json`; times are RFC 3339, durations milliseconds."""
        reading = self.reading
        shown: dict[str, object] = {
            "componentId": self.name,
            "status": "unknown" if self.status is None else self.status.value,
            "critical": self.critical,
            "observedValue": round(reading.duration_s * 1000, 3),
            "observedUnit": "ms",
            "time": _rfc3339(reading.time),
            "since": _rfc3339(reading.since),
            "last_success": _rfc3339(reading.last_success),
            "consecutive_failures": reading.failures,
        }
        if self.output:
            shown["output"] = self.output
        return {key: value for key, value in shown.items() if value is not None}


@dataclass(frozen=True, slots=True)
class HealthReport:
    """The status of the whole, as a probe asks for it.

    Attributes:
        status: pass and warn are answered with 200, fail with 503.
        checks: each check that was looked at.
        description: which question this answers.
        notes: why, where the checks do not say it: starting, draining, maintenance.
        time: when it was put together.
        service: the service's name; version: its release.
    """

    status: Status
    checks: tuple[CheckReport, ...] = ()
    description: str = ""
    notes: tuple[str, ...] = ()
    time: datetime | None = None
    service: str = ""
    version: str = ""

    def to_json(self, *, details: bool = True) -> dict[str, object]:
        """The object of draft-inadarei-api-health-check-06; without details only the status."""
        shown: dict[str, object] = {"status": self.status.value}
        if not details:
            return shown
        optional = {
            "version": self.version,
            "serviceId": self.service,
            "description": self.description,
            "notes": list(self.notes),
            "time": _rfc3339(self.time),
        }
        shown.update({key: value for key, value in optional.items() if value})
        shown["checks"] = {f"{check.name}:responseTime": [check.to_json()] for check in self.checks}
        return shown


def worst(checks: Iterable[CheckReport], *, unknown_fails: bool) -> Status:
    """The status of the whole: fail if a critical check fails, warn if anything else is not well, else pass.

    Args:
        checks: what to look at; none at all is a pass.
        unknown_fails: whether a critical check that has not run yet fails the whole, as for readiness.
    """
    status = Status.PASS
    for check in checks:
        unknown = check.status is None
        if check.critical and (check.status is Status.FAIL or (unknown and unknown_fails)):
            return Status.FAIL
        if check.status in {Status.FAIL, Status.WARN}:
            status = Status.WARN
    return status


def degraded(report: CheckReport, circuits: Mapping[str, str], *, fails: bool) -> CheckReport:
    """The same check, a warning at best while a circuit breaker of its component is not closed.

    Args:
        report: the check of the component `X`; a status that is unknown or a failure stays.
        circuits: the breakers that are not closed, `X.method`, with their states.
        fails: whether an open one (by itself or by hand, not a half-open one) is the failure of a critical check.
    """
    own = {name: state for name, state in circuits.items() if name.rpartition(".")[0] == report.name}
    if not own or report.status not in {Status.PASS, Status.WARN}:
        return report
    told = "; ".join(f"the circuit breaker {name} is {state}" for name, state in own.items())
    output = f"{told}; {report.output}" if report.output else told
    failed = fails and report.critical and not _REFUSING.isdisjoint(own.values())
    return replace(report, status=Status.FAIL if failed else Status.WARN, output=output)


@lru_cache(1024)  # the same readings are told again and again, and their times are half of the answer's cost
def _rfc3339(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
