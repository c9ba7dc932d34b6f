"""What a seam is made of: what it shares with its neighbours, and the record of one call on its way through."""

from __future__ import annotations

from contextvars import Token
from dataclasses import dataclass
from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import Span, Tracer

from arbiter.protocols import Clock, EventSink, Live
from arbiter.resilience.deadline import DeadlineQueue, Deadlines, Expiring
from arbiter.resilience.outcome import Outcome, Rules
from arbiter.resilience.registry import BreakerRegistry
from arbiter.resilience.settings import ResilienceSettings

__all__ = ["NO_BREAKER", "Call", "NoBreaker", "Parts"]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the seams of one guard share; `tracer` is None where spans go nowhere."""

    settings: Live[ResilienceSettings]
    breakers: BreakerRegistry
    deadlines: Deadlines
    clock: Clock
    tracer: Tracer | None
    events: EventSink | None
    rules: Rules
    measure: bool


class Call(Expiring):
    """One call on its way through a seam."""

    __slots__ = ("context", "era", "paused", "queue", "span", "started")

    context: Token[Context]
    era: int
    paused: float
    queue: DeadlineQueue | None
    span: Span
    started: float


class NoBreaker:
    """What stands in a breaker's place when settings take it out."""

    __slots__ = ("era", "quiet")

    def __init__(self) -> None:
        self.era: Final = 0
        self.quiet: Final = True

    def admit(self) -> int:
        """Let the call through."""
        return 0

    def ask(self, now: float) -> int:  # noqa: ARG002  a breaker's
        """Let the call through."""
        return 0

    def succeeded(self, era: int, seconds: float = 0.0) -> None:
        """Pass over a verdict."""

    def failed(self, era: int, error: BaseException, seconds: float = 0.0) -> None:
        """Pass over a verdict."""

    def unwanted(self, era: int, result: object, seconds: float = 0.0) -> None:
        """Pass over a verdict."""

    def released(self, era: int) -> None:
        """Pass over the end of a call."""

    dismissed = released

    def raised(self, era: int, error: BaseException) -> None:
        """Pass over an error."""

    def judge(self, era: int, error: BaseException, outcome: Outcome, seconds: float = 0.0) -> None:
        """Pass over a verdict."""


NO_BREAKER: Final = NoBreaker()
