"""What an application under test has said: spans, metrics, logs and events, as data."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from arbiter.container.stand_ins import add_arguments
from arbiter.observability.logging import LoggingSession, configure_logging
from arbiter.observability.records import MetricRecord, RecordedSpan, SpanRecord
from arbiter.observability.settings import ObservabilitySettings
from arbiter.observability.telemetry import Telemetry
from arbiter.protocols import Measurement

__all__ = ["Recording"]

E = TypeVar("E")


class Recording:
    """Keeps what every application that records into it says; it can be read while they run and afterwards.

    Attributes:
        logs: the fields of every line, in order: `event`, `level`, `logger`, `trace_id` and what was logged.
        events: every event that was published on an application's bus, in order.
    """

    def __init__(self) -> None:
        self.logs: list[Mapping[str, Any]] = []
        self.events: list[object] = []
        self._spans = SpanRecord()
        self._metrics: list[MetricRecord] = []
        self._sessions: dict[int, LoggingSession] = {}

    @property
    def spans(self) -> tuple[RecordedSpan, ...]:
        """Every span that has ended, in that order."""
        return tuple(self._spans.spans)

    def spans_of(self, name: str) -> list[RecordedSpan]:
        """The spans of this name, `stock.reserve` for an operation."""
        return [span for span in self.spans if span.name == name]

    def logs_of(self, event: str) -> list[Mapping[str, Any]]:
        """The lines that say this."""
        return [line for line in self.logs if line["event"] == event]

    def events_of(self, kind: type[E]) -> list[E]:
        """The events of this type."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def metrics(self) -> tuple[Measurement, ...]:
        """All present numbers: what components count themselves, and what went through a meter."""
        return tuple(measurement for record in self._metrics for measurement in record.read())

    def metric(self, name: str, **attributes: str) -> float:
        """The sum of a metric's values over all its series that have these attributes; 0 where there is none.

        Args:
            name: the instrument's name, `arbiter.operation.calls`.
            attributes: `operation="stock.reserve"`.
        """
        wanted = set(attributes.items())
        return sum(one.value for one in self.metrics if one.name == name and wanted <= set(one.attributes))

    def publish(self, event: object) -> None:
        """Keep an event: the recording is a sink."""
        self.events.append(event)

    def attach(self, container: Any) -> None:
        """Record a container from now on; it has not been started."""
        if "telemetry" in container.providers:
            record = MetricRecord()
            given = {"span_processors": (self._spans,), "metric_records": (record,), "environ": {}}
            if add_arguments(container.telemetry, Telemetry, **given):
                self._metrics.append(record)
        if "events" in container.providers:
            bus = container.events()
            if callable(add := getattr(bus, "add", None)):
                add(self)

    def begin_logs(self, container: Any) -> None:
        """Take over logging until `end_logs`; lines go on to standard error, where pytest shows those of a failure."""
        settings = getattr(container.settings(), "observability", None)
        if not isinstance(settings, ObservabilitySettings):
            return
        earlier = logging.getLogger().handlers[:]
        environment = container.settings.environment()
        session = configure_logging(
            settings, service="arbiter", environment=environment, tap=self.logs.append
        )
        logging.getLogger().handlers.extend(_of_pytest(earlier))
        self._sessions[id(container)] = session

    def end_logs(self, container: Any) -> None:
        """Give logging back."""
        if session := self._sessions.pop(id(container), None):
            session.close()


def _of_pytest(handlers: Iterable[logging.Handler]) -> list[logging.Handler]:
    return [handler for handler in handlers if type(handler).__module__.startswith("_pytest")]
