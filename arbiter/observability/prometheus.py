"""The Prometheus text exposition from OpenTelemetry's reader, on a registry of its own.

Imported only where metrics are on: it costs start-up a tenth of a second.
"""

from __future__ import annotations

import threading
from typing import Any

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics.export import MetricsData
from prometheus_client import CollectorRegistry, generate_latest

from arbiter.observability.instruments import Instruments

__all__ = ["PrometheusPage"]


class PrometheusPage:
    """What `/metrics` shows. Each has its own registry, since the global one mixes two applications of a
    process.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.reader = _Reader(scope_info_enabled=False, registry=self._registry)
        self._lock = threading.Lock()  # the reader yields doubles when two scrapes meet

    def connect(self, instruments: Instruments) -> None:
        """Show these instruments, histograms included."""
        self.reader.instruments = instruments

    def text(self) -> bytes:
        """The present numbers, in text format 0.0.4."""
        with self._lock:
            if self.reader.instruments is not None:
                self.reader.instruments.refresh()
            return generate_latest(self._registry)


class _Reader(PrometheusMetricReader):
    instruments: Instruments | None = None

    def _receive_metrics(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any
    ) -> None:
        if self.instruments is not None:
            metrics_data = self.instruments.complete(metrics_data)
        super()._receive_metrics(metrics_data, timeout_millis, **kwargs)
