"""A fresh application that serves real HTTP on a free port of the loopback address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar, Unpack, overload

from arbiter.app import App
from arbiter.infrastructure import Infrastructure
from arbiter.serving.server import Server, bind
from arbiter.testing.application import Conditions, UnderTest, application
from arbiter.testing.either import Either
from arbiter.testing.recording import Recording

__all__ = ["Running", "Service", "running"]

C = TypeVar("C", bound=Infrastructure)

_DRAIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Service(Generic[C]):
    """What runs: where it is, and what it is made of.

    Attributes:
        url: `http://127.0.0.1:<port>`, without a slash at its end.
        container: the started container.
    """

    url: str
    container: C


@overload
def running(
    app: App, *, recording: Recording | None = ..., **conditions: Unpack[Conditions]
) -> Running[Infrastructure]: ...


@overload
def running(
    app: type[C], *, recording: Recording | None = ..., **conditions: Unpack[Conditions]
) -> Running[C]: ...


def running(
    app: Any, *, recording: Recording | None = None, **conditions: Unpack[Conditions]
) -> Running[Any]:
    """Compose an application afresh and serve it inside `async with` (or `with`), as its main port would be served.

        async with running(create_app()) as service:
            await client.get(f"{service.url}/readyz")

    Args:
        app: the application, or its container class.
        recording: keeps spans, metrics, logs and events.
        conditions: overrides, settings, environment, clock, directory; see `application`.
    """
    composition = app.composition if isinstance(app, App) else app
    return Running(application(composition, recording=recording, **conditions))


class Running(Either[Service[C]], Generic[C]):
    """One served application, for as long as its context lasts; see `running`."""

    def __init__(self, under_test: UnderTest[C]) -> None:
        self._under_test = under_test
        self._server: Server | None = None
        self._container: C | None = None

    @property
    def recording(self) -> Recording:
        """What it has said."""
        return self._under_test.recording

    async def _enter(self) -> Service[C]:
        container: Any = await self._under_test._enter()
        try:
            health = container.health()
            await health.refresh()
            server = Server(container.asgi(), bind("127.0.0.1", 0, setting="server"))
            await server.start()
            health.mark_started()
        except BaseException:
            await self._under_test._exit()
            raise
        self._server, self._container = server, container
        return Service(server.url, container)

    async def _exit(self) -> None:
        server, container = self._server, self._container
        self._server = self._container = None
        if server is None or container is None:
            return
        try:
            container.health().mark_draining()
            await server.stop(_DRAIN_S)
        finally:
            await self._under_test._exit()
