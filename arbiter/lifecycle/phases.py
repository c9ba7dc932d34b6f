"""The phases of a host's life: which may follow which, and how long each has lasted."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from arbiter.errors import LifecycleStateError
from arbiter.events import PhaseEntered
from arbiter.protocols import Clock, Measurement

__all__ = ["Phase", "PhaseTiming", "Phases"]


class Phase(enum.StrEnum):
    """Where a host is in its life."""

    CREATED = "created"
    CONFIGURING = "configuring"
    STARTING = "starting"
    RUNNING = "running"
    MAINTENANCE = "maintenance"
    PRE_DRAIN = "pre-drain"
    DRAINING = "draining"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


_END = frozenset({Phase.STOPPED, Phase.FAILED})
_NEXT: dict[Phase, frozenset[Phase]] = {
    Phase.CREATED: frozenset({Phase.CONFIGURING}),
    Phase.CONFIGURING: frozenset({Phase.STARTING, Phase.FAILED}),
    # What fails between the start and the drain goes straight to the stop.
    Phase.STARTING: frozenset({Phase.RUNNING, Phase.STOPPING, *_END}),
    Phase.RUNNING: frozenset({Phase.MAINTENANCE, Phase.PRE_DRAIN, Phase.STOPPING, Phase.FAILED}),
    Phase.MAINTENANCE: frozenset({Phase.RUNNING, Phase.PRE_DRAIN, Phase.STOPPING, Phase.FAILED}),
    Phase.PRE_DRAIN: frozenset({Phase.DRAINING, Phase.STOPPING, Phase.FAILED}),
    Phase.DRAINING: frozenset({Phase.STOPPING, Phase.FAILED}),
    Phase.STOPPING: _END,
    Phase.STOPPED: frozenset(),
    Phase.FAILED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class PhaseTiming:
    """One phase that was entered; `duration_s` is how long it lasted, or has lasted until now."""

    phase: Phase
    entered_at: datetime
    began_s: float
    duration_s: float | None = None


class Phases:
    """The state machine; one thread moves it, any may read.

    Args:
        clock: dates the phases.
        publish: takes a `PhaseEntered` for each; must not raise.
    """

    def __init__(self, clock: Clock, publish: Callable[[object], None]) -> None:
        self._clock, self._publish = clock, publish
        self._begun = clock.monotonic()
        self._timeline = [PhaseTiming(Phase.CREATED, clock.now(), 0.0)]

    @property
    def current(self) -> Phase:
        """Where it is now."""
        return self._timeline[-1].phase

    @property
    def timeline(self) -> tuple[PhaseTiming, ...]:
        """Every phase in the order in which it was entered; seconds count from the creation."""
        *ended, last = self._timeline.copy()
        return (*ended, replace(last, duration_s=self._since() - last.began_s))

    def enter(self, phase: Phase) -> None:
        """Go to the next phase.

        Raises:
            LifecycleStateError: it cannot follow the present one.
        """
        last = self._timeline[-1]
        if phase not in _NEXT[last.phase]:
            raise LifecycleStateError(f"cannot go from {last.phase} to {phase}")
        now = self._since()
        self._timeline[-1:] = [
            replace(last, duration_s=now - last.began_s),
            PhaseTiming(phase, self._clock.now(), now),
        ]
        self._publish(PhaseEntered(phase, last.phase))

    def maintain(self, *, on: bool) -> None:
        """Follow the operator into maintenance and back; passed over in any other phase than these two."""
        here, there = (Phase.RUNNING, Phase.MAINTENANCE) if on else (Phase.MAINTENANCE, Phase.RUNNING)
        if self.current is here:
            self.enter(there)

    def measurements(self) -> Iterable[Measurement]:
        """How long each phase lasted, or has until now."""
        for timing in self.timeline:
            yield Measurement(
                "arbiter.lifecycle.phase.duration",
                "gauge",
                timing.duration_s or 0.0,
                "How long the phase of the host's life lasted, the last time.",
                "s",
                (("phase", timing.phase.value),),
            )

    def _since(self) -> float:
        return self._clock.monotonic() - self._begun
