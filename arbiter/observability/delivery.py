"""What became of each span, log line and number: delivered, refused by the collector, dropped before it was
sent, or still waiting.

The SDK says that a flush succeeded when nothing was delivered, so it is counted here, at the door.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from arbiter.protocols import Measurement

__all__ = ["CountedSpans", "Delivery", "Door", "FlushReport", "has_ended", "is_full"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one signal's items that were meant for a collector: spans, log lines or points of metrics."""

    accepted: int = 0
    delivered: int = 0
    failed: int = 0
    dropped: int = 0

    @property
    def waiting(self) -> int:
        """Items that are queued or on their way."""
        return max(0, self.accepted - self.delivered - self.failed - self.dropped)

    def report(self) -> dict[str, int]:
        """The same for people and machines, with what waits."""
        return {**asdict(self), "waiting": self.waiting}

    def measurements(self, signal: str) -> Iterable[Measurement]:
        """The same as counters by outcome."""
        for outcome in ("delivered", "failed", "dropped"):
            yield Measurement(
                "arbiter.telemetry.items",
                "counter",
                getattr(self, outcome),
                "Spans, log lines and points of metrics meant for a collector, by what became of them.",
                "{item}",
                (("signal", signal), ("outcome", outcome)),
            )


@dataclass(frozen=True, slots=True)
class FlushReport:
    """How the last flush went.

    Attributes:
        complete: everything that was waiting was delivered, metrics included, within the budget.
        spans, logs: what became of all of them since the start; `waiting` ones were lost.
        metrics: whether the last export of metrics was accepted; True where none are pushed.
        duration_s: how long it took.
        budget_s: how long it might have taken.
    """

    complete: bool
    spans: Delivery
    logs: Delivery
    metrics: bool
    duration_s: float
    budget_s: float


class CountedSpans(BatchSpanProcessor):
    """The SDK's batching queue with a count at both ends.

    Args:
        exporter: where batches go.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self._door = Door(exporter)
        self._accepted = self._dropped = 0
        self._lock = threading.Lock()
        super().__init__(self._door)

    def on_end(self, span: ReadableSpan) -> None:
        """Queue one span that has ended; the oldest is dropped when the queue is full."""
        if span.context is None or not span.context.trace_flags.sampled:
            return
        with self._lock:
            self._accepted += 1
            self._dropped += is_full(self._batch_processor)
        if not has_ended(self._batch_processor):
            super().on_end(span)

    @property
    def delivery(self) -> Delivery:
        """The present counts."""
        return Delivery(self._accepted, self._door.delivered, self._door.failed, self._dropped)

    def abandon(self) -> None:
        """Send no more: what is still queued fails at once, so that the SDK's thread comes to its end."""
        self._door.closed = True


def is_full(batches: Any) -> bool:
    """Whether the SDK's batch processor would drop one item more, which it does in silence; its own condition."""
    queue = batches._queue
    return has_ended(batches) or len(queue) == queue.maxlen


def has_ended(batches: Any) -> bool:
    """Whether the SDK's batch processor takes nothing any more; it writes a line about each item, with nobody to act on it."""
    return bool(batches._shutdown)


class Door(SpanExporter):
    """Counts each batch as it goes out and as the answer comes back; of spans, and of log records alike.

    Args:
        exporter: a span exporter or a log record exporter, whose methods have the same names.
    """

    def __init__(self, exporter: Any) -> None:
        self._exporter = exporter
        self.delivered = self.failed = 0
        self.closed = False

    def export(self, spans: Sequence[Any]) -> SpanExportResult:
        """Send one batch."""
        accepted = False
        try:
            if not self.closed:
                accepted = self._exporter.export(spans).name == SpanExportResult.SUCCESS.name
        finally:
            if accepted:
                self.delivered += len(spans)
            else:
                self.failed += len(spans)
        return SpanExportResult.SUCCESS if accepted else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Close the exporter."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:  # noqa: ARG002  the SDK's signature
        """Nothing is held back here."""
        return True
