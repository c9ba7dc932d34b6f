"""What a start did and how long each part took, readable from any thread while it goes on."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime

__all__ = ["StartUp", "StepTiming", "Timeline"]


@dataclass(frozen=True, slots=True)
class StepTiming:
    """One component's part in the start.

    Attributes:
        name: the provider's dotted name; one with work of its own that looks at all others comes twice.
        began_s: seconds from the beginning of the start.
        duration_s: how long it took, or has taken until now.
        outcome: running, started or failed.
        error: why it failed, or an empty string.
    """

    name: str
    began_s: float
    duration_s: float
    outcome: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class StartUp:
    """The last start, or the one that is under way.

    Attributes:
        outcome: never, running, started or failed.
        started_at: when it began, in UTC.
        duration_s: how long the whole took, or has taken until now.
        steps: its parts, in start order.
    """

    outcome: str = "never"
    started_at: datetime | None = None
    duration_s: float = 0.0
    steps: tuple[StepTiming, ...] = ()


class Timeline:
    """Takes down the start as it goes; one thread writes, any may read."""

    def __init__(self) -> None:
        self._begun = 0.0
        self._whole = StartUp()
        self._steps: dict[int, StepTiming] = {}

    def begin(self) -> None:
        """A start begins; the last one is forgotten."""
        self._begun = time.monotonic()
        self._steps = {}
        self._whole = StartUp("running", datetime.now(UTC))

    def step_began(self, place: int, name: str) -> None:
        """The step in this place of the order begins."""
        self._steps[place] = StepTiming(name, self._since(), 0.0, "running")

    def step_ended(self, place: int, error: BaseException | None) -> None:
        """The step in this place has ended."""
        step = self._steps[place]
        outcome, words = ("failed", str(error)) if error is not None else ("started", "")
        self._steps[place] = replace(
            step, duration_s=self._since() - step.began_s, outcome=outcome, error=words
        )

    def end(self, *, well: bool) -> None:
        """The start is over."""
        self._whole = replace(
            self._whole,
            outcome="started" if well else "failed",
            duration_s=self._since(),
            steps=self._parts(),
        )

    def seen(self) -> StartUp:
        """The start as it stands now."""
        if self._whole.outcome != "running":
            return self._whole
        return replace(self._whole, duration_s=self._since(), steps=self._parts())

    def _since(self) -> float:
        return time.monotonic() - self._begun

    def _parts(self) -> tuple[StepTiming, ...]:
        now = self._since()
        return tuple(
            replace(step, duration_s=now - step.began_s) if step.outcome == "running" else step
            for _, step in sorted(self._steps.copy().items())
        )
