"""The `[health]` section: how often checks run, how long they may take, and how much they may flap."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from arbiter.health.alerts.settings import AlertSettings
from arbiter.section import LIVE, Section

__all__ = ["HealthSettings"]


class HealthSettings(Section):
    """The schedule and the thresholds of health checks, and the limits of the event loop's lag."""

    interval_s: Annotated[float, LIVE] = Field(default=10.0, gt=0, le=3600)
    """Seconds between two runs of a check, give or take a tenth; a result older than three intervals is
    stale."""

    timeout_s: Annotated[float, LIVE] = Field(default=2.0, gt=0, le=300)
    """Seconds that one run of a check may take; after that it has failed."""

    failure_threshold: Annotated[int, LIVE] = Field(default=3, ge=1, le=100)
    """Consecutive failures after which a healthy check counts as failed."""

    success_threshold: Annotated[int, LIVE] = Field(default=2, ge=1, le=100)
    """Consecutive successes after which a failed check counts as healthy."""

    groups: Annotated[dict[str, tuple[str, ...]], LIVE] = Field(default_factory=dict)
    """Names of checks by group; `/health/<group>` shows these, besides those that name the group themselves."""

    breakers_fail_readiness: Annotated[bool, LIVE] = False
    """Whether an open circuit breaker fails its component's check, where that is critical; else it only degrades
    it."""

    lag_warn_s: Annotated[float, LIVE] = Field(default=0.5, gt=0, le=60)
    """Seconds that the event loop may stand still before liveness warns."""

    lag_fail_s: Annotated[float, LIVE] = Field(default=10.0, gt=0, le=600)
    """Seconds that the event loop may stand still before liveness fails and the platform may restart the
    process."""

    alerts: AlertSettings = Field(default_factory=AlertSettings)
    """Who is told of transitions."""

    disk_path: Annotated[str, LIVE] = "."
    """The disk that is watched: that of this directory, relative to the working directory."""

    disk_warn_mb: Annotated[float, LIVE] = Field(default=1024.0, ge=0)
    """Megabytes (of 1048576 bytes) that must be free there, or the check `disk` warns."""

    disk_fail_mb: Annotated[float, LIVE] = Field(default=128.0, ge=0)
    """Megabytes that must be free there, or it fails, which degrades the whole."""

    @model_validator(mode="after")
    def _warns_before_it_fails(self) -> Self:
        if self.lag_warn_s > self.lag_fail_s:
            raise ValueError("lag_warn_s must not exceed lag_fail_s")
        if self.disk_fail_mb > self.disk_warn_mb:
            raise ValueError("disk_fail_mb must not exceed disk_warn_mb")
        return self
