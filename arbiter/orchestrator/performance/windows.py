"""Performance over sliding windows, kept as events come: an event is counted once, in the minute that it was stored in.

The windows are those of component ARBITER-004: how long each looks back, by what it slides on, and how many executions
it needs before it says anything.

| window   | looks back | slides by  | needs |
|----------|------------|------------|-------|
| realtime | 5 minutes  | 1 minute   | 10    |
| short    | 1 hour     | 15 minutes | 50    |
| medium   | 24 hours   | 4 hours    | 100   |
| long     | 7 days     | 1 day      | 500   |

A minute that is over is added to the slots of the longer windows, so that of one agent 5 + 4 + 6 + 7 slots are kept
however many events there are. A window ends now, and holds its last slots: up to one slide more than it is called.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from arbiter.orchestrator.performance.models import Profile
from arbiter.orchestrator.performance.sketch import percentile
from arbiter.orchestrator.performance.sums import Sums

__all__ = ["REALTIME", "WINDOWS", "AgentWindows", "Execution", "Window"]


@dataclass(frozen=True, slots=True)
class Window:
    """How a window looks at the past; durations in seconds."""

    name: str
    duration_s: int
    slide_s: int
    needs: int

    @property
    def slots(self) -> int:
        """How many slots it holds."""
        return self.duration_s // self.slide_s


REALTIME: Final = Window("realtime", 300, 60, 10)
WINDOWS: Final = (
    REALTIME,
    Window("short", 3600, 900, 50),
    Window("medium", 86_400, 14_400, 100),
    Window("long", 604_800, 86_400, 500),
)
_MINUTE_S: Final = REALTIME.slide_s


@dataclass(frozen=True, slots=True)
class Execution:
    """What windows need of one completed execution; `at_s` is when it was stored, in seconds since 1970."""

    agent_id: str
    at_s: float
    success: bool | None = None
    quality_score: float | None = None
    latency_ms: float | None = None
    cost: float | None = None


@dataclass(slots=True, kw_only=True)
class _Slot(Sums):
    """The executions of one stretch of time, which begins at `begin_s`."""

    begin_s: int = 0


class AgentWindows:
    """One agent's windows."""

    __slots__ = ("_minute", "_slots")

    def __init__(self) -> None:
        self._minute: _Slot | None = None
        self._slots: dict[str, deque[_Slot]] = {window.name: deque(maxlen=window.slots) for window in WINDOWS}

    def count(self, one: Execution) -> bool:
        """Count an execution; whether a minute ended with that. Whatever comes late counts in the present minute."""
        ended = self.turn(one.at_s)
        self._present(one.at_s).tally(one)
        return ended

    def add(self, executions: Sums, at_s: float) -> bool:
        """As `count`, for what executions come to that were all stored at `at_s`."""
        ended = self.turn(at_s)
        self._present(at_s).add(executions)
        return ended

    def _present(self, at_s: float) -> _Slot:
        if self._minute is None:
            self._minute = _Slot(begin_s=int(at_s) // _MINUTE_S * _MINUTE_S)
        return self._minute

    def turn(self, now_s: float) -> bool:
        """Put the present minute away if it is over; whether it was."""
        minute = self._minute
        if minute is None or now_s < minute.begin_s + _MINUTE_S:
            return False
        self._minute = None
        for window in WINDOWS:
            slots, begin = self._slots[window.name], minute.begin_s // window.slide_s * window.slide_s
            if not slots or slots[-1].begin_s != begin:
                slots.append(_Slot(begin_s=begin))
            slots[-1].add(minute)
        return True

    def profile(self, window: Window, now_s: float) -> Profile | None:
        """What the window shows now; None while it holds too few executions."""
        oldest = now_s - window.duration_s - window.slide_s
        held = [slot for slot in self._slots[window.name] if slot.begin_s > oldest]
        if self._minute is not None:
            held.append(self._minute)
        return _profile(window, held) if sum(slot.events for slot in held) >= window.needs else None


def _profile(window: Window, held: Iterable[_Slot]) -> Profile:
    total = Sums()
    for slot in held:
        total.add(slot)
    return Profile(
        window=window.name,
        executions=total.events,
        success_rate=_mean(total.succeeded, total.judged),
        average_quality=_mean(total.quality_sum, total.rated),
        average_latency_ms=_mean(total.latency_sum_ms, total.timed),
        p95_latency_ms=percentile(total.latencies, 0.95),
        average_cost=_mean(total.cost, total.priced),
    )


def _mean(total: float, count: int) -> float | None:
    return total / count if count else None
