"""Framework events as numbers: what the lifecycle did and how long it took."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator

from arbiter.events import PhaseEntered, StepFinished
from arbiter.histogram import Histogram
from arbiter.protocols import Measurement

__all__ = ["LifecycleMetrics"]


class LifecycleMetrics:
    """An `EventSink` that measures phases and steps; a `MetricSource`."""

    def __init__(self) -> None:
        self._phase, self._since = "", time.monotonic()
        self._phases: dict[str, float] = {}
        self._steps: Counter[tuple[str, str]] = Counter()
        self._durations: defaultdict[str, Histogram] = defaultdict(Histogram)

    def publish(self, event: object) -> None:
        """Take one event; what is not of the lifecycle is passed over."""
        match event:
            case PhaseEntered(phase=phase):
                now = time.monotonic()
                if self._phase:
                    self._phases[self._phase] = now - self._since
                self._phase, self._since = phase, now
            case StepFinished(action=action, duration_s=seconds, error=error):
                self._steps[action, "success" if error is None else "failure"] += 1
                self._durations[action].observe(seconds)
            case _:
                return

    def measurements(self) -> Iterator[Measurement]:
        """The present numbers; the phase that lasts is measured up to now."""
        phases = dict(self._phases)
        if self._phase:
            phases[self._phase] = time.monotonic() - self._since
        name, about = "arbiter.lifecycle.phase.duration", "How long each phase of this life has lasted."
        for phase, seconds in phases.items():
            yield Measurement(name, "gauge", seconds, about, "s", (("phase", phase),))
        for (action, outcome), count in self._steps.copy().items():
            attributes = (("action", action), ("outcome", outcome))
            about = "Components started and stopped."
            yield Measurement("arbiter.lifecycle.steps", "counter", count, about, "{step}", attributes)
        about = "How long components took to start and to stop."
        for action, histogram in list(self._durations.items()):
            yield histogram.measurement("arbiter.lifecycle.step.duration", about, "s", (("action", action),))
