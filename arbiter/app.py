"""`App`: one application from a container: start, serve, drain, stop, and the exit code.

Start: settings, logging, management listener, address bound, container, listening, ready. Stop: readiness fails, keep
serving for `pre_drain_s`, stop accepting, drain, components and telemetry (the container's reverse order), management.
Global state (signals, logging) is touched in `run` only, and given back when it returns.
"""

from __future__ import annotations

import asyncio
import enum
import socket
import sys
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from arbiter.errors import ArbiterError, ConfigurationError, StartError
from arbiter.events import PhaseEntered, SettingsApplied
from arbiter.infrastructure import Infrastructure
from arbiter.lifecycle.signals import Signals
from arbiter.lifecycle.watchdog import Watchdog
from arbiter.management.listener import ManagementListener
from arbiter.management.view import management_of
from arbiter.observability.logging import LoggingSession, configure_logging
from arbiter.serving.server import Server, bind
from arbiter.settings.sources import Sources

__all__ = ["App", "ExitCode", "Ready"]

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


def _print_error(error: BaseException) -> None:
    print(f"Error: {error}", file=sys.stderr)  # noqa: T201  there may be no logging yet


class App:
    """An application: a container class whose provider `asgi` is what the main port serves.

    Args:
        container: the composition root.
    """

    def __init__(self, container: type[Infrastructure]) -> None:
        self._composition = container
        self._container: Infrastructure | None = None
        self._sources: Sources | None = None

    def configure(self, sources: Sources) -> None:
        """Say where the settings come from; must be called before the container is first used."""
        if self._container is not None:
            raise ArbiterError("The container was built already.", hint="Call configure() first.")
        self._sources = sources

    @property
    def composition(self) -> type[Infrastructure]:
        """The container class."""
        return self._composition

    @property
    def container(self) -> Infrastructure:
        """The container; made at first use, its settings read when first asked for."""
        if self._container is None:
            self._container = self._composition()
            if self._sources is not None:
                self._container.settings.read_from(self._sources)
        return self._container

    @property
    def asgi(self) -> ASGIApp:
        """The application for somebody else's ASGI server: its lifespan starts and stops the container.

        What only `run` gives is then missing: the management port, signals, the readiness-first drain, the watchdog.
        """
        return _Embedded(self.container)

    def run(
        self,
        *,
        on_ready: Callable[[Ready], None] | None = None,
        report: Callable[[BaseException], None] = _print_error,
    ) -> int:
        """Run until a signal asks for the end.

        Args:
            on_ready: told where the application is, once it serves.
            report: told why the application cannot start; prints to stderr unless given.

        Returns:
            The exit code, see `ExitCode`.
        """
        try:
            settings = self.container.settings()
        except ConfigurationError as error:
            report(error)
            return ExitCode.CONFIGURATION
        environment = self.container.settings.environment()
        with configure_logging(settings.observability, service="arbiter", environment=environment) as logging:
            for talkative in ("uvicorn", "alembic"):  # what they say of their own start, we say ourselves
                logging.set_level(talkative, "warning")
            return _Run(self.container, logging, on_ready, report).execute()


class _Run:
    """One life of an application inside this process."""

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
        self._phase = "created"

    def execute(self) -> int:
        self._events.add(self)
        self._container.settings.source().events = self._events
        try:
            management, listener = self._take_addresses()
        except StartError as error:
            self._report(error)
            return ExitCode.START_FAILED
        try:
            code = _run_on_loop(self._live(management, listener))
        except Exception as error:
            log.exception("app.failed")
            self._report(error)
            code = ExitCode.INTERNAL
        finally:
            listener.close()
            management.stop()
            self._events.remove(self)
        self._release_watchdog()
        return code

    def publish(self, event: object) -> None:
        """Take the event of a reload, to bring the log level into force."""
        if isinstance(event, SettingsApplied):
            self._logging.set_level(None, self._container.settings().observability.log_level)

    def _take_addresses(self) -> tuple[ManagementListener, socket.socket]:
        """Both ports, before any component starts: a taken one ends the start at once."""
        settings = self._settings
        management = ManagementListener(settings.management.host, settings.management.port)
        try:
            management.start(_management_of(self._container))
            listener = bind(settings.server.host, settings.server.port, setting="server")
        except BaseException:
            management.stop()
            raise
        return management, listener

    async def _live(self, management: ManagementListener, listener: socket.socket) -> int:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def ask_to_stop() -> None:
            self._watchdog.arm(self._settings.lifecycle.total_s)
            loop.call_soon_threadsafe(stop.set)

        def ask_to_reload() -> None:
            reload = self._container.settings.source().reload
            threading.Thread(target=reload, name="arbiter.reload", daemon=True).start()

        signals = Signals(ask_to_stop, ask_to_reload)
        signals.install()
        try:
            if (code := await self._start(stop)) is not None:
                return code
            return await self._serve(Server(self._container.asgi(), listener), management, stop)
        finally:
            signals.restore()

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
            self._report(failure)
            return ExitCode.START_FAILED
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


class _Embedded:
    """The application inside somebody else's ASGI server."""

    def __init__(self, container: Infrastructure) -> None:
        self._container = container

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        await self._container.asgi()(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            step = message["type"].removeprefix("lifespan.")
            act = self._start if step == "startup" else self._container.stop
            try:
                await act()
            except Exception as error:  # noqa: BLE001  the protocol's way to say so
                await send({"type": f"lifespan.{step}.failed", "message": str(error)})
                return
            await send({"type": f"lifespan.{step}.complete"})
            if step == "shutdown":
                return

    async def _start(self) -> None:
        await self._container.start()
        health = self._container.health()
        await health.refresh()
        health.mark_started()


def _management_of(container: Infrastructure) -> ASGIApp:
    return management_of(
        container.settings.source(),
        container.telemetry(),
        container.health(),
        container.heartbeat(),
        container.breakers(),
    )


def _run_on_loop(main: Coroutine[Any, Any, int]) -> int:
    try:
        from uvloop import new_event_loop  # noqa: PLC0415  not to be had on every platform
    except ModuleNotFoundError:
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main)
