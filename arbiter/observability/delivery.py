"""What became of each span: delivered, refused by the collector, dropped before it was sent, or still
waiting.

The SDK says that a flush succeeded when nothing was delivered, so it is counted here, at the door.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from arbiter.protocols import Measurement

__all__ = ["CountedSpans", "Delivery", "FlushReport"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of the spans that were recorded for export, in numbers of spans."""

    accepted: int = 0
    delivered: int = 0
    failed: int = 0
    dropped: int = 0

    @property
    def waiting(self) -> int:
        """Spans that are queued or on their way."""
        return max(0, self.accepted - self.delivered - self.failed - self.dropped)

    def measurements(self) -> Iterable[Measurement]:
        """The same as counters by outcome."""
        for outcome in ("delivered", "failed", "dropped"):
            yield Measurement(
                "arbiter.telemetry.spans",
                "counter",
                getattr(self, outcome),
                "Spans recorded for export, by what became of them.",
                "{span}",
                (("outcome", outcome),),
            )


@dataclass(frozen=True, slots=True)
class FlushReport:
    """How the last flush went.

    Attributes:
        complete: everything that was waiting was delivered, metrics included, within the budget.
        spans: what became of all spans since the start; `spans.waiting` were lost.
        metrics: whether the last export of metrics was accepted; True where none are pushed.
        duration_s: how long it took.
        budget_s: how long it might have taken.
    """

    complete: bool
    spans: Delivery
    metrics: bool
    duration_s: float
    budget_s: float


class CountedSpans(BatchSpanProcessor):
    """The SDK's batching queue with a count at both ends.

    Args:
        exporter: where batches go.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self._door = _Door(exporter)
        self._accepted = self._dropped = 0
        self._lock = threading.Lock()
        super().__init__(self._door)

    def on_end(self, span: ReadableSpan) -> None:
        """Queue one span that has ended; the oldest is dropped when the queue is full."""
        if span.context is None or not span.context.trace_flags.sampled:
            return
        queue = self._batch_processor._queue
        with self._lock:
            self._accepted += 1
            # The SDK drops in silence; this is its own condition.
            self._dropped += self._batch_processor._shutdown or len(queue) == queue.maxlen
        super().on_end(span)

    @property
    def delivery(self) -> Delivery:
        """The present counts."""
        return Delivery(self._accepted, self._door.delivered, self._door.failed, self._dropped)

    def abandon(self) -> None:
        """Send no more: what is still queued fails at once, so that the SDK's thread comes to its end."""
        self._door.closed = True


class _Door(SpanExporter):
    """Counts each batch as it goes out and as the answer comes back."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self.delivered = self.failed = 0
        self.closed = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = SpanExportResult.FAILURE
        try:
            if not self.closed:
                result = self._exporter.export(spans)
        finally:
            if result is SpanExportResult.SUCCESS:
                self.delivered += len(spans)
            else:
                self.failed += len(spans)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._exporter.force_flush(timeout_millis)
