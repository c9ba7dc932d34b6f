"""The ordered engine: starts steps in dependency order, stops them in reverse, within budgets, whatever fails.

A step's start says how it is undone while it goes, so that a start that fails half-way is undone half-way. The
engine knows nothing of containers; `arbiter.container` makes steps of providers.
"""

from __future__ import annotations

import asyncio
import enum
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from arbiter.errors import LifecycleStateError, StepFailed
from arbiter.events import StepFinished
from arbiter.lifecycle.hooks import GRACE_S, Hook, Immediate, Looped, Runner, Where, drive
from arbiter.lifecycle.order import in_order
from arbiter.lifecycle.settings import LifecycleSettings
from arbiter.lifecycle.started import Started
from arbiter.lifecycle.starting import OnStop, Starting, Step, in_turn, together
from arbiter.lifecycle.timeline import StartUp, Timeline
from arbiter.lifecycle.wording import failed

__all__ = ["Engine", "OnStop", "Starting", "State", "Step"]


class State(enum.Enum):
    """Where an engine is in its life. A stopped one may start again; a failed start leads to `STOPPED`."""

    NEW = "new"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"


class Engine:
    """Drives steps through one state machine; one loop at a time.

    Args:
        publish: takes a `StepFinished` for each step started and stopped; must not raise.
        budgets: how long things may take; may be replaced while the engine is at rest.
        on_rest: called when everything has stopped, also after a start that failed.
    """

    def __init__(
        self,
        publish: Callable[[object], None],
        budgets: LifecycleSettings | None = None,
        *,
        on_rest: Callable[[], None] = lambda: None,
    ) -> None:
        self.budgets = budgets or LifecycleSettings()
        self._publish, self._on_rest = publish, on_rest
        self._state = State.NEW
        self._started: list[Started] = []
        self._queue: deque[Step] = deque()
        self._timeline = Timeline()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._phase: asyncio.Task[None] | None = None

    @property
    def state(self) -> State:
        """Where it is in its life."""
        return self._state

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing runs, so that it can start."""
        return self._state in {State.NEW, State.STOPPED}

    @property
    def pending(self) -> tuple[str, ...]:
        """Names of what still has to stop, the next (or the one that is stopping) first."""
        return tuple(started.name for started in reversed(self._started) if started.undo)

    @property
    def startup(self) -> StartUp:
        """The last start, or the one that is under way, with the time of each step."""
        return self._timeline.seen()

    @property
    def stops_without_loop(self) -> bool:
        """Whether nothing that started needs a loop to stop."""
        return all(hook.where is not Where.LOOP for started in self._started for hook in started.undo)

    async def start(self, steps: Iterable[Step]) -> None:
        """Start the steps, each after those it depends on; undo all of it when one fails or the caller is cancelled.

        Raises:
            ExceptionGroup: a `StepFailed` for each step that failed or took too long, and for each failure while
                undoing; what had started was stopped again.
            CycleFound: before anything was started.
            LifecycleStateError: it is not at rest.
        """
        self._queue_up(steps)
        self._loop = asyncio.get_running_loop()
        phase = self._enter(State.STARTING, self._start_all(Looped()))
        await self._see_through(phase, cancel=True)

    async def stop(self) -> None:
        """Stop what started, in reverse, to the last, whatever fails; waits for a start or stop under way.

        Cancelling the caller does not cut it short: it is bounded by its budgets.

        Raises:
            ExceptionGroup: a `StepFailed` for each step that failed or took too long.
            LifecycleStateError: it was started in another loop.
        """
        self._refuse_other_loop()
        while self._state is State.STARTING and self._phase is not None:
            await asyncio.wait({self._phase})
        if self._state is State.RUNNING:
            self._loop = asyncio.get_running_loop()
            self._enter(State.STOPPING, self._stop_all(Looped()))
        if self._state is State.STOPPING and self._phase is not None:
            await self._see_through(self._phase)

    def start_now(self, steps: Iterable[Step]) -> None:
        """Like `start()`, at the call and without a loop, for steps that never wait."""
        self._queue_up(steps)
        self._loop = None
        self._state = State.STARTING
        try:
            drive(self._start_all(Immediate()))
        except BaseException:
            self._state = State.STOPPED
            raise
        self._state = State.RUNNING

    def stop_now(self) -> None:
        """Like `stop()`, at the call and in the calling thread, without budgets, where nothing needs a loop."""
        if self._state in {State.STARTING, State.STOPPING}:
            raise LifecycleStateError(f"cannot stop at the call: it is {self._state.value}")
        if self._state is not State.RUNNING:
            return
        self._state = State.STOPPING
        try:
            drive(self._stop_all(Immediate()))
        finally:
            self._state = State.STOPPED

    def append(self, step: Step) -> None:
        """While starting: start this one as well, after all others; what it depends on has started by then."""
        self._queue.append(step)

    def take_over(self, name: str, call: Callable[[], Any], *, where: Where = Where.LOOP) -> None:
        """Stop this as well, before all others: something that began without the engine."""
        stray = Started(name, len(self._started), Immediate())
        stray(call, where=where)
        self._started.append(stray)
        if self.is_at_rest:
            self._state, self._loop = State.RUNNING, None

    def refuse_unless_at_rest(self) -> None:
        """Make sure that it can start.

        Raises:
            LifecycleStateError: it cannot, since it runs, starts or stops.
        """
        if not self.is_at_rest:
            raise LifecycleStateError(
                f"cannot start: it is {self._state.value}",
                hint="start it once, and stop it before starting it again",
            )

    def _queue_up(self, steps: Iterable[Step]) -> None:
        self.refuse_unless_at_rest()
        named = {step.name: step for step in steps}
        self._queue = deque(
            named[name] for name in in_order({k: step.depends_on for k, step in named.items()})
        )

    def _refuse_other_loop(self) -> None:
        if self._state not in {State.STARTING, State.RUNNING, State.STOPPING} or self._loop is None:
            return
        if self._loop is not asyncio.get_running_loop() and not self.stops_without_loop:
            raise LifecycleStateError(
                "cannot stop: it was started in another event loop",
                hint="start and stop within one asyncio.run(); `async with` does both",
            )

    def _enter(self, state: State, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        self._state = state
        self._phase = asyncio.get_running_loop().create_task(work, name=f"lifecycle {state.value}")
        self._phase.add_done_callback(self._leave)
        return self._phase

    def _leave(self, phase: asyncio.Task[None]) -> None:
        well = not phase.cancelled() and phase.exception() is None
        self._state = State.RUNNING if well and self._state is State.STARTING else State.STOPPED

    @staticmethod
    async def _see_through(phase: asyncio.Task[None], *, cancel: bool = False) -> None:
        """Wait for the phase to end, however often the waiting task is cancelled; pass on one cancellation."""
        cancelled: asyncio.CancelledError | None = None
        while not phase.done():
            try:
                await asyncio.wait({phase})
            except asyncio.CancelledError as error:
                if cancel and cancelled is None:
                    phase.cancel()
                cancelled = error
        if cancelled is not None:
            raise cancelled
        phase.result()

    async def _start_all(self, runner: Runner) -> None:
        deadline = time.monotonic() + self.budgets.start_s
        self._timeline.begin()
        failures: list[StepFailed] = []
        try:
            failures = await self._start_in_order(runner, deadline)
        except BaseException:  # cancelled: undone all the same
            await self._unwind(runner)
            self._timeline.end(well=False)
            raise
        if failures:
            names = ", ".join(failure.name for failure in failures)
            undone = await self._unwind(runner)
            self._timeline.end(well=False)
            raise ExceptionGroup(f"start failed: {names}", [*failures, *undone])
        runner.close()
        self._timeline.end(well=True)

    async def _start_in_order(self, runner: Runner, deadline: float) -> list[StepFailed]:
        async def start(step: Step) -> StepFinished:
            return await self._start_one(step, places[step.name], runner, deadline)

        steps, self._queue = list(self._queue), deque()
        places = {step.name: place for place, step in enumerate(steps)}
        if self.budgets.start_at_once > 1 and isinstance(runner, Looped):
            failures = await together(steps, start, self._publish, at_once=self.budgets.start_at_once)
        else:
            failures = await in_turn(steps, start, self._publish)
        while self._queue and not failures:
            # What was appended while the others started comes last, one after the other.
            step = self._queue.popleft()
            places[step.name] = len(self._started)
            failures = await in_turn([step], start, self._publish)
        self._queue.clear()
        return failures

    async def _start_one(self, step: Step, place: int, runner: Runner, deadline: float) -> StepFinished:
        started = Started(step.name, place, runner)
        self._started.append(started)
        began = time.monotonic()
        self._timeline.step_began(place, step.name)
        budget_s = min(self.budgets.start_of(step.name), max(deadline - began, GRACE_S))
        error: StepFailed | None = None
        try:
            await runner.run(Hook(step.name, lambda: step.start(started)), budget_s)
        except Exception as raised:  # noqa: BLE001  it is raised with all others, once what had started has stopped
            error = failed(step.name, "start", raised)
        self._timeline.step_ended(place, error)
        return StepFinished(step.name, "start", time.monotonic() - began, error)

    async def _stop_all(self, runner: Runner) -> None:
        failures = await self._unwind(runner)
        if failures:
            names = ", ".join(dict.fromkeys(failure.name for failure in failures))
            raise ExceptionGroup(f"stop failed: {names}", failures)

    async def _unwind(self, runner: Runner) -> list[StepFailed]:
        deadline = time.monotonic() + self.budgets.hooks_s
        failures: list[StepFailed] = []
        self._started.sort(key=lambda started: started.place)
        while self._started:
            # It leaves the list only when it has stopped: until then it is pending.
            failures += await self._stop_one(self._started[-1], runner, deadline)
            self._started.pop().close()
        runner.close()
        self._on_rest()
        return failures

    async def _stop_one(self, started: Started, runner: Runner, deadline: float) -> list[StepFailed]:
        if not started.undo:
            return []
        failures: list[StepFailed] = []
        began = time.monotonic()
        for hook in reversed(started.undo):
            try:
                left_s = max(deadline - time.monotonic(), GRACE_S)
                await runner.run(hook, self.budgets.stop_within(started.name, left_s))
            except Exception as error:  # noqa: BLE001  the others must stop as well; all failures are raised at the end
                failures.append(failed(hook.name, "stop", error))
        self._publish(
            StepFinished(started.name, "stop", time.monotonic() - began, next(iter(failures), None))
        )
        return failures
