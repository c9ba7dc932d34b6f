"""What the `OTEL_*` variables and the settings together ask for; the variables win.

Empty counts as unset, a boolean is true only for "true" in any case, and an invalid value is warned about and
passed over (OpenTelemetry specification, "Environment Variable Specification"). Queue sizes, limits, headers,
certificates and compression are read by the SDK itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args
from urllib.parse import unquote

import structlog
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_OFF,
    DEFAULT_ON,
    ParentBased,
    Sampler,
    TraceIdRatioBased,
)

from arbiter.observability.settings import Exporter, ObservabilitySettings

__all__ = ["Destination", "Variables"]

log = structlog.get_logger(__name__)

Signal = Literal["traces", "metrics", "logs"]

_RATIO_SAMPLERS: Mapping[str, Callable[[float], Sampler]] = {
    "traceidratio": TraceIdRatioBased,
    "parentbased_traceidratio": lambda ratio: ParentBased(TraceIdRatioBased(ratio)),
}
_SAMPLERS: Mapping[str, Sampler] = {
    "always_on": ALWAYS_ON,
    "always_off": ALWAYS_OFF,
    "parentbased_always_on": DEFAULT_ON,
    "parentbased_always_off": DEFAULT_OFF,
}


@dataclass(frozen=True, slots=True)
class Destination:
    """Where one signal goes: `kind` is otlp, console, memory or none; `endpoint` is the whole address; time-out in
    seconds.
    """

    kind: str
    endpoint: str = ""
    timeout_s: float = 0


class Variables:
    """Reads `OTEL_*` over the settings.

    Args:
        environ: the process's environment.
        settings: what holds where no variable is set.
    """

    def __init__(self, environ: Mapping[str, str], settings: ObservabilitySettings) -> None:
        self._environ, self._settings = environ, settings

    @property
    def disabled(self) -> bool:
        """OTEL_SDK_DISABLED: no tracer, no meter, no thread."""
        return self._get("OTEL_SDK_DISABLED").lower() == "true"

    def resource(self, service: str, version: str, environment: str) -> dict[str, str]:
        """The attributes of everything that is sent; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES beat the
        rest.
        """
        attributes = {
            "service.name": self._settings.service_name or service,
            "service.version": version,
            "deployment.environment.name": environment,
        }
        attributes.update(self._resource_attributes())
        if name := self._get("OTEL_SERVICE_NAME"):
            attributes["service.name"] = name
        return {key: value for key, value in attributes.items() if value}

    def destination(self, signal: Signal) -> Destination:
        """Where a signal goes: `none` when nobody names an endpoint, so that no collector is guessed at."""
        kind = self._exporter(signal)
        if kind in {"none", "console", "memory"}:
            return Destination(kind)
        endpoint = self._endpoint(signal)
        if endpoint:
            self._check_protocol(signal)
            return Destination("otlp", endpoint, self._timeout_s(signal))
        if kind == "otlp":
            log.warning("telemetry.no_endpoint", signal=signal, hint="Set OTEL_EXPORTER_OTLP_ENDPOINT.")
        return Destination("none")

    def sampler(self) -> Sampler | None:
        """OTEL_TRACES_SAMPLER with its argument, or None where the settings decide."""
        name = self._get("OTEL_TRACES_SAMPLER").lower()
        if name in _RATIO_SAMPLERS:
            return _RATIO_SAMPLERS[name](self._number("OTEL_TRACES_SAMPLER_ARG", 1.0, most=1.0))
        if name and name not in _SAMPLERS:
            self._complain("OTEL_TRACES_SAMPLER", name)
        return _SAMPLERS.get(name)

    def metric_interval_s(self) -> float:
        """OTEL_METRIC_EXPORT_INTERVAL, which is in milliseconds, or the setting; in seconds."""
        default = self._settings.metric_interval_s
        return self._number("OTEL_METRIC_EXPORT_INTERVAL", default * 1000, least=1.0) / 1000

    def _exporter(self, signal: Signal) -> str:
        name = f"OTEL_{signal.upper()}_EXPORTER"
        chosen = [part.strip().lower() for part in self._get(name).split(",") if part.strip()]
        # Prometheus is pulled from /metrics whatever is pushed, so the word asks for nothing more.
        pushed = ["none" if part == "prometheus" else part for part in chosen]
        known = [part for part in pushed if part in get_args(Exporter)]
        if chosen and not known:
            self._complain(name, ",".join(chosen))
        if known:
            return known[0]
        return "none" if signal == "logs" and not self._settings.logs_exported else self._settings.exporter

    def _endpoint(self, signal: Signal) -> str:
        if exact := self._get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT"):
            return exact
        base = self._get("OTEL_EXPORTER_OTLP_ENDPOINT") or self._settings.otlp_endpoint
        return f"{base.rstrip('/')}/v1/{signal}" if base else ""

    def _check_protocol(self, signal: Signal) -> None:
        """There is one protocol here: whoever asks for another is told, and not left with a collector that is silent."""
        for name in (f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
            if asked := self._get(name):
                if asked != "http/protobuf":
                    self._complain(name, asked)
                return

    def _timeout_s(self, signal: Signal) -> float:
        general = self._number("OTEL_EXPORTER_OTLP_TIMEOUT", self._settings.otlp_timeout_s)
        return self._number(f"OTEL_EXPORTER_OTLP_{signal.upper()}_TIMEOUT", general)

    def _resource_attributes(self) -> dict[str, str]:
        pairs = (pair.partition("=") for pair in self._get("OTEL_RESOURCE_ATTRIBUTES").split(","))
        return {key.strip(): unquote(value.strip()) for key, _, value in pairs if key.strip() and value}

    def _number(self, name: str, default: float, *, least: float = 0.0, most: float = 1e9) -> float:
        text = self._get(name)
        if not text:
            return default
        try:
            number = float(text)
        except ValueError:
            number = -1.0
        if least <= number <= most:
            return number
        self._complain(name, text)
        return default

    def _get(self, name: str) -> str:
        return self._environ.get(name, "").strip()

    def _complain(self, name: str, value: str) -> None:
        log.warning("telemetry.invalid_variable", variable=name, value=value, hint="The default is used.")
