"""One life of an application in a process: start, serve, drain, stop, and the exit code.

Start: management listener, address bound, container, listening, ready. Stop: readiness fails, keep serving for
`pre_drain_s`, stop accepting, drain requests and then background tasks, components and telemetry (the container's
reverse order), management.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from socket import socket

import structlog

from arbiter.errors import ConfigurationError, StartError
from arbiter.host.deadline import Deadline
from arbiter.host.ending import Ending
from arbiter.host.following import Following
from arbiter.host.outcome import ExitCode, Ready
from arbiter.host.starting import started_first
from arbiter.host.surroundings import (
    management_for,
    oversee,
    reload_settings,
    run_on_loop,
    share_telemetry,
    systemd_for,
)
from arbiter.host.view import View
from arbiter.host.work import Work, Worker
from arbiter.infrastructure import Infrastructure
from arbiter.lifecycle.dump import dump_stacks
from arbiter.lifecycle.phases import Phase, Phases
from arbiter.lifecycle.signals import Reactions, Signals
from arbiter.management.listener import ManagementListener
from arbiter.observability.lifecycle_spans import StopSpans, trace_start
from arbiter.observability.logging import LoggingSession
from arbiter.serving.protocol import Bounds
from arbiter.serving.server import Server, bind

__all__ = ["Host"]

log = structlog.get_logger(__name__)


class Host:
    """One life of an application inside this process.

    Args:
        container: what is started and stopped; its provider `asgi` is served.
        logging: whose level follows the settings.
        on_ready: told where the application is, once it serves.
        report: told why the application cannot start.
        run: the provider whose `run()` is the application's work; then no main port is opened.
        management: the management port, where it is open already.
    """

    def __init__(
        self,
        container: Infrastructure,
        logging: LoggingSession,
        on_ready: Callable[[Ready], None] | None,
        report: Callable[[BaseException], None],
        *,
        run: str = "",
        management: ManagementListener | None = None,
    ) -> None:
        self._container, self._logging, self._run = container, logging, run
        self._on_ready = on_ready
        self._settings = container.settings()
        self._events, self._health, self._clock = container.events(), container.health(), container.clock()
        self._background = container.background()
        self._begun = self._clock.monotonic()
        self._phases = Phases(self._clock, self._events.publish)
        self._view, self._ending = View(container, self._phases), Ending(self._phases, report)
        self._management = management
        self._deadline = Deadline(self._settings.lifecycle.total_s)
        self._systemd = systemd_for(container)
        self._asked = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop_asked = asyncio.Event()

    def run(self) -> int:
        """Live from the first port to the last hook; the exit code."""
        with ExitStack() as undo:
            code = self._run_through(undo)
        self._deadline.release()
        return code

    def ask_to_stop(self) -> None:
        """Begin the graceful stop, as the first SIGTERM does; may be called from any thread, more than once."""
        self._asked.set()
        self._systemd.stopping(self._settings.lifecycle.total_s)
        self._on_loop(self._stop_asked.set)

    def _run_through(self, undo: ExitStack) -> int:
        self._begin(undo)
        try:
            listener = self._take_addresses(undo)
        except StartError as error:
            return self._ending.fail(error, ExitCode.START_FAILED)
        except ConfigurationError as error:  # read outside of the settings, such as OTEL_PROPAGATORS
            return self._ending.fail(error, ExitCode.CONFIGURATION)
        self._logging.copy_to(self._container.telemetry().logs)
        undo.callback(self._logging.copy_to, None)
        share_telemetry(self._container)
        try:
            return run_on_loop(self._live(listener))
        except Exception as error:
            log.exception("app.failed")
            return self._ending.fail(error, ExitCode.INTERNAL)

    def _begin(self, undo: ExitStack) -> None:
        following = Following(self._container, self._logging, self._phases, self._on_loop)
        undo.callback(self._systemd.end)
        self._systemd.begin(self._settings.lifecycle.start_s)
        for sink in (following, self._systemd):
            self._events.add(sink)
            undo.callback(self._events.remove, sink)
        if self._management is not None:
            undo.callback(self._management.stop)
        self._logging.set_generation(self._container.settings.source().snapshot.generation)
        self._phases.enter(Phase.CONFIGURING)
        undo.callback(oversee(self._container).end)

    def _on_loop(self, act: Callable[[], object]) -> None:
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # the loop has ended: nobody looks any more
                loop.call_soon_threadsafe(act)

    def _take_addresses(self, undo: ExitStack) -> socket | None:
        """Both ports, before any component starts: a taken one ends the start at once."""
        wanted = self._settings.management.host, self._settings.management.port
        if self._management is not None and self._management.asked != wanted:
            self._management.stop()  # the application has an address of its own in its settings type
            self._management = None
        if self._management is None:
            self._management = ManagementListener(*wanted)
            undo.callback(self._management.stop)
        self._view.guard = self._container.guard()
        app = management_for(
            self._container, startup=self._view.startup, tasks=self._view.tasks, logging=self._logging
        )
        self._management.show(app)
        if self._run:
            return None
        listener = bind(self._settings.server.host, self._settings.server.port, setting="server")
        undo.callback(listener.close)
        return listener

    async def _live(self, listener: socket | None) -> ExitCode:
        self._loop, self._stop_asked = asyncio.get_running_loop(), asyncio.Event()
        if self._asked.is_set():
            self._stop_asked.set()
        signals = Signals(
            Reactions(self._count, stop=self._end, forced=self._forced, reload=self._reload, dump=self._dump)
        )
        self._deadline.is_ours = signals.install()
        try:
            code = await self._start_and_serve(listener)
            self._deadline.settle(code)
            return code
        finally:
            self._loop = None
            signals.restore()

    async def _start_and_serve(self, listener: socket | None) -> ExitCode:
        if (code := await self._start()) is not None:
            self._count()
            return code
        try:
            await self._serve(listener)
        except Exception as error:  # noqa: BLE001  whatever it is, what has started must stop
            await self._abandon(error)
        return await self._stop()

    def _count(self) -> None:
        self._deadline.begin(self._loop)

    def _end(self) -> None:
        """Stop, and be gone by the deadline: asked for by a signal, or by how the work goes."""
        self._count()
        self.ask_to_stop()

    def _forced(self, number: int) -> None:
        pending = list(self._container.pending())
        log.error("shutdown.forced", signal=number, phase=self._phases.current, pending=pending)

    def _reload(self) -> None:
        self._systemd.reloading()
        self._on_loop(partial(reload_settings, self._container, self._systemd))

    def _dump(self) -> None:
        dump_stacks(self._loop)
        os.write(2, f"arbiter: {self._phases.current}, in flight {dict(self._view.in_flight())}\n".encode())

    async def _start(self) -> ExitCode | None:
        """Start the container; None means it runs, a code means that the life ends here."""
        self._phases.enter(Phase.STARTING)
        try:
            if await started_first(self._container, self._stop_asked):
                return None
        except ConfigurationError as error:
            return self._ending.fail(error, ExitCode.CONFIGURATION)
        except StartError as error:
            return self._ending.fail(error, ExitCode.START_FAILED)
        self._phases.enter(Phase.STOPPED)
        return ExitCode.CLEAN

    async def _serve(self, listener: socket | None) -> None:
        """From ready to drained."""
        self._background.on_give_up = self._give_up
        await self._health.refresh()
        work = self._view.work = self._work_on(listener)
        await work.start()
        self._health.mark_started()
        self._phases.enter(Phase.RUNNING)
        self._trace()
        self._say_ready(work.url)
        await self._stop_asked.wait()
        await self._drain(work)

    def _work_on(self, listener: socket | None) -> Work:
        if listener is not None:
            return Server(self._container.asgi(), listener, Bounds.of(self._settings.server))
        return Worker(self._container.components()[self._run], self._give_up, self._end)

    def _give_up(self, error: BaseException) -> None:
        """The application's work has failed for good: stop well, and end with 70."""
        self._ending.note(error)
        self._end()

    async def _abandon(self, error: Exception) -> None:
        if not isinstance(error, StartError):
            log.error("app.failed", exc_info=error)
        self._give_up(error)
        if self._view.work is not None:
            await self._view.work.stop(0)

    def _trace(self) -> None:
        start, tracer = self._container.startup(), self._container.tracer()
        if start.started_at is not None:
            steps = ((step.name, step.began_s, step.duration_s) for step in start.steps)
            trace_start(tracer, start.started_at, start.duration_s, steps)
        self._events.add(StopSpans(tracer))

    def _say_ready(self, url: str) -> None:
        management = self._management.url if self._management is not None else ""
        environment = self._container.settings.environment()
        ready = Ready(url, management, environment, self._clock.monotonic() - self._begun)
        log.info("app.ready", url=ready.url, management=ready.management_url, start_s=round(ready.start_s, 3))
        if self._on_ready is not None:
            self._on_ready(ready)

    async def _drain(self, work: Work) -> None:
        budgets = self._settings.lifecycle
        self._phases.enter(Phase.PRE_DRAIN)
        self._health.mark_draining()
        work.announce_close()
        await asyncio.sleep(budgets.pre_drain_s)
        self._phases.enter(Phase.DRAINING)
        deadline = time.monotonic() + budgets.drain_s
        drained = await work.stop(budgets.drain_s)
        # After the requests, which may need what runs in the background.
        ended = await self._background.drain(max(0.0, deadline - time.monotonic()))
        if not (drained and ended):
            log.warning("app.drain.cut", drain_s=budgets.drain_s, requests=not drained, background=not ended)

    async def _stop(self) -> ExitCode:
        self._phases.enter(Phase.STOPPING)
        try:
            await self._container.stop()
        except ExceptionGroup as errors:  # each names its provider; none keeps the process alive
            for error in errors.exceptions:
                log.error("app.stop.failed", exc_info=error)  # noqa: TRY400  a line for each, not for the group
            return self._ending.stopped(cleanly=False)
        return self._ending.stopped(cleanly=True)
