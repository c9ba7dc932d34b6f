"""How large and how slow a request may be."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from starlette.types import Receive, Scope, Send

from arbiter.serving.server import Server
from tests.security.kit import Wire, echo, serving, talk

GET = b"GET / HTTP/1.1\r\nHost: here\r\n"


@pytest.mark.parametrize(
    "head",
    [
        GET + b"X: " + b"x" * 4000 + b"\r\n\r\n",
        GET + b"a: b\r\n" * 1000 + b"\r\n",
        b"GET /" + b"x" * 4000 + b" HTTP/1.1\r\n\r\n",
    ],
    ids=["one-large", "many-small", "long-line"],
)
async def test_a_large_head_is_refused(head: bytes) -> None:
    """A head over the limit is answered with 431 and a closed connection."""
    async with serving() as server, talk(server) as wire:
        await wire.send(head)
        told = await wire.rest()

    assert told.startswith(b"HTTP/1.1 431 ")
    assert b"application/problem+json" in told
    assert b"2,048 bytes" in told


async def test_a_head_that_never_ends_is_not_kept() -> None:
    """A header's value that goes on and on is cut off at the limit, not collected."""
    async with serving() as server, talk(server) as wire:
        await wire.send(GET + b"X: ")
        for _ in range(5):
            await wire.send(b"x" * 500)
            await asyncio.sleep(0)
        told = await wire.rest()

    assert told.startswith(b"HTTP/1.1 431 ")


async def test_a_large_body_is_no_large_head() -> None:
    """The limit of the head does not count a body that comes with it in one piece."""
    async with serving() as server, talk(server) as wire:
        await wire.send(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 9000\r\n\r\n" + b"x" * 9000)
        told = await wire.answer()

    assert told.startswith(b"HTTP/1.1 200 ")
    assert told.endswith(b"9000")


async def test_trailers_that_never_end_are_not_kept() -> None:
    """What follows a chunked body is bounded as the head is."""
    head = b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX: "
    async with serving() as server, talk(server) as wire:
        pouring = asyncio.create_task(_pour(wire, head, b"x" * 500))
        await wire.rest()
        with suppress(ConnectionError):
            await pouring  # it ends because the server has closed


async def test_a_slow_head_is_given_up() -> None:
    """A head that drips (slowloris) is answered with 408 when its time is over, however often a byte comes."""
    async with serving() as server, talk(server) as wire:
        dripping = asyncio.create_task(_drip(wire, GET))
        told = await wire.rest()
        dripping.cancel()

    assert told.startswith(b"HTTP/1.1 408 ")


async def test_a_connection_that_says_nothing_is_closed() -> None:
    """Who connects and sends no byte is let go without a word."""
    async with serving() as server, talk(server) as wire:
        assert await wire.rest() == b""


async def test_a_second_head_on_a_kept_connection_must_come_in_time_too() -> None:
    """Keep-alive gives the next request's head no more time than the first one had."""
    async with serving() as server, talk(server) as wire:
        await wire.send(GET + b"\r\n")
        first = await wire.answer()
        await wire.send(b"GET / HT")
        told = await wire.rest()

    assert first.startswith(b"HTTP/1.1 200 ")
    assert told.startswith(b"HTTP/1.1 408 ")


async def test_a_slow_handler_is_not_a_slow_client() -> None:
    """The head's time does not run while a request is being answered."""

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.6)  # twice the head's time: what is waited for is that nothing happens
        await echo(scope, receive, send)

    async with serving(slow) as server, talk(server) as wire:
        await wire.send(GET + b"\r\n")
        told = await wire.answer()

    assert told.startswith(b"HTTP/1.1 200 ")


async def test_a_slow_body_is_given_up() -> None:
    """A body that drips is answered with 408 when its time is over."""
    async with serving(body_timeout_s=0.3) as server, talk(server) as wire:
        await wire.send(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 900\r\n\r\n")
        dripping = asyncio.create_task(_drip(wire, b"x" * 900))
        told = await wire.rest()
        dripping.cancel()

    assert told.startswith(b"HTTP/1.1 408 ")
    assert b"body-too-slow" in told


@pytest.mark.parametrize(
    "noise",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00" * 64,
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: here\r\n\r\n",
        b"GET http://[::1 HTTP/1.1\r\nHost: here\r\n\r\n",
        GET + b"Content-Length: -1\r\n\r\n",
        GET + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        GET + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        GET + b"Bad Header: x\r\n\r\n",
        GET + b" folded\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_what_is_no_http_is_refused(noise: bytes) -> None:
    """Malformed and ambiguous requests get 4xx or a closed connection; the server goes on."""
    async with serving() as server:
        async with talk(server) as wire:
            await wire.send(noise)
            wire.writer.write_eof()
            told = await wire.rest()
        async with talk(server) as wire:
            await wire.send(GET + b"\r\n")
            after = await wire.answer()

    assert told == b"" or told.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), told[:80]
    assert after.startswith(b"HTTP/1.1 200 ")


async def test_half_closed_connections_leave_nothing_behind() -> None:
    """Clients that shut their sending side in the middle of a head or a body leave no connection and no task."""
    parts = (b"", b"GET / HT", GET, b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 900\r\n\r\nx")
    async with serving() as server:
        for part in parts * 5:
            async with talk(server) as wire:
                await wire.send(part)
                wire.writer.write_eof()
                await wire.rest()
        async with asyncio.timeout(5):
            await _nothing_left(server)


async def _nothing_left(server: Server) -> None:
    while any(server.in_flight.values()) or server._uvicorn.server_state.connections:  # noqa: ASYNC110  polled, with a limit
        await asyncio.sleep(0.01)


async def _pour(wire: Wire, head: bytes, more: bytes) -> None:
    await wire.send(head)
    while True:
        await wire.send(more)
        await asyncio.sleep(0.01)


async def _drip(wire: Wire, data: bytes) -> None:
    with suppress(ConnectionError):  # the server has had enough
        for position in range(len(data)):
            await wire.send(data[position : position + 1])
            await asyncio.sleep(0.02)
