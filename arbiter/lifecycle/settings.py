"""The section `[lifecycle]`: how long each part of start and stop may take."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from arbiter.section import LIVE, Section

__all__ = ["ComponentBudget", "LifecycleSettings"]


class ComponentBudget(Section):
    """What one component may take, where that differs from the others; None means as the others."""

    start_s: float | None = Field(default=None, gt=0)
    """How long its start may take."""
    stop_s: float | None = Field(default=None, gt=0)
    """How long its stop may take; never more than what is left of `hooks_s`."""


TELEMETRY = "telemetry"
"""The provider whose stop is the last flush."""

TELEMETRY_SPARE_S = 0.3
"""Seconds that the flush, which keeps its own time, gets to come back."""

_AS_THE_OTHERS = ComponentBudget()


class LifecycleSettings(Section):
    """Budgets of start and stop, in seconds.

    A stop runs through `pre_drain_s`, `drain_s`, `hooks_s` and `telemetry_s` in that order, and all of it must fit
    into `total_s`; the platform's own `grace_period_s` should be longer than `total_s`.
    """

    start_s: float = Field(default=60.0, gt=0)
    """How long the whole start may take before it is given up and rolled back."""
    start_hook_s: float = Field(default=30.0, gt=0)
    """How long the start of one component may take before the whole start is given up."""
    start_at_once: int = Field(default=1, ge=1, le=64)
    """How many components that do not need each other may start at the same time; 1 is one after the other."""
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
    grace_period_s: float = Field(default=30.0, gt=0)
    """What the platform allows between its signal and killing the process (Kubernetes:
    `terminationGracePeriodSeconds`). Nothing waits for it: `total_s` is compared with it, and a warning says when it
    does not fit."""
    restarts: Annotated[int, LIVE] = Field(default=5, ge=0, le=100)
    """How often in a row a background task that fails is begun again before it is given up."""
    restart_after_s: Annotated[float, LIVE] = Field(default=1.0, gt=0, le=3600)
    """How long after its first failure it is begun again; twice as long after each further one in a row."""
    components: dict[str, ComponentBudget] = Field(default_factory=dict)
    """Budgets of single components by provider name: `[lifecycle.components.database]`, `start_s = 120`."""

    def start_of(self, name: str) -> float:
        """How long the start of this component may take, in seconds, before the whole start's limit is counted in."""
        return self.components.get(name, _AS_THE_OTHERS).start_s or self.start_hook_s

    def stop_of(self, name: str) -> float:
        """How long the stop of this component may take, in seconds, before the whole stop's limit is counted in."""
        return self.components.get(name, _AS_THE_OTHERS).stop_s or self.hook_s

    def stop_within(self, name: str, left_s: float) -> float:
        """How long the stop of this component may take when so much is left of `hooks_s`, in seconds.

        The provider `telemetry` has `telemetry_s` of its own: it stops last, and what the others have used up must not
        cost the spans that tell of it.
        """
        if name == TELEMETRY:
            return self.telemetry_s + TELEMETRY_SPARE_S
        return min(self.stop_of(name), left_s)

    @model_validator(mode="after")
    def _parts_fit_the_whole(self) -> Self:
        for name, own in self.components.items():
            if own.stop_s is not None and own.stop_s > self.hooks_s:
                raise ValueError(
                    f"components.{name}.stop_s ({own.stop_s:g}) is above hooks_s ({self.hooks_s:g})"
                )
            if own.start_s is not None and own.start_s > self.start_s:
                raise ValueError(
                    f"components.{name}.start_s ({own.start_s:g}) is above start_s ({self.start_s:g})"
                )
        return self
