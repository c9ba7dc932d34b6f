"""Traces and metrics of one application: providers of its own, exporters by settings and `OTEL_*`, a bounded
end.

OpenTelemetry's globals are left alone, so that two applications of one process do not meet.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import structlog
from opentelemetry.metrics import Meter, MeterProvider, NoOpMeterProvider
from opentelemetry.sdk import metrics as sdk_metrics
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased
from opentelemetry.trace import NoOpTracerProvider, Tracer, TracerProvider

from arbiter.observability.delivery import CountedSpans, Delivery, FlushReport
from arbiter.observability.exporters import log_exporter, metric_exporter, span_exporter
from arbiter.observability.instruments import Instruments
from arbiter.observability.propagation import propagator_of
from arbiter.observability.push import MetricPush
from arbiter.observability.records import Memory, MetricRecord
from arbiter.observability.sampling import Listened, ListeningProvider, LiveRatio
from arbiter.observability.settings import ObservabilitySettings
from arbiter.observability.variables import Variables
from arbiter.protocols import Live, Measurement, MetricSource

if TYPE_CHECKING:
    from arbiter.observability.log_export import LogExport
    from arbiter.observability.prometheus import PrometheusPage

__all__ = ["Telemetry"]

log = structlog.get_logger(__name__)


class Telemetry:
    """Owns the tracer and the meter of one application, and what leaves the process.

    Args:
        settings: what to make and where to send it; `sample_ratio` is read at each new trace.
        environment: where the application runs; `deployment.environment.name`.
        service: the application's name, unless settings or OTEL_SERVICE_NAME say otherwise.
        version: `service.version`.
        environ: where `OTEL_*` are read; the process's environment when None.
        budget_s: how long `stop()` may take.
        span_processors: further takers of spans; a test passes one with an in-memory exporter.
        metric_records: keep the numbers in memory, for tests.
    """

    def __init__(
        self,
        settings: Live[ObservabilitySettings],
        *,
        environment: str = "development",
        service: str = "arbiter",
        version: str = "",
        environ: Mapping[str, str] | None = None,
        budget_s: float = 3.0,
        span_processors: Sequence[SpanProcessor] = (),
        metric_records: Sequence[MetricRecord] = (),
    ) -> None:
        now = settings.current
        environ = os.environ if environ is None else environ
        variables = Variables(environ, now)
        resource = Resource.create(dict(variables.resource(service, version, environment)))
        self._budget_s = budget_s
        self._keeps_lines = False
        self._flushed: FlushReport | None = None
        self._spans: CountedSpans | None = None
        self._push: MetricPush | None = None
        self._page: PrometheusPage | None = None
        self._logs: LogExport | None = None
        self.memory = Memory()
        self.propagator = propagator_of(environ)
        self._records = tuple(metric_records)
        traces = now.tracing_enabled and not variables.disabled
        self.tracer_provider: TracerProvider = (
            self._traces(settings, variables, resource, span_processors) if traces else NoOpTracerProvider()
        )
        metrics = now.metrics_enabled and not variables.disabled
        self.meter_provider: MeterProvider = (
            self._metrics(variables, resource) if metrics else NoOpMeterProvider()
        )
        if not variables.disabled and (exporter := log_exporter(variables.destination("logs"))):
            from arbiter.observability.log_export import LogExport  # noqa: PLC0415  few send their lines anywhere

            self._logs = LogExport(exporter, resource)
        elif not variables.disabled and variables.destination("logs").kind == "memory":
            self._keeps_lines = True
        self.tracer: Tracer = self.tracer_provider.get_tracer("arbiter", version)
        self.meter: Meter = self.meter_provider.get_meter("arbiter", version)
        self._instruments = Instruments(self.meter)
        self._instruments.add("telemetry", self)
        self._connect()

    def adopt(self, name: str, component: object) -> None:
        """Export what `component` counts, if it is a `MetricSource`; the same name again replaces the earlier
        one.
        """
        # hasattr too: a guard answers for the class that it stands before, and a stand-in behind it may not count
        if not isinstance(component, MetricSource) or not hasattr(component, "measurements"):
            return
        if not isinstance(component, type) and component is not self:
            self._instruments.add(name, component)

    def prometheus_text(self) -> bytes:
        """All present numbers in Prometheus's text format; empty while metrics are off."""
        return b"" if self._page is None else self._page.text()

    def numbers(self) -> list[Measurement]:
        """All present numbers that components count themselves."""
        return self._instruments.numbers()

    @property
    def logs(self) -> Callable[[Mapping[str, Any]], object] | None:
        """Takes the fields of each log line, to send or to keep them; None where they are only written."""
        return self._logs or (self.memory.take_line if self._keeps_lines else None)

    @property
    def delivery(self) -> Delivery:
        """What became of the spans so far; zeros where none are exported."""
        return Delivery() if self._spans is None else self._spans.delivery

    @property
    def deliveries(self) -> dict[str, Delivery]:
        """What became of each signal that is exported: spans, logs, metrics."""
        exported = {"spans": self._spans, "logs": self._logs, "metrics": self._push}
        return {signal: way.delivery for signal, way in exported.items() if way is not None}

    @property
    def flushed(self) -> FlushReport | None:
        """How the last flush went, or None before `stop()`."""
        return self._flushed

    def measurements(self) -> Iterable[Measurement]:
        """Telemetry's own numbers: what became of the spans, lines and points."""
        deliveries = self.deliveries
        for signal in ("spans", "logs", "metrics"):
            yield from deliveries.get(signal, Delivery()).measurements(signal)

    async def stop(self) -> None:
        """Send what is waiting and end, within the budget whatever the collector does; `flushed` says how it
        went.

        A loss is logged, never raised: an application that did its work has not failed because a collector
        has.
        """
        if self._flushed is not None:
            return
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        begun, end = time.monotonic(), loop.time() + self._budget_s  # threads start late on a busy machine
        threads = self._end_in_threads(lambda: _set_in(loop, ended))
        with suppress(TimeoutError):
            async with asyncio.timeout_at(end):
                await ended.wait()
        self._conclude(begun, threads)

    def close(self) -> FlushReport:
        """The same as `stop()` where no loop runs; blocks for the budget at most."""
        if self._flushed is None:
            begun = time.monotonic()
            threads = self._end_in_threads(lambda: None)
            for thread in threads:
                thread.join(max(0.0, begun + self._budget_s - time.monotonic()))
            self._conclude(begun, threads)
        assert self._flushed is not None  # noqa: S101  set by _conclude
        return self._flushed

    def _traces(
        self,
        settings: Live[ObservabilitySettings],
        variables: Variables,
        resource: Resource,
        processors: Sequence[SpanProcessor],
    ) -> ListeningProvider:
        sampler = Listened(variables.sampler() or ParentBased(LiveRatio(settings)))
        provider = ListeningProvider(sampler=sampler, resource=resource, shutdown_on_exit=False)
        sampler.provider = provider
        destination = variables.destination("traces")
        if exporter := span_exporter(destination):
            self._spans = CountedSpans(exporter)
            provider.add_span_processor(self._spans)
        elif destination.kind == "memory":
            provider.add_span_processor(self.memory.spans)
        for processor in processors:
            provider.add_span_processor(processor)
        return provider

    def _metrics(self, variables: Variables, resource: Resource) -> sdk_metrics.MeterProvider:
        from arbiter.observability.prometheus import PrometheusPage  # noqa: PLC0415  see that module

        self._page = PrometheusPage()
        readers: list[MetricReader] = [self._page.reader, *(record.reader for record in self._records)]
        destination = variables.destination("metrics")
        if destination.kind == "memory":
            self._records = (*self._records, self.memory.metrics)
            readers.append(self.memory.metrics.reader)
        elif exporter := metric_exporter(destination):
            self._push = MetricPush(exporter, variables.metric_interval_s())
            readers.append(self._push.reader)
        return sdk_metrics.MeterProvider(readers, resource, shutdown_on_exit=False)

    def _connect(self) -> None:
        for record in self._records:
            record.connect(self._instruments)
        if self._page is not None:
            self._page.connect(self._instruments)
        if self._push is not None:
            self._push.begin(self._instruments)

    def _end_in_threads(self, tell: Callable[[], None]) -> list[threading.Thread]:
        """End spans, metrics and logs side by side: a collector that hangs for one must not cost the other its
        time.
        """
        work: list[Callable[[], object]] = []
        if isinstance(self.tracer_provider, ListeningProvider):
            work.append(self.tracer_provider.shutdown)
        if isinstance(self.meter_provider, sdk_metrics.MeterProvider):
            shut_down, push = self.meter_provider.shutdown, self._push
            work.append(shut_down if push is None else lambda: push.end(shut_down))
        if self._logs is not None:
            work.append(self._logs.shutdown)

        def run(task: Callable[[], object]) -> None:
            try:
                task()
            except Exception:  # whatever the SDK meets at its end
                log.exception("telemetry.flush_failed")

        threads = [
            threading.Thread(target=run, args=(task,), name="arbiter.flush", daemon=True) for task in work
        ]
        for thread in threads:
            thread.start()
        threading.Thread(
            target=_join_and_tell, args=(threads, tell), name="arbiter.flush", daemon=True
        ).start()
        return threads

    def _conclude(self, begun: float, threads: Sequence[threading.Thread]) -> None:
        in_time, deliveries = not any(thread.is_alive() for thread in threads), self.deliveries
        spans, logs = deliveries.get("spans", Delivery()), deliveries.get("logs", Delivery())
        metrics = self._push is None or (in_time and self._push.accepted)
        complete = in_time and metrics and all(one.accepted == one.delivered for one in (spans, logs))
        report = FlushReport(complete, spans, logs, metrics, time.monotonic() - begun, self._budget_s)
        for way in (self._spans, self._logs):
            if way is not None:
                way.abandon()
        self._flushed = report
        say = log.info if complete else log.warning
        say(
            "telemetry.flushed",
            complete=complete,
            metrics_accepted=metrics,
            duration_s=round(report.duration_s, 3),
            **{signal: _told(delivery) for signal, delivery in deliveries.items()},
        )


def _told(delivery: Delivery) -> dict[str, int]:
    told = delivery.report()
    told["lost"] = told.pop("waiting")
    return told


def _join_and_tell(threads: Sequence[threading.Thread], tell: Callable[[], None]) -> None:
    for thread in threads:
        thread.join()
    tell()


def _set_in(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    with suppress(RuntimeError):  # the loop may be closed by then
        loop.call_soon_threadsafe(event.set)
