"""Brings the numbers that components count themselves to OpenTelemetry's readers, when a reader asks.

Counters and gauges become observable instruments. The SDK has no observable histogram, so histograms are
added to what a reader has collected, on its way out (`complete`).
"""

from __future__ import annotations

import dataclasses
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import structlog
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    ResourceMetrics,
    ScopeMetrics,
)

from arbiter.protocols import Measurement, MetricSource

__all__ = ["Instruments"]

log = structlog.get_logger(__name__)

_MOST_SERIES = 2000
_OVERFLOW = (("otel.metric.overflow", "true"),)

Readings = Mapping[str, Sequence[Measurement]]


class Instruments:
    """All metric sources of one application, by the name of their provider.

    Args:
        meter: makes the observable instruments.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._sources: dict[str, MetricSource] = {}
        self._readings: Readings = {}
        self._made: set[str] = set()
        self._complained: set[str] = set()
        self._since_ns = time.time_ns()

    def add(self, name: str, source: MetricSource) -> None:
        """Read `source` from now on; the same name again replaces the earlier one."""
        self._sources = {**self._sources, name: source}

    def refresh(self) -> None:
        """Read every source, and make the instruments that are new; a reader's collection must follow."""
        readings: dict[str, list[Measurement]] = defaultdict(list)
        for name, source in self._sources.items():
            try:
                for measurement in source.measurements():
                    readings[measurement.name].append(measurement)
            except Exception as error:  # noqa: BLE001  one source must not silence the others
                self._complain(name, error)
        self._readings = {name: _few(same) for name, same in readings.items()}
        for name in [name for name in readings if name not in self._made]:
            self._made.add(name)
            self._make(readings[name][0])

    def numbers(self) -> list[Measurement]:
        """The present numbers of every source."""
        self.refresh()
        return [measurement for same in self._readings.values() for measurement in same]

    def complete(self, data: MetricsData) -> MetricsData:
        """What a reader collected, with the histograms of the last `refresh()` added."""
        histograms = [
            self._histogram(same) for same in self._readings.values() if same[0].kind == "histogram"
        ]
        if not histograms or not data.resource_metrics or not data.resource_metrics[0].scope_metrics:
            return data
        first, *others = data.resource_metrics
        scope = first.scope_metrics[0]
        ours = ScopeMetrics(scope.scope, [*scope.metrics, *histograms], scope.schema_url)
        completed = ResourceMetrics(first.resource, [ours, *first.scope_metrics[1:]], first.schema_url)
        return dataclasses.replace(data, resource_metrics=[completed, *others])

    def _make(self, first: Measurement) -> None:
        if first.kind == "histogram":
            return
        make = {
            "counter": self._meter.create_observable_counter,
            "gauge": self._meter.create_observable_gauge,
        }

        def observe(_: CallbackOptions) -> Iterable[Observation]:
            for reading in self._readings.get(first.name, ()):
                yield Observation(reading.value, dict(reading.attributes))

        try:
            make[first.kind](first.name, callbacks=[observe], unit=first.unit, description=first.help)
        except Exception as error:  # noqa: BLE001  a name or kind that the SDK refuses
            self._complain(first.name, error)

    def _histogram(self, same: Sequence[Measurement]) -> Metric:
        now_ns = time.time_ns()
        points = [
            HistogramDataPoint(
                attributes=dict(one.attributes),
                start_time_unix_nano=self._since_ns,
                time_unix_nano=now_ns,
                count=sum(one.counts),
                sum=one.value,
                bucket_counts=one.counts,
                explicit_bounds=one.bounds,
                min=None,  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  not kept; left out
                max=None,  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            )
            for one in same
        ]
        data = Histogram(points, AggregationTemporality.CUMULATIVE)
        return Metric(same[0].name, same[0].help, same[0].unit, data)

    def _complain(self, name: str, error: Exception) -> None:
        if name not in self._complained:
            self._complained.add(name)
            log.error("telemetry.metric_source_failed", source=name, exc_info=error)


def _few(same: Sequence[Measurement]) -> Sequence[Measurement]:
    """At most 2,000 series of one metric: what is over is summed up in one that says so, as the SDK does."""
    if len(same) <= _MOST_SERIES:
        return same
    kept, over = same[: _MOST_SERIES - 1], same[_MOST_SERIES - 1 :]
    total = dataclasses.replace(
        over[0],
        value=sum(one.value for one in over),
        attributes=_OVERFLOW,
        counts=tuple(map(sum, zip(*(one.counts for one in over), strict=True))),
    )
    return [*kept, total]
