"""uvicorn, embedded: the address is bound before anything starts, the signals are ours, and the drain ends.

Run as it comes, uvicorn re-raises SIGTERM (exit -15, no atexit), binds after the application started and lets one
open stream block the exit for ever. Here the socket is bound by `bind()`, `capture_signals` does nothing, lifespan is
off, and `stop()` closes the listener, waits for what is in flight and cancels what is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Generator
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from arbiter.errors import StartError

__all__ = ["Server", "bind"]


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
        return StartError(
            f"The address {where} is already in use by another process.",
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
    """

    def __init__(self, app: ASGIApp, listener: socket.socket) -> None:
        self._listener = listener
        config = uvicorn.Config(
            app,
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
    def in_flight(self) -> int:
        """How many requests are being answered now."""
        return len(self._uvicorn.server_state.tasks)

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
        # The first is what uvicorn copies from at its next tick of a second, the second is what it uses until then.
        self._uvicorn.config.encoded_headers.append(header)
        self._uvicorn.server_state.default_headers.append(header)

    async def stop(self, drain_s: float) -> bool:
        """Accept no more, let what is in flight finish, cancel what has not after `drain_s` seconds.

        Returns:
            True when every request was answered in time.
        """
        if self._serving is None:
            self._listener.close()
            return True
        # uvicorn counts its own limit in whole seconds from here; ours is exact and comes first.
        self._uvicorn.config.timeout_graceful_shutdown = int(drain_s) + 2
        self._uvicorn.should_exit = True
        _, late = await asyncio.wait({self._serving}, timeout=drain_s)
        if late:
            await self._cancel_requests()
        await asyncio.wait({self._serving}, timeout=1)
        return not late

    async def _cancel_requests(self) -> None:
        tasks = set(self._uvicorn.server_state.tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1)
        self._uvicorn.force_exit = True


class _Quiet(uvicorn.Server):
    """uvicorn's server without its signal handlers: signals belong to `App.run`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, Any, None]:
        yield
