"""Checks that every application has: room on the disk, and telemetry that arrives."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Protocol

from arbiter.checks import health_check
from arbiter.health.settings import HealthSettings
from arbiter.protocols import CheckResult, Live, Status

__all__ = ["BuiltinChecks", "Telemetry"]

_MB = 1024 * 1024


class Delivery(Protocol):
    """How many spans were lost so far."""

    @property
    def failed(self) -> int:
        """Refused by the collector."""
        ...

    @property
    def dropped(self) -> int:
        """Never sent, since the queue was full."""
        ...


class Telemetry(Protocol):
    """Whatever counts what became of the telemetry."""

    @property
    def delivery(self) -> Delivery:
        """The present counts."""
        ...


class BuiltinChecks:
    """None of them is critical: a component that cannot live without its disk says so in a check of its own.

    Args:
        settings: the limits of the disk's room; read at each run.
        telemetry: whose losses are looked at.
    """

    def __init__(self, settings: Live[HealthSettings], telemetry: Telemetry) -> None:
        self._settings, self._telemetry = settings, telemetry
        self._lost = 0

    @health_check(name="disk", critical=False)
    def disk(self) -> CheckResult:
        """Whether there is room where `health.disk_path` lies; a directory to come is looked for in its parents."""
        settings = self._settings.current
        place = Path(settings.disk_path).absolute()
        while not place.exists():
            place = place.parent
        free_mb = shutil.disk_usage(place).free / _MB
        status = Status.PASS
        if free_mb < settings.disk_warn_mb:
            status = Status.FAIL if free_mb < settings.disk_fail_mb else Status.WARN
        return CheckResult(status, f"{free_mb:.0f} MB free at {place}")

    @health_check(name="telemetry", critical=False)
    async def delivered(self) -> CheckResult:
        """Warns when spans were lost since the last look."""
        delivery = self._telemetry.delivery
        lost, self._lost = self._lost, delivery.failed + delivery.dropped
        if self._lost > lost:
            return CheckResult(Status.WARN, f"{self._lost - lost} spans were lost since the last look")
        return CheckResult(Status.PASS)
