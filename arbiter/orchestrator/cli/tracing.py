"""Spans of a command: made where OpenTelemetry's variables say whereto, so that a trace begins with whoever asked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from opentelemetry.trace import Tracer

if TYPE_CHECKING:
    from arbiter.observability.settings import ObservabilitySettings

__all__ = ["tracing"]

_ASKED_FOR_BY: Final = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_TRACES_EXPORTER",
)


@contextmanager
def tracing(service: str) -> Iterator[Tracer | None]:
    """A tracer whose spans are sent when the block is left, or None where no variable names a place for them.

    Args:
        service: `service.name` of the spans, unless OTEL_SERVICE_NAME says otherwise.
    """
    if not any(os.environ.get(name) for name in _ASKED_FOR_BY):
        yield None
        return
    from arbiter.observability.logging import configure_logging  # noqa: PLC0415  the SDK costs every command 0.2 s
    from arbiter.observability.settings import ObservabilitySettings  # noqa: PLC0415
    from arbiter.observability.telemetry import Telemetry  # noqa: PLC0415

    settings = ObservabilitySettings(log_level="warning", metrics_enabled=False, logs_exported=False)
    with configure_logging(settings, service=service, environment="command"):
        telemetry = Telemetry(_Held(settings), environment="command", service=service)
        try:
            yield telemetry.tracer
        finally:
            telemetry.close()


class _Held:
    """A value that never changes, where a live one is asked for."""

    def __init__(self, current: ObservabilitySettings) -> None:
        self.current = current
