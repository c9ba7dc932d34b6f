"""Background work of components, supervised: begun when everything has started, ended before anything stops.

    class Stock:
        def __init__(self, background: Background) -> None: ...

        async def start(self) -> None:
            self._background.every("stock.count", 60, self.count)
            self._background.keep("stock.listen", self.listen, on_failure="degrade")

What fails is begun again after 1, 2, 4, 8 and 16 seconds (`lifecycle.restart_after_s`, `lifecycle.restarts`); a sixth
failure in a row ends the process (70), or fails the health check `background`, as its policy says. What has run well for
a minute, or through one period, counts anew.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import structlog

from arbiter.checks import health_check
from arbiter.errors import LifecycleError
from arbiter.lifecycle.settings import LifecycleSettings
from arbiter.protocols import CheckResult, Clock, Live, Measurement, Status

__all__ = ["Background", "Policy", "TaskGaveUp", "TaskView"]

LONGEST_S = 3600.0
"""Seconds that no new attempt is put off by more than."""

WELL_S = 60.0
"""Seconds of running after which earlier failures no longer count."""

UNWIND_S = 1.0
"""Seconds that cancelled work gets to clean up."""

log = structlog.get_logger(__name__)

Work = Callable[[], Awaitable[None]]
Policy = Literal["stop", "degrade"]


class TaskGaveUp(LifecycleError):
    """Background work failed again and again, and its policy is to stop the process.

    Args:
        name: the task's name.
        restarts: how often it was begun again.
    """

    def __init__(self, name: str, restarts: int) -> None:
        super().__init__(
            f"The background task {name!r} failed again after {restarts} restarts.",
            hint='Mend what it fails at, or let it only degrade health: on_failure="degrade".',
        )
        self.name, self.restarts = name, restarts


class _State(enum.StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    BACKING_OFF = "backing-off"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class TaskView:
    """One background task, as `/tasks` shows it."""

    name: str
    kind: str
    state: str
    since: datetime
    on_failure: str
    failures: int
    last_error: str


@dataclass(slots=True, eq=False)
class _Task:
    name: str
    kind: Literal["keep", "every", "once"]
    work: Work
    on_failure: Policy
    since: datetime
    every_s: float = 0.0
    state: _State = _State.WAITING
    failures: int = 0
    last_error: str = ""
    running: asyncio.Task[None] | None = field(default=None, repr=False)


class Background:
    """A supervised group of tasks. Names are unique; one that is begun again takes the place of an ended one.

    As an adopter with work of its own it starts after every component, and stops before them all.

    Args:
        clock: measures periods and waits.
        settings: how often, and after how long, what failed is begun again; the section's defaults where None.
    """

    def __init__(self, clock: Clock, settings: Live[LifecycleSettings] | None = None) -> None:
        self._clock = clock
        self._settings: Live[LifecycleSettings] = settings or _Defaults()
        self._tasks: dict[str, _Task] = {}
        self._is_running = False
        self.on_give_up: Callable[[TaskGaveUp], None] | None = None
        """Told of a task with the policy "stop" that has failed for good; the host sets it."""

    def keep(self, name: str, work: Work, *, on_failure: Policy = "stop") -> None:
        """Run `work` for as long as the application runs; it is cancelled as the drain begins.

        Raises:
            LifecycleError: a task of this name is there already.
        """
        self._add(_Task(name, "keep", work, on_failure, self._clock.now()))

    def every(self, name: str, seconds: float, work: Work, *, on_failure: Policy = "degrade") -> None:
        """Run `work` at once and then `seconds` after each end; at the drain a run under way may finish.

        Raises:
            LifecycleError: a task of this name is there already.
        """
        self._add(_Task(name, "every", work, on_failure, self._clock.now(), every_s=seconds))

    def once(self, name: str, work: Work) -> None:
        """Run `work` once, behind the caller's back; it may finish in the drain. A failure is logged, not repeated.

        Raises:
            LifecycleError: a task of this name is going.
        """
        self._add(_Task(name, "once", work, "degrade", self._clock.now()))

    def adopt(self, name: str, component: object) -> None:
        """Every component is passed over: an adopter starts after all of them, which is what counts here."""

    async def start(self) -> None:
        """Begin everything that was asked for while the components started."""
        self._is_running = True
        for task in self._tasks.values():
            self._begin(task)

    async def stop(self) -> None:
        """Cancel what still runs, and wait until it has unwound."""
        await self.drain(0)
        self._tasks.clear()

    async def drain(self, timeout_s: float) -> bool:
        """Begin nothing new; end what waits or would go on for ever, and let the rest finish.

        Returns:
            Whether everything ended by itself in time; what did not was cancelled, and has unwound, unless it would
            not for a second.
        """
        self._is_running = False
        for task in self._tasks.values():
            if task.running is not None and (task.kind == "keep" or task.state is not _State.RUNNING):
                task.running.cancel()
        going = {task.running for task in self._tasks.values() if task.running is not None}
        late = {task for task in going if not task.done()}
        if late and timeout_s > 0:
            _, late = await asyncio.wait(late, timeout=timeout_s)
        for one in late:
            one.cancel()
        if going:
            await asyncio.wait(going, timeout=UNWIND_S)
        return not late

    def seen(self) -> list[TaskView]:
        """Every task as it stands; may be called from any thread."""
        return [
            TaskView(
                task.name,
                task.kind if task.kind != "every" else f"every {task.every_s:g} s",
                task.state,
                task.since,
                task.on_failure,
                task.failures,
                task.last_error,
            )
            for task in self._tasks.copy().values()
        ]

    @health_check(name="background", critical=False)
    async def look(self) -> CheckResult:
        """The `background` check: fail when a task has failed for good, warn while one is begun again."""
        failed = [
            task for task in self._tasks.values() if task.state is _State.FAILED and task.kind != "once"
        ]
        if failed:
            return CheckResult(Status.FAIL, "; ".join(f"{one.name}: {one.last_error}" for one in failed))
        waiting = [task for task in self._tasks.values() if task.state is _State.BACKING_OFF]
        if waiting:
            return CheckResult(Status.WARN, "; ".join(f"{one.name}: {one.last_error}" for one in waiting))
        return CheckResult(Status.PASS)

    def measurements(self) -> Iterable[Measurement]:
        """How many tasks are in each state."""
        states = [task.state for task in self._tasks.copy().values()]
        for state in _State:
            yield Measurement(
                "arbiter.background.tasks",
                "gauge",
                states.count(state),
                "Background tasks by state.",
                "{task}",
                (("state", state.value),),
            )

    def _add(self, task: _Task) -> None:
        known = self._tasks.get(task.name)
        if known is not None and (known.running is None or not known.running.done()):
            raise LifecycleError(
                f"A background task called {task.name!r} is there already.",
                hint="Give one of them another name.",
            )
        self._tasks[task.name] = task
        if self._is_running:
            self._begin(task)

    def _begin(self, task: _Task) -> None:
        task.running = asyncio.create_task(self._supervise(task), name=f"background {task.name}")

    async def _supervise(self, task: _Task) -> None:
        try:
            while await self._run(task):
                pass
        except asyncio.CancelledError:
            self._enter(task, _State.CANCELLED)
            raise

    async def _run(self, task: _Task) -> bool:
        """One attempt and what follows from it; whether there is another."""
        began = self._clock.monotonic()
        self._enter(task, _State.RUNNING)
        try:
            await task.work()
        except Exception as error:
            if self._clock.monotonic() - began >= WELL_S:
                task.failures = 0
            task.failures += 1
            task.last_error = f"{type(error).__name__}: {error}".partition("\n")[0]
            log.warning("background.failed", task=task.name, failures=task.failures, exc_info=error)
            return await self._after_failure(task)
        task.failures = 0
        if task.kind != "every" or not self._is_running:
            self._enter(task, _State.DONE)
            return False
        self._enter(task, _State.WAITING)
        await self._clock.sleep(task.every_s)
        return True

    async def _after_failure(self, task: _Task) -> bool:
        settings = self._settings.current
        if task.kind == "once" or task.failures > settings.restarts or not self._is_running:
            self._enter(task, _State.FAILED)
            if task.kind != "once" and self._is_running:
                self._give_up(task)
            return False
        self._enter(task, _State.BACKING_OFF)
        await self._clock.sleep(min(settings.restart_after_s * 2 ** (task.failures - 1), LONGEST_S))
        return True

    def _give_up(self, task: _Task) -> None:
        log.error("background.gave_up", task=task.name, on_failure=task.on_failure, error=task.last_error)
        if task.on_failure == "stop" and self.on_give_up is not None:
            self.on_give_up(TaskGaveUp(task.name, task.failures - 1))

    def _enter(self, task: _Task, state: _State) -> None:
        task.state, task.since = state, self._clock.now()


class _Defaults:
    """The section as it is without any setting."""

    current = LifecycleSettings()
