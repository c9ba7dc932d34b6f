"""What an operator sees of a life: `/startup` and `/tasks`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from arbiter.host.work import Work
from arbiter.infrastructure import Infrastructure
from arbiter.lifecycle.phases import Phases
from arbiter.resilience.guard import Guard

__all__ = ["View"]


class View:
    """A life, seen from outside; may be looked at from any thread.

    Args:
        container: what lives.
        phases: where it is in its life.

    Attributes:
        work: what is kept going, once there is any.
        guard: whose calls are counted, once it is there.
    """

    def __init__(self, container: Infrastructure, phases: Phases) -> None:
        self._container, self._phases, self._background = container, phases, container.background()
        self.work: Work | None = None
        self.guard: Guard | None = None

    def startup(self) -> Mapping[str, object]:
        """The timeline of the start, and of the phases."""
        return {**dataclasses.asdict(self._container.startup()), "phases": self._phases.timeline}

    def tasks(self) -> Mapping[str, object]:
        """What goes on now, and what is still to be stopped."""
        return {
            "phase": self._phases.current,
            "in_flight": self.in_flight(),
            "background": self._background.seen(),
            "still_to_stop": self._container.pending(),
        }

    def in_flight(self) -> Mapping[str, int]:
        """How much is going on, by kind."""
        background = [one.state for one in self._background.seen()]
        return {
            **(self.work.in_flight if self.work is not None else {}),
            "background": background.count("running"),
            "operations": _calls_running(self.guard) if self.guard is not None else 0,
        }


def _calls_running(guard: Guard) -> int:
    """How many guarded calls are running now."""
    found = (one.value for one in guard.measurements() if one.name == "arbiter.operation.in_flight")
    return int(sum(found))
