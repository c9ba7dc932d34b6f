"""Framework events as events of the span during which they happen."""

from __future__ import annotations

from opentelemetry import trace

from arbiter.events import BreakerChanged, CallRejected, CallRetried, FellBack

__all__ = ["SpanEvents"]


class SpanEvents:
    """An `EventSink` that notes on the current span, where it is recorded, what befell a guarded call within it.

    A circuit's transition is noted on the span of the call that caused it; one that time, an operator or another
    instance caused has no span.
    """

    def publish(self, event: object) -> None:
        """Note one event; others than those of guarded calls are passed over."""
        if not isinstance(event, BreakerChanged | CallRejected | CallRetried | FellBack):
            return
        span = trace.get_current_span()
        if not span.is_recording():
            return
        match event:
            case BreakerChanged(name=name, old=old, new=new):
                span.add_event("circuit_breaker.changed", {"operation": name, "old": old, "new": new})
            case CallRejected(name=name, reason=reason):
                span.add_event("call.rejected", {"operation": name, "reason": reason})
            case CallRetried(name=name, attempt=attempt, wait_s=wait_s, error=error):
                seen: dict[str, str | float] = {
                    "operation": name,
                    "attempt": attempt,
                    "wait_s": wait_s,
                    "error": error,
                }
                span.add_event("call.retried", seen)
            case FellBack(name=name, to=to, error=error):
                span.add_event("call.fell_back", {"operation": name, "to": to, "error": error})
