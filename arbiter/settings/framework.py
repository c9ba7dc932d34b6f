"""The framework's own settings: the sections of the pillars, composed, and the rules that span them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Self, TypeVar, cast

from pydantic import Field, model_validator

from arbiter.health.settings import HealthSettings
from arbiter.lifecycle.settings import LifecycleSettings
from arbiter.management.settings import ManagementSettings
from arbiter.observability.settings import ObservabilitySettings
from arbiter.resilience.settings import ResilienceSettings
from arbiter.section import Section
from arbiter.serving.settings import ServerSettings
from arbiter.settings.problems import Contradiction, Contradictions

__all__ = ["FrameworkSettings", "section"]

T = TypeVar("T", bound=Section)


def section(kind: type[T]) -> T:
    """Declare a section whose defaults are its own.

    Write `routing: RoutingSettings = section(RoutingSettings)` in the class of the whole tree.
    """
    # what pydantic gets is a FieldInfo; the type is what the attribute will hold, as with dataclasses.field
    declaration: Any = Field(default_factory=cast("Callable[[], T]", kind))
    return cast("T", declaration)


class FrameworkSettings(Section):
    """What every application of the framework has; an application's own type inherits it and adds sections."""

    server: ServerSettings = section(ServerSettings)
    """Where the application listens."""

    management: ManagementSettings = section(ManagementSettings)
    """Where the operator's endpoints are."""

    observability: ObservabilitySettings = section(ObservabilitySettings)
    """Logs, traces and metrics."""

    resilience: ResilienceSettings = section(ResilienceSettings)
    """Circuit breakers, deadlines and bulkheads."""

    health: HealthSettings = section(HealthSettings)
    """Checks and their schedule."""

    lifecycle: LifecycleSettings = section(LifecycleSettings)
    """Budgets of start and stop."""

    def warnings(self) -> Iterator[str]:
        """What is allowed and yet looks like a mistake, as sentences; an application's type adds its own."""
        budget = self.lifecycle
        if budget.total_s >= budget.grace_period_s:
            yield (
                f"lifecycle.total_s ({budget.total_s:g} s) is not below lifecycle.grace_period_s "
                f"({budget.grace_period_s:g} s): the platform kills the process before it has stopped by itself."
            )
        if budget.hook_s > budget.hooks_s:
            yield (
                f"lifecycle.hook_s ({budget.hook_s:g} s) is above lifecycle.hooks_s ({budget.hooks_s:g} s): "
                "one component may use up the time of all."
            )
        if self.health.timeout_s > self.health.interval_s:
            yield (
                f"health.timeout_s ({self.health.timeout_s:g} s) is above health.interval_s "
                f"({self.health.interval_s:g} s): a slow check is judged later than it is due."
            )

    def unfit_for(self, environment: str) -> Iterator[Contradiction]:  # noqa: ARG002  what an application's type needs
        """What is right in itself and may not be in this environment; an application's type says what."""
        yield from ()

    @model_validator(mode="after")
    def _sections_fit_together(self) -> Self:
        if found := tuple(self._contradictions()):
            raise Contradictions(found)
        return self

    def _contradictions(self) -> Iterator[Contradiction]:
        if self.server.port == self.management.port != 0:
            yield Contradiction(
                ("management.port", "server.port"),
                f"both are {self.server.port}: the operator's endpoints need a port of their own",
                hint="choose another management.port, or 0 to let the operating system choose.",
            )
        budget = self.lifecycle
        needed_s = budget.pre_drain_s + budget.drain_s + budget.hooks_s + budget.telemetry_s
        if needed_s > budget.total_s:
            yield Contradiction(
                ("lifecycle.total_s",),
                f"{budget.total_s:g} s for the whole stop, but pre_drain_s + drain_s + hooks_s + telemetry_s "
                f"is {needed_s:g} s",
                hint="raise lifecycle.total_s (below the platform's grace period), or shorten a part.",
            )
