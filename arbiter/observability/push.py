"""Metrics sent to a collector at an interval, on a daemon thread that ends when it is told to."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

import structlog
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)

from arbiter.observability.delivery import Delivery
from arbiter.observability.instruments import Instruments

__all__ = ["MetricPush"]

log = structlog.get_logger(__name__)


class MetricPush:
    """Reads all instruments and exports them, every `interval_s` seconds and once at the end.

    Args:
        exporter: where they go.
        interval_s: seconds between two exports.
    """

    def __init__(self, exporter: MetricExporter, interval_s: float) -> None:
        self.reader = _Reader(exporter)
        self._interval_s = interval_s
        self._instruments: Instruments | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="arbiter.metrics", daemon=True)

    @property
    def accepted(self) -> bool:
        """Whether the last export was taken."""
        return self.reader.accepted

    @property
    def delivery(self) -> Delivery:
        """What became of the points that were read; each export sends all of them anew."""
        reader = self.reader
        return Delivery(reader.delivered + reader.failed, reader.delivered, reader.failed)

    def begin(self, instruments: Instruments) -> None:
        """Export these instruments from now on."""
        self._instruments = instruments
        self._thread.start()

    def end(self, shut_down: Callable[[], object]) -> None:
        """Export once more, then shut down; blocks as long as the collector does."""
        self._ended.set()
        self._export()
        shut_down()

    def _run(self) -> None:
        while not self._ended.wait(self._interval_s):
            self._export()

    def _export(self) -> None:
        try:
            if self._instruments is not None:
                self._instruments.refresh()
                self.reader.instruments = self._instruments
            self.reader.collect()
        except Exception:  # the thread must outlive one bad export
            log.exception("telemetry.metrics_failed")


class _Reader(PeriodicExportingMetricReader):
    """Collects when asked; an endless interval keeps the SDK's own timer away."""

    instruments: Instruments | None = None
    accepted = False
    delivered = failed = 0

    def __init__(self, exporter: MetricExporter) -> None:
        super().__init__(exporter, export_interval_millis=math.inf)

    def _receive_metrics(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any) -> None:
        if self.instruments is not None:
            metrics_data = self.instruments.complete(metrics_data)
        with self._export_lock:
            result = self._exporter.export(metrics_data, timeout_millis=timeout_millis)
        self.accepted = result is MetricExportResult.SUCCESS
        if self.accepted:
            self.delivered += _points(metrics_data)
        else:
            self.failed += _points(metrics_data)


def _points(data: MetricsData) -> int:
    scopes = (scope for resource in data.resource_metrics for scope in resource.scope_metrics)
    return sum(len(metric.data.data_points) for scope in scopes for metric in scope.metrics)
