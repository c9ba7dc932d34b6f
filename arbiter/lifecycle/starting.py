"""Starting steps in their order: one after the other, or those together that do not need each other."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from arbiter.errors import StepFailed
from arbiter.events import StepFinished
from arbiter.lifecycle.hooks import Where

__all__ = ["OnStop", "Starting", "Step", "in_turn", "together"]


class OnStop(Protocol):
    """Given to a step's start: takes what undoes the part that was just done; the last taken is called first."""

    def __call__(self, call: Callable[[], Any], *, where: Where = Where.LOOP) -> None:
        """Call `call` when the step stops; see `Where` for what it may be."""
        ...


class Starting(OnStop, Protocol):
    """The same, which also runs a part of the start that may block."""

    async def blocking(self, call: Callable[[], Any]) -> Any:
        """Call a plain function on a daemon thread (at the call, without a loop), and wait for its result."""
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to start.

    Attributes:
        name: unique among the steps; stands in errors and events.
        start: called with a `Starting`.
        depends_on: names of the steps that must have started before; names of no step count as met.
    """

    name: str
    start: Callable[[Starting], Coroutine[Any, Any, None]]
    depends_on: tuple[str, ...] = ()


Start = Callable[[Step], Coroutine[Any, Any, StepFinished]]
Publish = Callable[[StepFinished], None]


async def in_turn(steps: Sequence[Step], start: Start, publish: Publish) -> list[StepFailed]:
    """Start one after the other, until one fails, which is returned."""
    for step in steps:
        finished = await start(step)
        publish(finished)
        if failures := _failures({0: finished}):
            return failures
    return []


async def together(
    steps: Sequence[Step], start: Start, publish: Publish, *, at_once: int
) -> list[StepFailed]:
    """Start each as soon as what it needs has started; when one fails, those under way are cancelled.

    Args:
        steps: in an order in which each comes after what it needs.
        start: starts one.
        publish: told of each in the order of `steps`, whichever ends first.
        at_once: how many may be under way.

    Returns:
        What failed, in the order of `steps`.
    """
    ready = _Ready(steps)
    reports = _InOrder(publish)
    running: dict[asyncio.Task[StepFinished], int] = {}
    try:
        while not reports.failures:
            while len(running) < at_once and (place := ready.take()) is not None:
                running[asyncio.create_task(start(steps[place]), name=f"start {steps[place].name}")] = place
            if not running:
                break
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in [task for task in running if task.done()]:
                place = running.pop(task)
                reports.take(place, task.result())
                ready.met(place)
    finally:
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)
        for task, place in running.items():
            if not task.cancelled() and task.exception() is None:
                reports.take(place, task.result())
        reports.rest()
    return reports.failures


class _Ready:
    """Which steps may start, by their place."""

    def __init__(self, steps: Sequence[Step]) -> None:
        places = {step.name: place for place, step in enumerate(steps)}
        needs = [{places[need] for need in step.depends_on if need in places} for step in steps]
        self._unmet = [len(need) for need in needs]
        self._users: list[list[int]] = [[] for _ in steps]
        for place, need in enumerate(needs):
            for other in need:
                self._users[other].append(place)
        self._heap = [place for place, count in enumerate(self._unmet) if not count]

    def take(self) -> int | None:
        return heapq.heappop(self._heap) if self._heap else None

    def met(self, place: int) -> None:
        for user in self._users[place]:
            self._unmet[user] -= 1
            if not self._unmet[user]:
                heapq.heappush(self._heap, user)


class _InOrder:
    """Passes reports on in the order of their places."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._seen: dict[int, StepFinished] = {}
        self._next = 0

    @property
    def failures(self) -> list[StepFailed]:
        return _failures(self._seen)

    def take(self, place: int, finished: StepFinished) -> None:
        self._seen[place] = finished
        while self._next in self._seen:
            self._publish(self._seen[self._next])
            self._next += 1

    def rest(self) -> None:
        for place in sorted(self._seen):
            if place > self._next:
                self._publish(self._seen[place])


def _failures(seen: Mapping[int, StepFinished]) -> list[StepFailed]:
    return [seen[place].error for place in sorted(seen) if isinstance(seen[place].error, StepFailed)]  # type: ignore[misc]
