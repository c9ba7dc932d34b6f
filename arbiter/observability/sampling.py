"""Which traces are recorded: a share that may change while running, and none at all while nobody listens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult, TraceIdRatioBased
from opentelemetry.trace import (
    Link,
    NoOpTracer,
    Span,
    SpanKind,
    Tracer,
    TraceState,
    get_current_span,
    use_span,
)
from opentelemetry.util._decorator import _agnosticcontextmanager
from opentelemetry.util.types import Attributes

from arbiter.observability.settings import ObservabilitySettings
from arbiter.protocols import Live
from arbiter.tracing import MAKER

__all__ = ["Listened", "ListeningProvider", "LiveRatio"]


_ON_EXCEPTION = ("record_exception", "set_status_on_exception")


class LiveRatio(Sampler):
    """Records `sample_ratio` of new traces, by their id, so that every service of a trace decides alike."""

    def __init__(self, settings: Live[ObservabilitySettings]) -> None:
        self._settings = settings
        self._fixed = TraceIdRatioBased(settings.current.sample_ratio)

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Decide by the ratio in force now."""
        ratio, fixed = self._settings.current.sample_ratio, self._fixed
        if fixed.rate != ratio:
            fixed = self._fixed = TraceIdRatioBased(ratio)
        return fixed.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        """What OpenTelemetry calls this sampler."""
        return f"LiveRatio{{{self._settings.current.sample_ratio}}}"


class ListeningProvider(TracerProvider):
    """A tracer provider that knows whether anything takes its spans."""

    listened = False

    def get_tracer(self, *args: Any, **kwargs: Any) -> Tracer:
        """A tracer whose spans know it, so that `arbiter.tracing` finds it where they are current."""
        tracer = super().get_tracer(*args, **kwargs)
        return tracer if isinstance(tracer, NoOpTracer) else _MarkingTracer(tracer)

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        """Give `span_processor` every span from now on."""
        self.listened = True
        super().add_span_processor(span_processor)


class _MarkingTracer(Tracer):
    def __init__(self, tracer: Tracer) -> None:
        self._start_span = tracer.start_span

    def start_span(self, *args: Any, **kwargs: Any) -> Span:
        span = self._start_span(*args, **kwargs)
        setattr(span, MAKER, self)
        return span

    @_agnosticcontextmanager
    def start_as_current_span(
        self, name: str, *args: Any, end_on_exit: bool = True, **kwargs: Any
    ) -> Iterator[Span]:
        record = {key: kwargs[key] for key in _ON_EXCEPTION if key in kwargs}
        span = self.start_span(name, *args, **kwargs)
        with use_span(span, end_on_exit=end_on_exit, **record):
            yield span


class Listened(Sampler):
    """Records nothing while nothing takes the spans: ids still run through logs and calls, at a quarter of
    the cost.
    """

    def __init__(self, decide: Sampler) -> None:
        self._decide = decide
        self.provider: ListeningProvider | None = None

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Drop while nobody listens, else ask the sampler behind."""
        if self.provider is None or self.provider.listened:
            return self._decide.should_sample(
                parent_context, trace_id, name, kind, attributes, links, trace_state
            )
        parent = get_current_span(parent_context).get_span_context()
        return SamplingResult(Decision.DROP, None, parent.trace_state if parent.is_valid else None)

    def get_description(self) -> str:
        """What OpenTelemetry calls this sampler."""
        return f"Listened{{{self._decide.get_description()}}}"
