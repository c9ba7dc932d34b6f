"""The `[observability]` section: what is logged, traced and measured, and where it goes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from arbiter.section import LIVE, Section

__all__ = ["Exporter", "Level", "ObservabilitySettings"]

Level = Literal["debug", "info", "warning", "error", "critical"]
Exporter = Literal["auto", "otlp", "console", "memory", "none"]


class ObservabilitySettings(Section):
    """Logs, traces and metrics. The `OTEL_*` variables of OpenTelemetry beat what stands here."""

    tracing_enabled: bool = True
    """Whether spans are made. False takes the tracer out: requests, operations and logs carry no trace id."""

    metrics_enabled: bool = True
    """Whether metrics are exported. False empties `/metrics` and exports nothing."""

    log_level: Annotated[Level, LIVE] = "info"
    """The least level that is written, where no logger has one of its own."""

    log_format: Literal["auto", "console", "json"] = "auto"
    """`json`: one object a line. `console`: for people. `auto`: console in a terminal outside production,
    else json."""

    log_repeats: int = Field(default=0, ge=0, le=1_000_000)
    """How often a second the same line (logger, level and event) is written; the rest is counted, and the next one says
    in `withheld` how many there were. 0: as often as it comes. Also thins out the access log."""

    access_log: bool = True
    """Whether each request, other than a probe's, leaves one line."""

    sample_ratio: Annotated[float, LIVE] = Field(default=1.0, ge=0, le=1)
    """The share of new traces that is recorded, 0..1; a caller's own decision (traceparent) is followed."""

    exporter: Exporter = "auto"
    """Where spans, metrics and logs go. `auto` is `otlp` once an endpoint is known and `none` without one; `memory`
    keeps the newest 10,000 spans and lines for whoever holds the container."""

    logs_exported: bool = True
    """Whether log lines go to the collector as well, where one is known; they are written in any case."""

    otlp_endpoint: str = Field(default="", pattern=r"^(https?://\S+)?$")
    """Base address of an OTLP/HTTP collector, such as `http://localhost:4318`; `/v1/traces` is added."""

    otlp_timeout_s: float = Field(default=2.0, gt=0, le=60)
    """How long one export may take, in seconds, retries included."""

    metric_interval_s: float = Field(default=60.0, gt=0, le=3600)
    """Seconds between two exports of metrics to the collector; `/metrics` is always current."""

    global_providers: bool = False
    """Whether libraries that ask OpenTelemetry's globals for a tracer or a meter get this application's. They can be set
    once in a process, so only the first application that asks for it has them."""

    service_name: str = Field(default="", max_length=255)
    """`service.name` of everything that is sent; the application's own name when empty."""

    silent_paths: tuple[str, ...] = ("/livez", "/readyz", "/startupz", "/healthz", "/health/", "/metrics")
    """Paths whose requests leave neither span nor log line nor metric, since probes come every second; "/x/"
    means all below it."""

    @field_validator("silent_paths")
    @classmethod
    def _absolute(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [path for path in paths if not path.startswith("/")]:
            raise ValueError(f"a path begins with '/': {wrong[0]!r}")
        return paths
