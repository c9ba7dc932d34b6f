"""Numbers as Prometheus's text, written by OpenTelemetry's exporter; `prometheus.py` imports it when it is asked for."""

from __future__ import annotations

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics.export import MetricsData
from prometheus_client import CollectorRegistry, generate_latest

__all__ = ["Exposition"]


class Exposition:
    """Writes the text. Each has its own registry, since the global one mixes two applications of a process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._reader = PrometheusMetricReader(scope_info_enabled=False, registry=self._registry)

    def text(self, numbers: MetricsData) -> bytes:
        """These numbers, in text format 0.0.4."""
        # The registry asks the reader for numbers, and the reader whom it was told to: a meter provider tells it so as well.
        self._reader._set_collect_callback(lambda *_, **__: numbers)
        return generate_latest(self._registry)
