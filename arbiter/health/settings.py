"""The `[health]` section: how often checks run, how long they may take, and how much they may flap."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

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

    lag_warn_s: Annotated[float, LIVE] = Field(default=0.5, gt=0, le=60)
    """Seconds that the event loop may stand still before liveness warns."""

    lag_fail_s: Annotated[float, LIVE] = Field(default=10.0, gt=0, le=600)
    """Seconds that the event loop may stand still before liveness fails and the platform may restart the
    process."""

    @model_validator(mode="after")
    def _warns_before_it_fails(self) -> Self:
        if self.lag_warn_s > self.lag_fail_s:
            raise ValueError("lag_warn_s must not exceed lag_fail_s")
        return self
