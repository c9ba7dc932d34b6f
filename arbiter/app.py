"""`App`: one application from a container: what it is made of, and the two ways to run it.

`run` gives all that `host/` has; `asgi` is for somebody else's server. Global state (signals, logging) is touched in
`run` only, and given back when it returns.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Receive, Scope, Send

from arbiter.errors import ArbiterError, ConfigurationError
from arbiter.host.outcome import ExitCode, Ready
from arbiter.infrastructure import Infrastructure
from arbiter.settings.oversight import SettingsOversight
from arbiter.settings.sources import Sources

# The host brings servers and the management's pages with it: who only looks at an application needs neither.
if TYPE_CHECKING:
    from arbiter.host.life import Host
    from arbiter.management.listener import ManagementListener

__all__ = ["App", "ExitCode", "Ready"]

TALKATIVE = ("uvicorn", "alembic", "watchfiles")
"""Loggers that are heard from `warning` on: what they say of their own start and stop, we say ourselves."""


def _print_error(error: BaseException) -> None:
    print(f"Error: {error}", file=sys.stderr)  # noqa: T201  there may be no logging yet


class App:
    """An application: a container class whose provider `asgi` is what the main port serves.

    Args:
        container: the composition root.
        greeting: further lines for whoever started it, as label and text; `{url}` becomes the main port's address.
        run: for an application without HTTP: the provider whose component's `run()` is its work. When that returns,
            the application stops; no main port is opened.
    """

    def __init__(
        self, container: type[Infrastructure], *, greeting: Sequence[tuple[str, str]] = (), run: str = ""
    ) -> None:
        self._composition, self._greeting, self._work = container, tuple(greeting), run
        self._host: Host | None = None
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
        management: ManagementListener | None = None,
    ) -> int:
        """Run until a signal, or `ask_to_stop()`, asks for the end.

        Outside of the main thread no signal can be had: then nothing is taken over, and no watchdog ends the process.

        Args:
            on_ready: told where the application is, once it serves.
            report: told why the application cannot start; prints to stderr unless given.
            management: the management port, where it is open already; closed in the end.

        Returns:
            The exit code, see `ExitCode`.
        """
        try:
            settings = self.container.settings()
        except ConfigurationError as error:
            report(error)
            return ExitCode.CONFIGURATION
        from arbiter.host.life import Host  # noqa: PLC0415  see above
        from arbiter.observability.logging import configure_logging  # noqa: PLC0415

        environment = self.container.settings.environment()
        with configure_logging(settings.observability, service="arbiter", environment=environment) as logging:
            for talkative in TALKATIVE:
                logging.set_level(talkative, "warning")
            self._host = Host(
                self.container,
                logging,
                self._greeted(on_ready),
                report,
                run=self._work,
                management=management,
            )
            try:
                return self._host.run()
            finally:
                self._host = None

    def ask_to_stop(self) -> None:
        """Ask what `run` runs for a graceful stop, as SIGTERM does; from any thread, and passed over when idle."""
        if (host := self._host) is not None:
            host.ask_to_stop()

    def _greeted(self, on_ready: Callable[[Ready], None] | None) -> Callable[[Ready], None] | None:
        if on_ready is None:
            return None

        def tell(ready: Ready) -> None:
            lines = tuple((label, text.format(url=ready.url)) for label, text in self._greeting)
            on_ready(replace(ready, greeting=lines))

        return tell


class _Embedded:
    """The application inside somebody else's ASGI server."""

    def __init__(self, container: Infrastructure) -> None:
        self._container = container
        self._oversight: SettingsOversight | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        await self._container.asgi()(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            step = message["type"].removeprefix("lifespan.")
            act = self._start if step == "startup" else self._stop
            try:
                await act()
            except Exception as error:  # noqa: BLE001  the protocol's way to say so
                await send({"type": f"lifespan.{step}.failed", "message": _told(error)})
                return
            await send({"type": f"lifespan.{step}.complete"})
            if step == "shutdown":
                return

    def _end_oversight(self) -> None:
        if self._oversight is not None:
            self._oversight.end()

    async def _stop(self) -> None:
        self._end_oversight()
        self._container.health().mark_draining()
        await self._container.background().drain(self._container.settings().lifecycle.drain_s)
        await self._container.stop()

    async def _start(self) -> None:
        from arbiter.host.surroundings import oversee  # noqa: PLC0415  see above

        self._oversight = oversee(self._container)
        try:
            await self._container.start()
        except BaseException:
            self._end_oversight()
            raise
        health = self._container.health()
        await health.refresh()
        health.mark_started()


def _told(error: BaseException) -> str:
    """What a server is told: each failure, without the hints; a group's own words say only how many there are."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_told(one) for one in error.exceptions)
    return error.message if isinstance(error, ArbiterError) else f"{type(error).__name__}: {error}"
