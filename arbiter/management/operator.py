"""What the management port is given to show and to steer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from arbiter.health.registry import HealthRegistry
from arbiter.management.probes import Probes
from arbiter.management.settings import ManagementSettings
from arbiter.protocols import EventSink
from arbiter.resilience.registry import BreakerRegistry
from arbiter.settings.live import ReloadResult

__all__ = ["JsonSource", "Loggers", "Operator"]

JsonSource = Callable[[], object]


class Loggers(Protocol):
    """The levels of logging: what the host's logging session offers."""

    def listing(self) -> Mapping[str, Mapping[str, str | None]]:
        """By logger (`root` is all others'): the level set by hand or in the settings, and the one in force."""
        ...

    def set_level(self, name: str | None, level: str | None) -> None:
        """Change one from the next line on; a name of None is the root's, a level of None takes the change back."""
        ...


@dataclass(frozen=True, slots=True)
class Operator:
    """What the management port shows and steers; each field is read when a request comes.

    Attributes:
        settings: address, token, access.
        open_writes: whether changes are allowed without a token (development only).
        bus: takes the audit.
        probes: the health endpoints.
        health: whose maintenance gate is opened and closed.
        metrics: the Prometheus text exposition.
        info: name, version, process, environment, settings generation, telemetry delivery.
        config: the effective settings, secrets masked, each with its source.
        breakers: every circuit breaker with its state, to be steered.
        events: what happened lately, changes by hand among it.
        generation: of the settings in force.
        refresh: reload the settings; True means a dry run.
        graph: the components with what they need.
        startup: the last start with the time of each component.
        loggers: the levels of logging; None where the host does not own logging.
        tasks: the background tasks; None where nobody supervises any.
    """

    settings: ManagementSettings
    open_writes: bool
    bus: EventSink
    probes: Probes
    health: HealthRegistry
    metrics: Callable[[], bytes]
    info: JsonSource
    config: JsonSource
    breakers: BreakerRegistry
    events: JsonSource
    generation: Callable[[], int]
    refresh: Callable[[bool], Awaitable[ReloadResult]]
    graph: JsonSource | None = None
    startup: JsonSource | None = None
    loggers: Loggers | None = None
    tasks: JsonSource | None = None
