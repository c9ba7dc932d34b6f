"""A server of ours on a free loopback port, in the test's own loop, and clients that misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from starlette.types import ASGIApp, Receive, Scope, Send

from arbiter.serving.limits import BodyLimit
from arbiter.serving.protocol import Bounds
from arbiter.serving.server import Server, bind

__all__ = ["QUICK", "Wire", "echo", "serving", "talk"]

QUICK = Bounds(head_bytes=2048, head_s=0.3)
"""Bounds that a test reaches soon."""


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers 200 with the length of what was sent."""
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    body = b"%d" % size
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def serving(
    app: ASGIApp = echo, bounds: Bounds = QUICK, *, body_timeout_s: float = 30.0
) -> AsyncIterator[Server]:
    """The application on a port of its own."""
    limited = BodyLimit(app, 10_000, timeout_s=body_timeout_s)
    server = Server(limited, bind("127.0.0.1", 0, setting="server"), bounds)
    await server.start()
    try:
        yield server
    finally:
        await server.stop(1)


class Wire:
    """One connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        """Write this much."""
        self.writer.write(data)
        await self.writer.drain()

    async def rest(self) -> bytes:
        """What the server says until it closes, or resets."""
        told = b""
        with suppress(ConnectionResetError):
            while part := await asyncio.wait_for(self.reader.read(65536), 10):
                told += part
        return told

    async def answer(self) -> bytes:
        """The head of the next answer and its body."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)
        length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        return head + await self.reader.readexactly(int(length[0].partition(b":")[2]) if length else 0)


@asynccontextmanager
async def talk(server: Server) -> AsyncIterator[Wire]:
    """A connection to the server."""
    reader, writer = await asyncio.open_connection(*server.address)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()
