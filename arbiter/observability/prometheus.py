"""The Prometheus text exposition, over a reader and a registry of its own.

What writes the text (`exposition.py`) is imported by the first scrape: it costs start-up fifteen milliseconds, and many a
process is never scraped. The reader is there from the start, since it holds what is counted until then.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData

from arbiter.observability.instruments import Instruments

if TYPE_CHECKING:
    from arbiter.observability.exposition import Exposition

__all__ = ["PrometheusPage"]


class PrometheusPage:
    """What `/metrics` shows."""

    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        self._instruments: Instruments | None = None
        self._exposition: Exposition | None = None
        self._lock = threading.Lock()  # of two scrapes that meet, the one would take the other's numbers

    def connect(self, instruments: Instruments) -> None:
        """Show these instruments, histograms included."""
        self._instruments = instruments

    def text(self) -> bytes:
        """The present numbers, in text format 0.0.4."""
        with self._lock:
            if self._instruments is not None:
                self._instruments.refresh()
            data = self.reader.get_metrics_data()
            if data is None:  # nothing was ever counted
                return b""
            return self._written(data if self._instruments is None else self._instruments.complete(data))

    def _written(self, data: MetricsData) -> bytes:
        if self._exposition is None:
            from arbiter.observability.exposition import Exposition  # noqa: PLC0415  see above

            self._exposition = Exposition()
        return self._exposition.text(data)
