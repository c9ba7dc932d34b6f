"""What the settings in force make of one operation: its breaker, limit and deadline, and the gate that they need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import Any, Final

from arbiter.events import CallEnded
from arbiter.resilience.breaker import CircuitBreaker
from arbiter.resilience.call import NO_BREAKER, NoBreaker, Parts
from arbiter.resilience.counted import Counted
from arbiter.resilience.deadline import DeadlineQueue
from arbiter.resilience.layers import Layers
from arbiter.resilience.outcome import Outcome
from arbiter.resilience.plan import Plan
from arbiter.resilience.policy import Policy
from arbiter.resilience.pool import Pool
from arbiter.resilience.registry import policy_of
from arbiter.resilience.settings import ResilienceSettings
from arbiter.resilience.states import DISABLED
from arbiter.resilience.tally import Tally

__all__ = ["Fitting"]

_POLL_S: Final = 0.05
"""How old the settings that a call sees may be: reading them anew for each call would double its cost."""


class Fitting:
    """One operation, fitted to its settings; `Seam` is what calls go through.

    Args:
        name: the operation, `<provider>.<method>`.
        parts: what it shares with the guard's other seams.
        plan: the method. An async one can be ended by a deadline, a sync one stays on its caller's thread.
        pool: the threads of its component, where it is offloaded.

    Attributes:
        gate: what brackets a call.
        tally: its counts.
        layers: retry and fallback.
        pool: see above.
        fails_if: says whether a result is a failure; None where none is.
        users: how many proxies hold it.
    """

    __slots__ = (
        "_applied",
        "_breaker",
        "_circuit",
        "_known",
        "_limit",
        "_monotonic",
        "_overrun_s",
        "_parts",
        "_plan",
        "_queue",
        "_recheck_at",
        "_rules",
        "_timeout_s",
        "era",
        "fails_if",
        "gate",
        "layers",
        "name",
        "pool",
        "quiet",
        "tally",
        "tracer",
        "users",
    )

    gate: CircuitBreaker | NoBreaker | Counted | Fitting
    fails_if: Callable[[Any], bool] | None

    def __init__(self, name: str, parts: Parts, plan: Plan, pool: Pool | None = None) -> None:
        # Of the instance, since reading them off the class takes CPython 3.11 six times as long.
        self.era: Final = 0
        self.quiet: Final = False
        about = plan.about
        if about.ignore or about.answers or about.record:
            parts = replace(parts, rules=parts.rules.extended(about.ignore, about.answers, about.record))
        self.name, self.tracer, self.tally = name, parts.tracer, Tally(name)
        self.users = 0
        self.pool, self.fails_if = pool, about.fails_if
        self.layers = Layers(name, parts, self.tally)
        self._parts, self._plan = parts, plan
        self._rules, self._known = parts.rules, parts.rules.known
        self._circuit = parts.breakers.get(name, rules=parts.rules, interval=about.open_interval_s)
        self._monotonic = parts.clock.monotonic
        self._queue: DeadlineQueue | None = None
        self._recheck_at = 0.0
        self._applied: ResilienceSettings | None = None
        self.refresh()

    def refresh(self) -> None:
        """Take the settings in force; counts and the breaker's state stay."""
        settings = self._parts.settings.current
        self._recheck_at = self._monotonic() + _POLL_S
        if settings is not self._applied:
            self._applied = settings
            self._apply(policy_of(settings, self.name))

    def _apply(self, policy: Policy) -> None:
        self._circuit.configure(policy)
        self.layers.policy = policy
        self._breaker: CircuitBreaker | NoBreaker = self._circuit if policy.enabled else NO_BREAKER
        self._timeout_s = policy.timeout_s if self._plan.is_async else None
        self._overrun_s = inf if self._timeout_s is None or self._plan.is_lasting else self._timeout_s
        self._limit, self._queue = policy.max_concurrent, None
        if self.tracer or self._timeout_s or self._limit or self._plan.is_lasting:
            self.gate = self
        else:
            self.gate = Counted(self) if self._parts.measure or policy.slow_call_s else self._breaker

    def tell(self, outcome: Outcome, seconds: float, error: BaseException) -> None:
        """Publish how a call ended that did not simply return, unless its circuit is disabled."""
        if self._parts.events is not None and self._circuit.current_state != DISABLED:
            self._parts.events.publish(CallEnded(self.name, outcome.value, seconds, type(error).__name__))
