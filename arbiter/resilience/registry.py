"""All circuit breakers of a process: made on demand, listed, steered, measured.

A breaker is named `<provider>.<method>`; its policy is that operation's in the live settings. `refresh()` brings new
settings to every breaker; states and counts stay.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from random import Random
from typing import Any, Final

import pybreaker

from arbiter.errors import NotFound
from arbiter.protocols import CheckResult, Clock, EventSink, Live, Measurement, Status
from arbiter.resilience.backoff import Interval
from arbiter.resilience.breaker import CircuitBreaker
from arbiter.resilience.outcome import Rules
from arbiter.resilience.policy import Policy
from arbiter.resilience.settings import ResilienceSettings
from arbiter.resilience.shared.breaker import SharedBreaker
from arbiter.resilience.shared.fleet import SharedCircuits
from arbiter.resilience.shared.stored import StoredBreaker
from arbiter.resilience.states import CLOSED, DISABLED, OBSERVED, STATES, BreakerStatus

__all__ = ["ACTIONS", "BreakerRegistry", "BreakerUnknown", "policy_of"]

ACTIONS: Final = ("open", "close", "reset", "disable", "observe")
"""What an operator can do with a breaker; each is a method of the registry."""


class BreakerUnknown(NotFound):
    """No breaker has that name."""

    code = "breaker-not-found"

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        near = get_close_matches(name, known, n=3)
        super().__init__(
            f"there is no circuit breaker {name!r}",
            hint=f"did you mean {' or '.join(near)}?"
            if near
            else f"known are: {', '.join(known) or 'none yet'}",
            field="name",
        )


def policy_of(settings: ResilienceSettings, name: str) -> Policy:
    """The policy of the operation `name` (`<provider>.<method>`, the provider's name may be dotted)."""
    provider, _, method = name.rpartition(".")
    return settings.policy(provider, method)


class BreakerRegistry:
    """The breakers by name. Safe for threads.

    Args:
        settings: read when a breaker is made, and by `refresh()`.
        clock: given to each breaker.
        events: takes their transitions and rejections.
        rules: what counts as a failure where a breaker is called by itself.
        seed: makes the jitter repeatable; each breaker draws its own sequence from it.
        sharing: whom the breakers are shared with, if with anybody.
        storage: makes one of pybreaker's storages for the breaker of a name; see `StoredBreaker`.
    """

    def __init__(
        self,
        settings: Live[ResilienceSettings],
        clock: Clock,
        events: EventSink | None = None,
        *,
        rules: Rules | None = None,
        seed: int | None = None,
        sharing: SharedCircuits | None = None,
        storage: Callable[[str], pybreaker.CircuitBreakerStorage] | None = None,
    ) -> None:
        self._storage = storage
        self._sharing = sharing if sharing is not None and sharing.is_shared else None
        self._settings, self._clock, self._events = settings, clock, events
        self._rules, self._seed = rules, seed
        self._breakers: dict[str, CircuitBreaker] = {}
        self._lock = threading.Lock()

    def get(
        self, name: str, *, rules: Rules | None = None, interval: Interval | None = None
    ) -> CircuitBreaker:
        """The breaker of that name, made now if there is none: then with these rules and this interval function."""
        with self._lock:
            found = self._breakers.get(name)
            if found is None:
                found = self._breakers[name] = self._make(name, rules or self._rules, interval)
        return found

    def discard(self, name: str) -> None:
        """Forget a breaker that nothing uses any more; unknown names are passed over."""
        with self._lock:
            self._breakers.pop(name, None)
        if self._sharing is not None:
            self._sharing.leave(name)

    def list(self) -> tuple[BreakerStatus, ...]:
        """How every breaker stands, by name."""
        return tuple(breaker.status() for _, breaker in self._sorted())

    def snapshot(self) -> dict[str, BreakerStatus]:
        """How every breaker stands, under its name."""
        return {status.name: status for status in self.list()}

    def open(self, name: str) -> BreakerStatus:
        """Reject every call from now on, until closed or reset by hand."""
        breaker = self._known(name)
        breaker.force_open()
        return breaker.status()

    def close(self, name: str) -> BreakerStatus:
        """Let calls through again."""
        breaker = self._known(name)
        breaker.close()
        return breaker.status()

    def reset(self, name: str) -> BreakerStatus:
        """Close, with all counts at zero; what is in flight is not counted."""
        breaker = self._known(name)
        breaker.reset()
        return breaker.status()

    def disable(self, name: str) -> BreakerStatus:
        """Let every call through and count nothing, until closed or reset by hand."""
        breaker = self._known(name)
        breaker.disable()
        return breaker.status()

    def act(self, name: str, action: str) -> tuple[BreakerStatus, BreakerStatus]:
        """Do one of `ACTIONS`; how the breaker stood before and after.

        Raises:
            BreakerUnknown: there is none of that name.
            TransitionRefused: it cannot go there from where it is.
            ValueError: there is no such action.
        """
        if action not in ACTIONS:
            raise ValueError(f"{action!r} is none of {', '.join(ACTIONS)}")
        before = self._known(name).status()
        after: BreakerStatus = getattr(self, action)(name)
        return before, after

    def observe(self, name: str) -> BreakerStatus:
        """Let every call through and count, and tell what would have opened, until closed or reset by hand."""
        breaker = self._known(name)
        breaker.observe()
        return breaker.status()

    def refresh(self) -> None:
        """Bring the settings in force to every breaker."""
        settings = self._settings.current
        for name, breaker in self._sorted():
            breaker.configure(policy_of(settings, name))

    def troubled(self) -> dict[str, str]:
        """The breakers that are not closed, though they are in use, with their states."""
        return {
            status.name: status.state
            for status in self.list()
            if status.enabled and status.state not in (CLOSED, DISABLED, OBSERVED)
        }

    async def check(self) -> CheckResult:
        """Degraded while a circuit is not closed; never failed, since others may answer still."""
        troubled = [f"{name} is {state}" for name, state in self.troubled().items()]
        return CheckResult(Status.WARN, "; ".join(troubled)) if troubled else CheckResult(Status.PASS)

    def measurements(self) -> Iterator[Measurement]:
        """State (1 for the one it is in), transitions and rejections of every breaker."""
        for status in self.list():
            yield from _measurements_of(status)

    def _known(self, name: str) -> CircuitBreaker:
        found = self._breakers.get(name)
        if found is None:
            raise BreakerUnknown(name, tuple(sorted(self._breakers)))
        return found

    def _sorted(self) -> Sequence[tuple[str, CircuitBreaker]]:
        with self._lock:
            return sorted(self._breakers.items())

    def _make(self, name: str, rules: Rules | None, interval: Interval | None) -> CircuitBreaker:
        seed = None if self._seed is None else f"{self._seed}:{name}"
        policy = policy_of(self._settings.current, name)
        others: dict[str, Any] = {
            "clock": self._clock,
            "events": self._events,
            "rng": Random(seed),  # noqa: S311  jitter, not a secret
            "rules": rules,
            "interval": interval,
        }
        if self._storage is not None:
            return StoredBreaker(name, policy, storage=self._storage(name), **others)
        if self._sharing is None:
            return CircuitBreaker(name, policy, **others)
        shared = SharedBreaker(name, policy, fleet=self._sharing, **others)
        self._sharing.join(shared)
        return shared


def _measurements_of(status: BreakerStatus) -> Iterator[Measurement]:
    operation = ("operation", status.name)
    for state in STATES:
        yield Measurement(
            "arbiter.circuit_breaker.state",
            "gauge",
            float(state == status.state),
            "1 for the state that the circuit breaker is in.",
            "1",
            (operation, ("state", state)),
        )
    yield Measurement(
        "arbiter.circuit_breaker.transitions",
        "counter",
        status.transitions,
        "Changes of state.",
        "{transition}",
        (operation,),
    )
    yield Measurement(
        "arbiter.circuit_breaker.rejected",
        "counter",
        status.rejected,
        "Calls that the circuit breaker did not let through.",
        "{call}",
        (operation,),
    )
