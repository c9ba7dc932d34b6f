"""uvicorn, embedded: the address is bound before anything starts, the signals are ours, and the drain ends.

Run as it comes, uvicorn re-raises SIGTERM (exit -15, no atexit), binds after the application started and lets one
open stream block the exit for ever. Here the socket is bound by `bind()`, `capture_signals` does nothing, lifespan is
off, and `stop()` takes in who has connected, closes the listener, waits for what is in flight, cancels what is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import time
from collections.abc import Generator, Mapping
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from arbiter.errors import StartError
from arbiter.serving.connection import Connection
from arbiter.serving.door import last_arrivals
from arbiter.serving.owner import owner_of
from arbiter.serving.protocol import BoundedConfig, Bounds
from arbiter.serving.traffic import Traffic

__all__ = ["Server", "bind"]

FRESH_S = 0.5
"""Seconds after the listener has closed that a connection gets to send its first request."""

UNWIND_S = 1.0
"""Seconds that a cancelled request gets to clean up, before anything that it uses is closed."""

TICK_S = 1.0
"""Seconds for which the date in the answers holds."""

LOOK_S = 0.02
"""Seconds between two looks at the connections while they empty."""


def bind(host: str, port: int, *, setting: str) -> socket.socket:
    """Take an address now, so that a taken port is known before any component starts.

    Nothing is accepted yet: the operating system refuses connections until the server listens.

    Args:
        host: name or address; a name that means several addresses takes the first that works.
        port: TCP port; 0 lets the operating system choose.
        setting: the settings key that names the port, for the error's hint.

    Raises:
        StartError: the address cannot be had; the message says why.
    """
    last: OSError | None = None
    try:
        candidates = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise _refusal(host, port, setting, error) from error
    for family, kind, protocol, _, address in candidates:
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError as error:
            listener.close()
            last = error
            if error.errno == errno.EADDRINUSE:
                break
        else:
            listener.setblocking(False)  # noqa: FBT003  the standard library's signature
            return listener
    raise _refusal(host, port, setting, last or OSError("no address found")) from last


def _refusal(host: str, port: int, setting: str, error: OSError) -> StartError:
    where = f"{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        owner = owner_of(port) or "another process"
        return StartError(
            f"The address {where} is already in use by {owner}.",
            hint=f"Stop that process, or choose another port: --set {setting}.port=0 takes any free one.",
        )
    return StartError(
        f"Cannot listen on {where}: {error.strerror or error}.",
        hint=f"Check {setting}.host and {setting}.port.",
    )


class Server:
    """One ASGI application on one bound socket, inside the running loop.

    Args:
        app: the ASGI application.
        listener: a socket from `bind()`; the server owns it from now on.
        bounds: what the head of a request may take.
    """

    def __init__(self, app: ASGIApp, listener: socket.socket, bounds: Bounds | None = None) -> None:
        self._listener = listener
        self._traffic = Traffic(app)
        config = BoundedConfig(
            self._traffic,
            bounds or Bounds(),
            http=Connection,
            interface="asgi3",  # a layer that passes on what it is called with is no coroutine function
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            reset_contextvars=True,
            timeout_keep_alive=65,
        )
        self._uvicorn = _Quiet(config)
        self._serving: asyncio.Task[None] | None = None

    @property
    def address(self) -> tuple[str, int]:
        """The host and port that were really bound."""
        host, port = self._listener.getsockname()[:2]
        return str(host), int(port)

    @property
    def url(self) -> str:
        """Where a browser on this machine finds it."""
        host, port = self.address
        shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104  compared, not bound
        return f"http://{shown}:{port}"

    @property
    def in_flight(self) -> Mapping[str, int]:
        """How much is being answered now: `requests`, `streams` (server-sent events), `websockets`."""
        return self._traffic.in_flight

    async def start(self) -> None:
        """Begin to accept; returns when the listener is open.

        Raises:
            StartError: the server ended before it accepted anything.
        """
        self._serving = asyncio.create_task(
            self._uvicorn.serve(sockets=[self._listener]), name="arbiter.server"
        )
        while not self._uvicorn.started:
            if self._serving.done():
                raise StartError(
                    f"The server at {self.url} ended as it started."
                ) from self._serving.exception()
            await asyncio.sleep(0.001)

    def announce_close(self) -> None:
        """Ask clients to leave: every answer from now on carries `Connection: close`, so keep-alive ends."""
        header = (b"connection", b"close")
        if header in self._uvicorn.config.encoded_headers:
            return
        # The first is what uvicorn copies from at its next tick of a second, the second is what it uses until then.
        self._uvicorn.config.encoded_headers.append(header)
        self._uvicorn.server_state.default_headers.append(header)

    async def stop(self, drain_s: float) -> bool:
        """Accept no more, let what is in flight finish, cut what has not after `drain_s` seconds.

        Streams are told at once. Who was connected before the listener closed is still answered.

        Returns:
            True when every request was answered in time.
        """
        if self._serving is None:
            self._listener.close()
            return True
        self.announce_close()
        self._uvicorn.leave()
        deadline = time.monotonic() + drain_s
        await self._close_listener()
        telling = asyncio.ensure_future(self._traffic.tell_streams())
        in_time = await self._empty(deadline)
        if not in_time:
            await self._cut()
        telling.cancel()
        await asyncio.gather(telling, self._serving, return_exceptions=True)
        return in_time

    async def _close_listener(self) -> None:
        """Take in who has connected, then refuse connections; nothing is awaited between the two."""
        arrived = await last_arrivals(self._listener)
        for server in self._uvicorn.servers:
            server.close()
        self._listener.close()
        for connection in arrived:
            await asyncio.get_running_loop().connect_accepted_socket(self._uvicorn.connection, connection)

    async def _empty(self, deadline: float) -> bool:
        """Take leave of each connection as it becomes idle, until none is left or the time is over."""
        state, closed_at = self._uvicorn.server_state, time.monotonic()
        while True:
            fresh_too = time.monotonic() - closed_at > FRESH_S
            for connection in tuple(state.connections):
                if isinstance(connection, Connection):
                    connection.leave(fresh_too=fresh_too)
            if not state.connections and not state.tasks:
                return True
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(min(LOOK_S, max(0.0, deadline - time.monotonic())))

    async def _cut(self) -> None:
        """End what has not ended: it unwinds before anything that it uses is closed."""
        self._traffic.cut()
        tasks = set(self._uvicorn.server_state.tasks)
        for task in tasks:
            task.cancel("the drain is over")
        if tasks:
            await asyncio.wait(tasks, timeout=UNWIND_S)
        for connection in tuple(self._uvicorn.server_state.connections):
            if isinstance(connection, Connection):
                connection.drop()
            else:
                connection.shutdown()


class _Quiet(uvicorn.Server):
    """uvicorn's server without its signal handlers, which belong to `App.run`, and without its way to stop."""

    def __init__(self, config: BoundedConfig) -> None:
        super().__init__(config)
        self._left = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, Any, None]:
        yield

    async def main_loop(self) -> None:
        """Renew the date that answers carry, once a second; uvicorn looks ten times whether it should end."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._left.wait()

    def leave(self) -> None:
        """End the loop above."""
        self.should_exit = True
        self._left.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """`Server.stop` does all of it."""

    def connection(self) -> Connection:
        """What serves one more connection."""
        return Connection(self.config, self.server_state, self.lifespan.state)
