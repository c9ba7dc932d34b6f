"""What a running host does about events: a reload changes levels and checks, an operator the phase."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from arbiter.events import OperatorActed, RestartRequired, SettingsApplied, SettingsRejected
from arbiter.infrastructure import Infrastructure
from arbiter.lifecycle.phases import Phases
from arbiter.observability.logging import LoggingSession

__all__ = ["Following"]


class Following:
    """An event sink.

    Args:
        container: whose settings and health are followed.
        logging: whose level follows the settings.
        phases: move into maintenance and back.
        on_loop: calls something in the host's loop, from any thread; passed over where none runs.
    """

    def __init__(
        self,
        container: Infrastructure,
        logging: LoggingSession,
        phases: Phases,
        on_loop: Callable[[Callable[[], object]], None],
    ) -> None:
        self._source, self._health = container.settings.source(), container.health()
        self._logging, self._phases, self._on_loop = logging, phases, on_loop

    def publish(self, event: object) -> None:
        """Follow one event; others are passed over."""
        if isinstance(event, OperatorActed):
            self._on_loop(self._follow_the_gate)
        if isinstance(event, SettingsApplied):
            self._logging.set_generation(event.generation)
        if isinstance(event, SettingsApplied) and "observability.log_level" in event.changed:
            settings = self._source.snapshot.settings
            self._logging.set_level(None, settings.observability.log_level)
        if isinstance(event, SettingsApplied | SettingsRejected | RestartRequired):
            self._on_loop(self._look_anew)

    def _follow_the_gate(self) -> None:
        self._phases.maintain(on="maintenance" in self._health.readiness().notes)

    def _look_anew(self) -> None:
        self._looking = asyncio.ensure_future(self._health.refresh())
