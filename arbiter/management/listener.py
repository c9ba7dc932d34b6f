"""The management port on a thread and loop of its own, so that it answers while the application's loop is blocked."""

from __future__ import annotations

import asyncio
import threading

from starlette.types import ASGIApp, Receive, Scope, Send

from arbiter.errors import StartError
from arbiter.serving.server import Server, bind

__all__ = ["ManagementListener"]


class ManagementListener:
    """Serves one ASGI application from a daemon thread; first up, last down.

    Args:
        host: address to listen on.
        port: TCP port; 0 lets the operating system choose.

    Attributes:
        asked: the host and port that were asked for.
        url: where it answers, once it does.
    """

    def __init__(self, host: str, port: int) -> None:
        self.asked = host, port
        self._listener = bind(host, port, setting="management")
        self._app: ASGIApp | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopping: asyncio.Event | None = None
        self._up = threading.Event()
        self._failure: BaseException | None = None
        self.url = ""

    def start(self, app: ASGIApp, *, timeout_s: float = 10) -> None:
        """Serve `app`; returns when the port answers.

        Raises:
            StartError: it did not come up.
        """
        self._app = app
        self._thread = threading.Thread(target=self._run, name="arbiter.management", daemon=True)
        self._thread.start()
        if not self._up.wait(timeout_s) or self._failure is not None:
            raise StartError("The management port did not come up.") from self._failure

    def show(self, app: ASGIApp) -> None:
        """Serve `app` from the next request on, starting if nothing was served yet.

        Raises:
            StartError: it did not come up.
        """
        if self._thread is None:
            self.start(app)
        self._app = app

    def stop(self, *, timeout_s: float = 1) -> None:
        """Close the port and end the thread; a thread that does not end in time is left to the process's end."""
        if self._thread is None or self._loop is None or self._stopping is None:
            self._listener.close()
            return
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            # A plain loop: only probes and scrapes come here, and it must not share anything with the main one.
            with asyncio.Runner() as runner:
                runner.run(self._serve())
        except BaseException as error:  # noqa: BLE001  handed to the thread that waits in start()
            self._failure = error
        finally:
            self._up.set()

    async def _current(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self._app is not None  # noqa: S101  set before the thread starts
        await self._app(scope, receive, send)

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        server = Server(self._current, self._listener)
        await server.start()
        self.url = server.url
        self._up.set()
        await self._stopping.wait()
        await server.stop(drain_s=0.5)
