"""Spans and metrics kept in memory, for tests to look at."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.sdk.metrics.export import (
    HistogramDataPoint,
    InMemoryMetricReader,
    Metric,
    NumberDataPoint,
    Sum,
)
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from arbiter.observability.instruments import Instruments
from arbiter.protocols import Measurement

__all__ = ["Memory", "MetricRecord", "RecordedSpan", "SpanRecord"]


@dataclass(frozen=True, slots=True)
class RecordedSpan:
    """One ended span.

    Attributes:
        name: what it is called, `stock.reserve` for a guarded operation.
        trace_id: 32 hex digits.
        span_id: 16 hex digits.
        parent_id: 16 hex digits, or an empty string for the first of its trace.
        status: unset, ok or error.
        attributes: its attributes.
        events: names of its events; "exception" for a failure.
        duration_s: from its start to its end.
        links: trace ids of the spans that it is linked to.
    """

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    status: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[str, ...] = ()
    duration_s: float = 0.0
    links: tuple[str, ...] = ()


class SpanRecord(SpanProcessor):
    """Keeps every span when it ends, in that order.

    Args:
        limit: how many at most, the newest ones; None for all.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.spans: deque[RecordedSpan] = deque(maxlen=limit)

    def on_end(self, span: ReadableSpan) -> None:
        """Keep it."""
        self.spans.append(_recorded(span))


class MetricRecord:
    """Reads all numbers of one application when asked, its own counters' and its meters'."""

    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        self._instruments: Instruments | None = None

    def connect(self, instruments: Instruments) -> None:
        """Read these from now on."""
        self._instruments = instruments

    def read(self) -> list[Measurement]:
        """The present numbers."""
        if self._instruments is None:
            return []
        self._instruments.refresh()
        data = self.reader.get_metrics_data()
        if data is None:
            return []
        resources = self._instruments.complete(data).resource_metrics
        metrics = [
            metric for resource in resources for scope in resource.scope_metrics for metric in scope.metrics
        ]
        return [measurement for metric in metrics for measurement in _measurements(metric)]


class Memory:
    """What the exporter `memory` keeps: the newest spans and lines, and the present numbers.

    Attributes:
        spans: the newest spans that ended.
        lines: the fields of the newest log lines.
        metrics: reads the present numbers.
    """

    LIMIT = 10_000

    def __init__(self) -> None:
        self.spans = SpanRecord(self.LIMIT)
        self.lines: deque[Mapping[str, Any]] = deque(maxlen=self.LIMIT)
        self.metrics = MetricRecord()

    def take_line(self, line: Mapping[str, Any]) -> None:
        """Keep the fields of one line."""
        self.lines.append(dict(line))


def _recorded(span: ReadableSpan) -> RecordedSpan:
    context, parent = span.get_span_context(), span.parent
    return RecordedSpan(
        name=span.name,
        trace_id=f"{context.trace_id:032x}" if context is not None else "",
        span_id=f"{context.span_id:016x}" if context is not None else "",
        parent_id=f"{parent.span_id:016x}" if parent is not None else "",
        status=span.status.status_code.name.lower(),
        attributes=dict(span.attributes or {}),
        events=tuple(event.name for event in span.events),
        duration_s=((span.end_time or 0) - (span.start_time or 0)) / 1e9,
        links=tuple(f"{link.context.trace_id:032x}" for link in span.links),
    )


def _measurements(metric: Metric) -> Iterator[Measurement]:
    for point in metric.data.data_points:
        attributes = tuple(sorted((str(key), str(value)) for key, value in (point.attributes or {}).items()))
        about: dict[str, Any] = {
            "name": metric.name,
            "help": metric.description or "",
            "unit": metric.unit or "1",
            "attributes": attributes,
        }
        if isinstance(point, HistogramDataPoint):
            bounds, counts = tuple(point.explicit_bounds), tuple(point.bucket_counts)
            yield Measurement(kind="histogram", value=point.sum, bounds=bounds, counts=counts, **about)
        elif isinstance(point, NumberDataPoint):
            kind = "counter" if isinstance(metric.data, Sum) else "gauge"
            yield Measurement(kind=kind, value=point.value, **about)
