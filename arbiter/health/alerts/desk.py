"""What is on: turns events into alerts, each once, and says which are due to be told again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from opentelemetry import trace

from arbiter.events import SettingsApplied
from arbiter.health.alerts.alert import Alert, Key
from arbiter.health.alerts.rules import Turn, turns_of
from arbiter.protocols import Clock

__all__ = ["Desk"]


@dataclass(slots=True)
class _On:
    alert: Alert
    told_at: float


class Desk:
    """Remembers the alarms that are on. Safe for threads.

    Args:
        clock: dates the alerts and says when one is due again.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._on: dict[Key, _On] = {}
        self._generation = 1
        self._lock = threading.Lock()

    @property
    def firing(self) -> tuple[Alert, ...]:
        """The alerts that are on, the oldest first."""
        with self._lock:
            return tuple(held.alert for held in self._on.values())

    def take(self, event: object) -> tuple[Alert, ...]:
        """The alerts that this event makes; none where it brings nothing new."""
        if isinstance(event, SettingsApplied):
            self._generation = event.generation
        turns = tuple(turns_of(event))
        if not turns:
            return ()
        with self._lock:
            return tuple(self._turned(turns))

    def due(self, repeat_s: float) -> tuple[Alert, ...]:
        """The alerts that are on and were last told `repeat_s` seconds ago or more; they count as told now."""
        now = self._clock.monotonic()
        with self._lock:
            again = [held for held in self._on.values() if now - held.told_at >= repeat_s]
            for held in again:
                held.told_at = now
            return tuple(held.alert for held in again)

    def next_due_s(self, repeat_s: float) -> float:
        """Seconds until the next one is due; `repeat_s` where none is on."""
        now = self._clock.monotonic()
        with self._lock:
            return min((held.told_at + repeat_s - now for held in self._on.values()), default=repeat_s)

    def _turned(self, turns: tuple[Turn, ...]) -> Iterator[Alert]:
        now, at, trace_id = self._clock.now(), self._clock.monotonic(), _trace_id()
        for turn in turns:
            key = (turn.name, turn.subject, turn.critical)
            if not turn.on:
                if (held := self._on.pop(key, None)) is not None:
                    yield self._over(held.alert, turn, now)
            elif turn.anew or key not in self._on:
                alert = self._begun(turn, now, trace_id)
                self._on[key] = _On(alert, at)
                yield alert

    def _begun(self, turn: Turn, now: datetime, trace_id: str) -> Alert:
        return Alert(
            turn.name, turn.subject, turn.critical, turn.summary, now,
            old=turn.old, new=turn.new, trace_id=trace_id, generation=self._generation,
        )  # fmt: skip

    def _over(self, alert: Alert, turn: Turn, now: datetime) -> Alert:
        return replace(
            alert, summary=turn.summary, ended=now, old=turn.old, new=turn.new, generation=self._generation
        )


def _trace_id() -> str:
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else ""
