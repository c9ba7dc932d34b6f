"""One life of an application in a process: start, serve, drain, stop, and the exit code.

Start: management listener, address bound, container, listening, ready. Stop: readiness fails, keep serving for
`pre_drain_s`, stop accepting, drain, components and telemetry (the container's reverse order), management.
"""

from __future__ import annotations

import asyncio
import enum
import socket
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.types import ASGIApp

from arbiter.errors import ConfigurationError, StartError
from arbiter.events import PhaseEntered, RestartRequired, SettingsApplied, SettingsRejected
from arbiter.infrastructure import Infrastructure
from arbiter.lifecycle.signals import Signals
from arbiter.lifecycle.watchdog import Watchdog
from arbiter.management.listener import ManagementListener
from arbiter.management.view import More, management_of
from arbiter.observability.logging import LoggingSession
from arbiter.serving.protocol import Bounds
from arbiter.serving.server import Server, bind
from arbiter.settings.live import ReloadResult
from arbiter.settings.oversight import SettingsOversight

__all__ = ["ExitCode", "Host", "Ready", "oversee_settings"]

log = structlog.get_logger(__name__)


class ExitCode(enum.IntEnum):
    """How the process ended; 124 (deadline) and 128+n (a second signal) come from the watchdog and the signals."""

    CLEAN = 0
    STOP_FAILED = 1
    START_FAILED = 3
    INTERNAL = 70
    CONFIGURATION = 78


@dataclass(frozen=True, slots=True)
class Ready:
    """Where the application can be reached, once it can."""

    url: str
    management_url: str
    environment: str
    start_s: float
    greeting: tuple[tuple[str, str], ...] = ()


