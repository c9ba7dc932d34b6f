"""OpenTelemetry's globals, for libraries that ask them for a tracer or a meter: only where the settings say so."""

from __future__ import annotations

import structlog
from opentelemetry.metrics import set_meter_provider
from opentelemetry.trace import ProxyTracerProvider, get_tracer_provider, set_tracer_provider

from arbiter.observability.telemetry import Telemetry

__all__ = ["make_global"]

log = structlog.get_logger(__name__)


def make_global(telemetry: Telemetry) -> None:
    """Let whoever asks the globals get what this telemetry has; a warning, and nothing else, where they are set already.

    They stay set when the telemetry has ended, since OpenTelemetry knows no way back.
    """
    from opentelemetry.propagate import set_global_textmap  # noqa: PLC0415  reads OTEL_PROPAGATORS when it is imported

    if not isinstance(get_tracer_provider(), ProxyTracerProvider):
        log.warning(
            "telemetry.globals_taken",
            hint="OpenTelemetry's globals are set once in a process: libraries report to whoever set them.",
        )
        return
    set_tracer_provider(telemetry.tracer_provider)
    set_meter_provider(telemetry.meter_provider)
    set_global_textmap(telemetry.propagator)
