"""Start and stop as traces: one span for the whole, one for each component or phase."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime

from opentelemetry.context import Context
from opentelemetry.trace import Span, StatusCode, Tracer, set_span_in_context

from arbiter.events import PhaseEntered, StepFinished

__all__ = ["StopSpans", "trace_start"]

_NS = 1_000_000_000


def trace_start(
    tracer: Tracer, began: datetime, duration_s: float, steps: Iterable[tuple[str, float, float]]
) -> None:
    """Tell of a start that is over: there was no tracer yet while its first part went on.

    Args:
        tracer: makes the spans.
        began: when it began.
        duration_s: how long it took.
        steps: name, beginning (seconds from `began`) and duration of each component's part.
    """
    origin_ns = int(began.timestamp() * _NS)
    root = tracer.start_span("lifecycle start", Context(), start_time=origin_ns)
    inside = set_span_in_context(root, Context())
    for name, began_s, step_s in steps:
        step = tracer.start_span(f"start {name}", inside, start_time=origin_ns + int(began_s * _NS))
        step.end(origin_ns + int((began_s + step_s) * _NS))
    root.end(origin_ns + int(duration_s * _NS))


class StopSpans:
    """An event sink that traces a stop, for as long as telemetry goes on: its own end is in no span.

    Args:
        tracer: makes the spans.
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._root: Span | None = None
        self._phase: Span | None = None

    def publish(self, event: object) -> None:
        """Take what happens; what is not part of a stop is passed over."""
        match event:
            case PhaseEntered(phase="pre-drain" | "draining" | "stopping" as phase):
                self._enter(phase)
            case StepFinished(action="stop") if self._root is not None:
                self._stopped(event, set_span_in_context(self._root, Context()))
            case _:
                return

    def _enter(self, phase: str) -> None:
        if self._root is None:
            self._root = self._tracer.start_span("lifecycle stop", Context())
        if self._phase is not None:
            self._phase.end()
        if phase == "stopping":  # telemetry is one of those that stop now, so this must be over before
            self._root.end()
            return
        inside = set_span_in_context(self._root, Context())
        self._phase = self._tracer.start_span(f"lifecycle {phase}", inside)

    def _stopped(self, event: StepFinished, inside: Context) -> None:
        now = time.time_ns()
        span = self._tracer.start_span(
            f"stop {event.name}", inside, start_time=now - int(event.duration_s * _NS)
        )
        if event.error is not None:
            span.set_status(StatusCode.ERROR, str(event.error))
        span.end(now)
