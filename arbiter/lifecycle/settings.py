"""The section `[lifecycle]`: how long each part of start and stop may take."""

from __future__ import annotations

from pydantic import Field

from arbiter.section import Section

__all__ = ["LifecycleSettings"]


class LifecycleSettings(Section):
    """Budgets of start and stop, in seconds.

    A stop runs through `pre_drain_s`, `drain_s`, `hooks_s` and `telemetry_s` in that order, and all of it must fit
    into `total_s`; a platform's own grace period (Kubernetes: 30 s) should be longer than `total_s`.
    """

    start_s: float = Field(default=60.0, gt=0)
    """How long the whole start may take before it is given up and rolled back."""
    pre_drain_s: float = Field(default=5.0, ge=0)
    """How long to keep serving after readiness has failed, so that load balancers look away first."""
    drain_s: float = Field(default=10.0, ge=0)
    """How long requests in flight may take to finish once nothing new is accepted."""
    hooks_s: float = Field(default=6.0, gt=0)
    """How long the stop of all components together may take."""
    hook_s: float = Field(default=3.0, gt=0)
    """How long the stop of one component may take before it is cancelled and left behind."""
    telemetry_s: float = Field(default=3.0, ge=0)
    """How long the last spans, metrics and log lines may take to leave."""
    total_s: float = Field(default=25.0, gt=0)
    """How long the whole stop may take before the watchdog ends the process."""
