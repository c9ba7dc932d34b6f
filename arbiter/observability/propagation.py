"""How a trace and its baggage travel in headers: W3C's two formats, or what OTEL_PROPAGATORS names.

`opentelemetry.propagate` is not imported: it reads the variable at import, and raises there.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Final

from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from arbiter.errors import ConfigurationError

__all__ = ["W3C", "propagator_of"]

W3C: Final = CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()])
"""traceparent, tracestate and baggage."""

_VARIABLE: Final = "OTEL_PROPAGATORS"


def propagator_of(environ: Mapping[str, str]) -> TextMapPropagator:
    """What OTEL_PROPAGATORS asks for; W3C's formats where it is empty, nothing for "none".

    Raises:
        ConfigurationError: it names a format that nothing installed provides.
    """
    names = [name.strip().lower() for name in environ.get(_VARIABLE, "").split(",") if name.strip()]
    if not names:
        return W3C
    if "none" in names:
        return CompositePropagator([])
    return CompositePropagator([_named(name) for name in dict.fromkeys(names)])


def _named(name: str) -> TextMapPropagator:
    for found in entry_points(group="opentelemetry_propagator", name=name):
        propagator: TextMapPropagator = found.load()()
        return propagator
    known = sorted({found.name for found in entry_points(group="opentelemetry_propagator")} | {"none"})
    raise ConfigurationError(
        f"{_VARIABLE} names {name!r}, which nothing installed provides.",
        hint=f"Known here: {', '.join(known)}.",
    )
