"""An ASGI layer that knows what is in flight: tells streams of the end, and answers for what is cut off.

Ordinary requests are left alone until the drain is over. A stream (server-sent events, a WebSocket) would never end
by itself: it is told and closed as the drain begins, so that its client can go elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from arbiter.serving.problems import problem

__all__ = ["Traffic"]

LEAVE_S = 1.0
"""Seconds that the handler of a stream gets to notice that its client was sent away."""

GOING_AWAY = 1001
"""RFC 6455, 7.4.1: "a server going down"."""

LAST_EVENT = b"event: shutdown\ndata: the service is stopping\nretry: 1000\n\n"


class Traffic:
    """Everything that one server answers at this moment.

    Args:
        app: the ASGI application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._open: set[_Exchange] = set()
        self._telling = self._cutting = False

    @property
    def in_flight(self) -> Mapping[str, int]:
        """How many `requests`, `streams` and `websockets` are open now; may be read from any thread."""
        kinds = [exchange.kind for exchange in self._open.copy()]
        return {kind: kinds.count(kind) for kind in ("requests", "streams", "websockets")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, as ASGI asks."""
        if self._cutting and scope["type"] == "http":
            await _refusal()(scope, receive, send)
            return
        exchange = _Exchange(scope, send, self)
        self._open.add(exchange)
        try:
            await self._app(scope, receive, exchange.send)
        except asyncio.CancelledError:
            if not (self._cutting or exchange.told):
                raise
            if scope["type"] == "http" and not exchange.started:
                await _refusal()(scope, receive, send)
        finally:
            self._open.discard(exchange)

    async def tell_streams(self) -> None:
        """Tell every stream, and each that begins from now on, that this is its end; return when all have left."""
        self._telling = True
        await asyncio.gather(*(one.tell() for one in self._open.copy() if one.is_stream))

    def cut(self) -> None:
        """The drain is over: what is cancelled from now on, or comes only now, is answered with 503."""
        self._cutting = True

    def opened(self, exchange: _Exchange) -> None:
        """A request turned out to be a stream."""
        if self._telling:
            exchange.telling = asyncio.ensure_future(exchange.tell())


class _Exchange:
    """One request or WebSocket, from its first message to its handler's return."""

    __slots__ = (
        "_at_boundary",
        "_scope",
        "_send",
        "_traffic",
        "handler",
        "kind",
        "started",
        "telling",
        "told",
    )

    def __init__(self, scope: Scope, send: Send, traffic: Traffic) -> None:
        self._scope, self._send, self._traffic = scope, send, traffic
        self.kind = "websockets" if scope["type"] == "websocket" else "requests"
        self.handler = asyncio.current_task()
        self.started = self.told = False
        self.telling: asyncio.Future[None] | None = None
        self._at_boundary = True

    @property
    def is_stream(self) -> bool:
        return self.kind == "streams" or (self.kind == "websockets" and self.started)

    async def send(self, message: Message) -> None:
        if self.told:
            return  # its client is gone
        kind = message["type"]
        if not self.started and kind in {"http.response.start", "websocket.accept"}:
            self.started = True
            await self._send(message)
            self._look_at(message)
            return
        if self.kind == "streams" and (body := message.get("body")):
            self._at_boundary = body.endswith((b"\n\n", b"\r\n\r\n"))
        await self._send(message)

    def _look_at(self, opening: Message) -> None:
        """Is this the beginning of a stream?"""
        if self.kind == "requests":
            types = [value for name, value in opening.get("headers", ()) if name.lower() == b"content-type"]
            if not types or not types[0].startswith(b"text/event-stream"):
                return
            self.kind = "streams"
        self._traffic.opened(self)

    async def tell(self) -> None:
        """Send the client away; cancel a handler that does not notice."""
        self.told = True
        farewell = asyncio.ensure_future(self._send(self._farewell()))
        # The server answers the handler's `receive()` with a disconnect once the farewell has left.
        waited: set[asyncio.Future[Any]] = {farewell}
        if self.handler is not None:
            waited.add(self.handler)
        try:
            await asyncio.wait(waited, timeout=LEAVE_S)
        finally:
            farewell.cancel()
            if self.handler is not None and not self.handler.done():
                self.handler.cancel("its client was sent away")

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
