"""An ASGI layer that knows what is in flight: tells streams of the end, and answers for what is cut off.

Ordinary requests are left alone until the drain is over. A stream (server-sent events, a WebSocket) would never end
by itself: it is told and closed as the drain begins, so that its client can go elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from http import HTTPStatus
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from arbiter.serving.problems import problem

__all__ = ["Traffic"]

LEAVE_S = 1.0
"""Seconds that the handler of a stream gets to notice that its client was sent away."""

GOING_AWAY = 1001
"""RFC 6455, 7.4.1: "a server going down"."""

_EVENTS = b"text/event-stream"

LAST_EVENT = b"event: shutdown\ndata: the service is stopping\nretry: 1000\n\n"


class Traffic:
    """Everything that one server answers at this moment.

    Args:
        app: the ASGI application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._requests = 0
        self._streams: set[_Stream] = set()
        self._telling = self._cutting = False

    @property
    def in_flight(self) -> Mapping[str, int]:
        """How many `requests`, `streams` and `websockets` are open now; may be read from any thread."""
        kinds = [stream.kind for stream in self._streams.copy()]
        return {"requests": self._requests, **{kind: kinds.count(kind) for kind in ("streams", "websockets")}}

    # C901: parted, each part would be one more call for every request
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: C901
        """Serve one connection, as ASGI asks."""
        if scope["type"] != "http":
            await self._converse(scope, receive, send)
            return
        if self._cutting:
            await _refusal()(scope, receive, send)
            return
        # What an ordinary request pays is counted: two calls of `watched`, and no object of its own.
        handler, started = asyncio.current_task(), False
        stream: _Stream | None = None

        def watched(message: Message) -> Awaitable[None]:
            nonlocal started, stream
            if started:
                return send(message) if stream is None else stream.send(message)
            started = message["type"] == "http.response.start"
            for name, value in message.get("headers", ()):
                if value.startswith(_EVENTS) and name.lower() == b"content-type":
                    stream = _Stream("streams", send, handler)
                    self._requests -= 1
                    return self._open(stream, message)
            return send(message)

        self._requests += 1
        try:
            await self._app(scope, receive, watched)
        except asyncio.CancelledError:
            if not (self._cutting or (stream is not None and stream.told)):
                raise
            if not started:
                await _refusal()(scope, receive, send)
        finally:
            if stream is None:
                self._requests -= 1
            else:
                self._streams.discard(stream)

    async def _converse(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a WebSocket; before it is accepted there is nobody to tell."""
        socket = _Stream("websockets", send, asyncio.current_task())

        def watched(message: Message) -> Awaitable[None]:
            return (
                self._open(socket, message) if message["type"] == "websocket.accept" else socket.send(message)
            )

        self._streams.add(socket)
        try:
            await self._app(scope, receive, watched)
        except asyncio.CancelledError:
            if not (self._cutting or socket.told):
                raise
        finally:
            self._streams.discard(socket)

    async def _open(self, stream: _Stream, opening: Message) -> None:
        self._streams.add(stream)
        await stream.send(opening)
        stream.is_open = True
        if self._telling:
            stream.telling = asyncio.ensure_future(stream.tell())

    async def tell_streams(self) -> None:
        """Tell every stream, and each that begins from now on, that this is its end; return when all have left."""
        self._telling = True
        await asyncio.gather(*(one.tell() for one in self._streams.copy() if one.is_open))

    def cut(self) -> None:
        """The drain is over: what is cancelled from now on, or comes only now, is answered with 503."""
        self._cutting = True


class _Stream:
    """One answer, or WebSocket, that has no end of its own.

    Attributes:
        kind: `streams` or `websockets`.
        is_open: its client has heard of it, and can be told of its end.
        told: it was.
        telling: who sees to that, where it opened in the drain.
    """

    def __init__(self, kind: str, send: Send, handler: asyncio.Task[Any] | None) -> None:
        self.kind, self._send, self._handler = kind, send, handler
        self.is_open = self.told = False
        self.telling: asyncio.Future[None] | None = None
        self._at_boundary = True

    async def send(self, message: Message) -> None:
        if self.told:
            return  # its client is gone
        if self.kind == "streams" and (body := message.get("body")):
            self._at_boundary = body.endswith((b"\n\n", b"\r\n\r\n"))
        await self._send(message)

    async def tell(self) -> None:
        """Send the client away; cancel a handler that does not notice."""
        self.told = True
        farewell = asyncio.ensure_future(self._send(self._farewell()))
        # The server answers the handler's `receive()` with a disconnect once the farewell has left.
        waited: set[asyncio.Future[Any]] = {farewell}
        if self._handler is not None:
            waited.add(self._handler)
        try:
            await asyncio.wait(waited, timeout=LEAVE_S)
        finally:
            farewell.cancel()
            if self._handler is not None and not self._handler.done():
                self._handler.cancel("its client was sent away")

    def _farewell(self) -> Message:
        if self.kind == "websockets":
            return {"type": "websocket.close", "code": GOING_AWAY, "reason": "the service is stopping"}
        # Within an event there is no place for another one: its end is all that can be said.
        return {"type": "http.response.body", "body": LAST_EVENT if self._at_boundary else b""}


def _refusal() -> ASGIApp:
    return problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "stopping",
        "The service is stopping, and this request could not be finished in time.",
        hint="Send it again: another instance, or this one after its restart, will take it.",
        headers={"Retry-After": "1"},  # and Connection: close, as every answer carries by then
    )
