"""Makes the exporter for a destination. OTLP's modules are imported only where a collector is named."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, MetricExporter
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter

from arbiter.observability.variables import Destination

if TYPE_CHECKING:
    from opentelemetry.sdk._logs.export import LogRecordExporter

__all__ = ["log_exporter", "metric_exporter", "span_exporter"]


def span_exporter(destination: Destination) -> SpanExporter | None:
    """What sends spans there, or None where they leave the process in no way; to the console each is one line."""
    if destination.kind == "console":
        return ConsoleSpanExporter(out=sys.stderr, formatter=lambda span: f"{span.to_json(indent=None)}\n")
    if destination.kind != "otlp":
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415  0.1 s of start-up
        OTLPSpanExporter,
    )

    return OTLPSpanExporter(destination.endpoint, timeout=destination.timeout_s)


def metric_exporter(destination: Destination) -> MetricExporter | None:
    """What sends metrics there, or None where they leave the process in no way."""
    if destination.kind == "console":
        return ConsoleMetricExporter(out=sys.stderr, formatter=lambda data: f"{data.to_json(indent=None)}\n")
    if destination.kind != "otlp":
        return None
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import (  # noqa: PLC0415  0.1 s of start-up
        OTLPMetricExporter,
    )

    return OTLPMetricExporter(destination.endpoint, timeout=destination.timeout_s)


def log_exporter(destination: Destination) -> LogRecordExporter | None:
    """What sends log lines there, or None: to the console they are written in any case."""
    if destination.kind != "otlp":
        return None
    from opentelemetry.exporter.otlp.proto.http._log_exporter import (  # noqa: PLC0415  0.1 s of start-up
        OTLPLogExporter,
    )

    return OTLPLogExporter(destination.endpoint, timeout=destination.timeout_s)
