"""Finished log lines as OpenTelemetry's log records, sent in batches.

A line goes straight into the SDK's queue: its logger would make the same record at five times the cost.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, Context, get_value
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import TraceFlags

from arbiter.observability.delivery import Delivery, Door, has_ended, is_full
from arbiter.observability.lines import tamed

__all__ = ["LogExport"]

_SEVERITIES: Mapping[str, SeverityNumber] = {
    "debug": SeverityNumber.DEBUG,
    "info": SeverityNumber.INFO,
    "warning": SeverityNumber.WARN,
    "error": SeverityNumber.ERROR,
    "critical": SeverityNumber.FATAL,
}
_ELSEWHERE = frozenset(
    {"timestamp", "level", "event", "trace_id", "span_id", "trace_flags", "service", "environment"}
)
_NOWHERE = Context()


class LogExport:
    """Takes the fields of each written line, and sends them.

    Args:
        exporter: a log record exporter.
        resource: whose lines these are.
    """

    def __init__(self, exporter: Any, resource: Resource) -> None:
        self._door = Door(exporter)
        door: Any = self._door
        self._batches = BatchLogRecordProcessor(door)._batch_processor
        self._resource, self._scope = resource, InstrumentationScope("arbiter")
        self._accepted = self._dropped = 0
        self._lock = threading.Lock()

    def __call__(self, line: Mapping[str, Any]) -> None:
        """Queue one line; the oldest is dropped when the queue is full.

        What the export itself has to say is not exported: each batch would make the next.
        """
        if get_value(_SUPPRESS_INSTRUMENTATION_KEY) or line["logger"].startswith("opentelemetry."):
            return
        record = ReadableLogRecord(_record(line), self._resource, self._scope)
        with self._lock:
            self._accepted += 1
            self._dropped += is_full(self._batches)
        if not has_ended(self._batches):
            self._batches.emit(record)

    @property
    def delivery(self) -> Delivery:
        """The present counts."""
        return Delivery(self._accepted, self._door.delivered, self._door.failed, self._dropped)

    def shutdown(self) -> None:
        """Send what waits, and end; blocks as long as the collector does."""
        self._batches.shutdown()

    def abandon(self) -> None:
        """Send no more: what is still queued fails at once."""
        self._door.closed = True


def _record(line: Mapping[str, Any]) -> LogRecord:
    now_ns, level = time.time_ns(), line["level"]
    record = LogRecord(
        timestamp=now_ns,
        observed_timestamp=now_ns,
        context=_NOWHERE,
        severity_text=level,
        severity_number=_SEVERITIES.get(level, SeverityNumber.UNSPECIFIED),
        body=tamed(line["event"]),
        attributes={
            key: tamed(value) for key, value in line.items() if key not in _ELSEWHERE and value is not None
        },
    )
    if "trace_id" in line:
        record.trace_id, record.span_id = int(line["trace_id"], 16), int(line["span_id"], 16)
        record.trace_flags = TraceFlags(int(line["trace_flags"], 16))
    return record
