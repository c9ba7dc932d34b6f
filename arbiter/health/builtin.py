"""Checks that every application has: room on the disk, and telemetry that arrives."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from arbiter.checks import health_check
from arbiter.health.settings import HealthSettings
from arbiter.protocols import CheckResult, Live, Status

__all__ = ["BuiltinChecks", "Telemetry"]

_MB = 1024 * 1024


class Delivery(Protocol):
    """How many items of one signal were lost so far."""

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
    def deliveries(self) -> Mapping[str, Delivery]:
        """The present counts of each signal that is exported: spans, logs, metrics."""
        ...


class BuiltinChecks:
    """None of them is critical: a component that cannot live without its disk says so in a check of its own.

    Args:
        settings: the limits of the disk's room; read at each run.
        telemetry: whose losses are looked at.
    """

    def __init__(self, settings: Live[HealthSettings], telemetry: Telemetry) -> None:
        self._settings, self._telemetry = settings, telemetry
        self._lost: dict[str, int] = {}

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
        """Warns when spans, log lines or metrics were lost since the last look."""
        deliveries, before = self._telemetry.deliveries, self._lost
        self._lost = {signal: one.failed + one.dropped for signal, one in deliveries.items()}
        new = {signal: lost - before.get(signal, 0) for signal, lost in self._lost.items()}
        if told := [f"{lost} {signal}" for signal, lost in new.items() if lost > 0]:
            return CheckResult(Status.WARN, f"lost since the last look: {', '.join(told)}")
        return CheckResult(Status.PASS)