class Host:
    """One life of an application inside this process.

    Args:
        container: what is started and stopped; its provider `asgi` is served.
        logging: whose level follows the settings.
        on_ready: told where the application is, once it serves.
        report: told why the application cannot start.
    """

    def __init__(
        self,
        container: Infrastructure,
        logging: LoggingSession,
        on_ready: Callable[[Ready], None] | None,
        report: Callable[[BaseException], None],
    ) -> None:
        self._container, self._logging = container, logging
        self._on_ready, self._report = on_ready, report
        self._settings = container.settings()
        self._events, self._health, self._clock = container.events(), container.health(), container.clock()
        self._begun = self._clock.monotonic()
        self._watchdog = Watchdog()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._phase = "created"

    def run(self) -> int:
        """Live from the first port to the last hook; the exit code."""
        self._events.add(self)
        self._logging.set_generation(self._container.settings.source().snapshot.generation)
        oversight = oversee_settings(self._container)
        try:
            management, listener = self._take_addresses()
        except StartError as error:
            oversight.end()
            self._report(error)
            return ExitCode.START_FAILED
        except (
            ConfigurationError
        ) as error:  # what a component read outside of the settings, such as OTEL_PROPAGATORS
            oversight.end()
            self._report(error)
            return ExitCode.CONFIGURATION
        self._logging.copy_to(self._container.telemetry().logs)
        try:
            code = _run_on_loop(self._live(management, listener))
        except Exception as error:
            log.exception("app.failed")
            self._report(error)
            code = ExitCode.INTERNAL
        finally:
            self._logging.copy_to(None)
            oversight.end()
            listener.close()
            management.stop()
            self._events.remove(self)
        self._release_watchdog()
        return code

    def publish(self, event: object) -> None:
        """Take the event of a reload: a new log level is brought into force, and the checks look anew."""
        if isinstance(event, SettingsApplied):
            self._logging.set_generation(event.generation)
        if isinstance(event, SettingsApplied) and "observability.log_level" in event.changed:
            settings = self._container.settings.source().snapshot.settings
            self._logging.set_level(None, settings.observability.log_level)
        if isinstance(event, SettingsApplied | SettingsRejected | RestartRequired) and self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended: nobody looks any more
                self._loop.call_soon_threadsafe(self._look_anew)

    def _look_anew(self) -> None:
        self._looking = asyncio.ensure_future(self._health.refresh())

    def _take_addresses(self) -> tuple[ManagementListener, socket.socket]:
        """Both ports, before any component starts: a taken one ends the start at once."""
        settings = self._settings
        management = ManagementListener(settings.management.host, settings.management.port)
        try:
            management.start(_management_of(self._container, self._logging))
            listener = bind(settings.server.host, settings.server.port, setting="server")
        except BaseException:
            management.stop()
            raise
        return management, listener

    async def _live(self, management: ManagementListener, listener: socket.socket) -> int:
        stop = asyncio.Event()
        loop = self._loop = asyncio.get_running_loop()

        def ask_to_stop() -> None:
            self._watchdog.arm(self._settings.lifecycle.total_s)
            loop.call_soon_threadsafe(stop.set)

        def ask_to_reload() -> None:
            loop.call_soon_threadsafe(self._reload)

        signals = Signals(ask_to_stop, ask_to_reload)
        signals.install()
        try:
            if (code := await self._start(stop)) is not None:
                return code
            return await self._serve(
                Server(self._container.asgi(), listener, Bounds.of(self._settings.server)), management, stop
            )
        finally:
            signals.restore()

    def _reload(self) -> None:
        self._container.settings.source().ask().add_done_callback(_say_reloaded)

    async def _start(self, stop: asyncio.Event) -> ExitCode | None:
        """Start the container; None means it runs, a code means that the life ends here."""
        self._enter("starting")
        starting = asyncio.ensure_future(self._container.start())
        asked = asyncio.ensure_future(stop.wait())
        await asyncio.wait({starting, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if not starting.done():
            log.info("app.start.cancelled")
            starting.cancel()
        try:
            await starting
        except asyncio.CancelledError:
            self._enter("stopped")
            return ExitCode.CLEAN
        except Exception as error:  # noqa: BLE001  whatever a component raises is why the start failed
            self._enter("failed")
            failure = StartError("The application did not start; what had started was stopped again.")
            failure.__cause__ = error
            fault = _fault_of_settings(error)
            self._report(fault or failure)
            return ExitCode.START_FAILED if fault is None else ExitCode.CONFIGURATION
        return None

    async def _serve(self, server: Server, management: ManagementListener, stop: asyncio.Event) -> int:
        await self._health.refresh()
        await server.start()
        self._health.mark_started()
        self._enter("running")
        ready = Ready(
            server.url,
            management.url,
            self._container.settings.environment(),
            self._clock.monotonic() - self._begun,
        )
        log.info("app.ready", url=ready.url, management=ready.management_url, start_s=round(ready.start_s, 3))
        if self._on_ready is not None:
            self._on_ready(ready)
        await stop.wait()
        await self._drain(server)
        return await self._stop()

    async def _drain(self, server: Server) -> None:
        self._enter("pre-drain")
        self._health.mark_draining()
        server.announce_close()
        await asyncio.sleep(self._settings.lifecycle.pre_drain_s)
        self._enter("draining")
        if not await server.stop(self._settings.lifecycle.drain_s):
            log.warning("app.drain.cut", drain_s=self._settings.lifecycle.drain_s)

    async def _stop(self) -> int:
        self._enter("stopping")
        try:
            await self._container.stop()
        except ExceptionGroup as errors:  # each names its provider; none keeps the process alive
            for error in errors.exceptions:
                log.error("app.stop.failed", exc_info=error)  # noqa: TRY400  a line for each, not for the group
            self._enter("failed")
            return ExitCode.STOP_FAILED
        self._enter("stopped")
        return ExitCode.CLEAN

    def _enter(self, phase: str) -> None:
        previous, self._phase = self._phase, phase
        self._events.publish(PhaseEntered(phase, previous))

    def _release_watchdog(self) -> None:
        """Let the process end by itself, unless a thread that never ends would keep it."""
        ours = threading.current_thread()
        if not [t for t in threading.enumerate() if t is not ours and t.is_alive() and not t.daemon]:
            self._watchdog.disarm()


def _management_of(container: Infrastructure, logging: LoggingSession | None = None) -> ASGIApp:
    return management_of(
        container.settings.source(),
        container.telemetry(),
        container.health(),
        container.heartbeat(),
        container.breakers(),
        container.events(),
        container.recent(),
        More(graph=container.graph, startup=container.startup, loggers=logging),
    )


def oversee_settings(container: Infrastructure) -> SettingsOversight:
    """Let reloads be heard, seen in health and begun by changed files; say what looks like a mistake."""
    source, oversight = container.settings.source(), container.oversight()
    source.events = container.events()
    oversight.begin()
    for warning in source.snapshot.warnings:
        log.warning("config.warning", warning=warning)
    return oversight


def _fault_of_settings(error: BaseException | None) -> ConfigurationError | None:
    """The setting that a start failed over, such as a health group that names a check that is not there."""
    while error is not None and not isinstance(error, ConfigurationError):
        if isinstance(error, BaseExceptionGroup):
            return next(filter(None, map(_fault_of_settings, error.exceptions)), None)
        error = error.__cause__
    return error


def _say_reloaded(asked: Future[ReloadResult]) -> None:
    if (error := asked.exception()) is not None:
        log.error("config.reload.failed", exc_info=error)
        return
    result = asked.result()
    log.info("config.reload", trigger="signal", outcome=result.outcome, generation=result.generation)


def _run_on_loop(main: Coroutine[Any, Any, int]) -> int:
    try:
        from uvloop import new_event_loop  # noqa: PLC0415  not to be had on every platform
    except ModuleNotFoundError:
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main)
