"""A server that stops loses nobody: who was connected is answered, streams are told, late ones are refused in words."""

from __future__ import annotations

import asyncio
import collections
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message

from arbiter.serving.server import Server, bind
from arbiter.serving.traffic import Traffic

GET = b"GET /quick HTTP/1.1\r\nHost: x\r\n\r\n"


class Pages:
    """A small application: `/quick`, `/slow` (until released), `/half` (begins an answer), `/events` (a stream)."""

    def __init__(self) -> None:
        self.released, self.entered = asyncio.Event(), asyncio.Event()
        self.unwound: list[str] = []
        self.app = Starlette(
            routes=[
                Route("/quick", self.quick),
                Route("/slow", self.slow),
                Route("/half", self.half),
                Route("/events", self.events),
            ]
        )

    async def quick(self, _: Request) -> Response:
        return PlainTextResponse("quick")

    async def slow(self, _: Request) -> Response:
        self.entered.set()
        try:
            await self.released.wait()
        finally:
            self.unwound.append("slow")
        return PlainTextResponse("slow")

    async def half(self, _: Request) -> Response:
        async def body() -> AsyncIterator[bytes]:
            yield b"half"
            self.entered.set()
            await self.released.wait()
            yield b"whole"

        return StreamingResponse(body(), media_type="text/plain")

    async def events(self, _: Request) -> Response:
        async def body() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"data: tick\n\n"
                    self.entered.set()
                    await self.released.wait()
            finally:
                self.unwound.append("events")

        return StreamingResponse(body(), media_type="text/event-stream")


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[Server]:
    """The application on a free port."""
    server = Server(app, bind("127.0.0.1", 0, setting="server"))
    await server.start()
    try:
        yield server
    finally:
        await server.stop(0)


def connected(server: Server) -> socket.socket:
    """A raw connection to it."""
    return socket.create_connection(server.address, timeout=10)


def answer_of(connection: socket.socket) -> bytes:
    """One whole answer of `/quick`, or as much of it as comes before the end."""
    answer = b""
    while not answer.endswith(b"quick") and (part := connection.recv(4096)):
        answer += part
    return answer


def hammer(address: tuple[str, int], seen: collections.Counter[str]) -> None:
    """One request on a new connection after the other, until connections are refused."""
    while True:
        with socket.socket() as connection:
            connection.settimeout(10)
            try:
                connection.connect(address)
            except ConnectionRefusedError:
                return
            try:
                connection.sendall(GET)
                answer = answer_of(connection)
            except OSError as error:
                seen[repr(error)] += 1
            else:
                seen["answered" if answer.startswith(b"HTTP/1.1 200") else repr(answer)] += 1


async def test_s01_whoever_connects_while_the_listener_closes_is_answered_or_refused() -> None:
    """Clients that open new connections all the time are answered until connections are refused: none is reset."""
    seen: collections.Counter[str] = collections.Counter()
    async with served(Pages().app) as server:
        clients = [asyncio.create_task(asyncio.to_thread(hammer, server.address, seen)) for _ in range(8)]
        while seen["answered"] < 50:  # noqa: ASYNC110  counted in other threads
            await asyncio.sleep(0.001)
        assert await server.stop(5)
        await asyncio.gather(*clients)

    assert set(seen) == {"answered"}


async def test_a_connection_that_has_not_been_accepted_yet_is_answered() -> None:
    """What waits in the kernel's queue when the stop begins is taken in before the listener closes."""
    async with served(Pages().app) as server:
        waiting = [connected(server) for _ in range(20)]  # the loop has had no turn to accept them
        stopping = asyncio.create_task(server.stop(5))
        for connection in waiting:
            await asyncio.to_thread(connection.sendall, GET)
        answers = [await asyncio.to_thread(answer_of, connection) for connection in waiting]
        for connection in waiting:
            connection.close()

        assert await stopping
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)
    assert all(b"connection: close" in answer for answer in answers)


async def test_a_request_that_the_loop_has_not_seen_yet_is_answered_by_a_kept_connection() -> None:
    """An idle connection is left open when a request has come on it, and answered with Connection: close."""
    async with served(Pages().app) as server:
        with connected(server) as kept, connected(server) as idle:
            for connection in (kept, idle):
                await asyncio.to_thread(connection.sendall, GET)
                await asyncio.to_thread(answer_of, connection)
            kept.sendall(GET)  # without a turn of the loop

            assert await server.stop(5)
            answer, goodbye = answer_of(kept), answer_of(idle)

    assert answer.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in answer
    assert goodbye == b""


async def test_a_request_that_crosses_the_goodbye_meets_an_orderly_end() -> None:
    """A client that sends as its idle connection is closed reads an end of the stream, never a reset."""
    async with served(Pages().app) as server:
        with connected(server) as idle:
            await asyncio.to_thread(idle.sendall, GET)
            await asyncio.to_thread(answer_of, idle)
            stopping = asyncio.create_task(server.stop(5))
            goodbye = await asyncio.to_thread(idle.recv, 4096)
            idle.sendall(GET)
            after = await asyncio.to_thread(idle.recv, 4096)
            await stopping

    assert (goodbye, after) == (b"", b"")


async def test_s07_a_request_that_outlasts_the_drain_is_answered_with_503() -> None:
    """It is cancelled, unwinds before the stop returns, and its client is told to come again."""
    pages = Pages()
    async with served(pages.app) as server, httpx2.AsyncClient(base_url=server.url) as client:
        asked = asyncio.create_task(client.get("/slow"))
        await pages.entered.wait()

        in_time = await server.stop(0.05)
        answer = await asked

    assert not in_time
    assert pages.unwound == ["slow"]
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["connection"] == "close"
    assert answer.json()["type"] == "urn:arbiter:problem:stopping"


async def test_s07_an_answer_that_had_begun_is_never_taken_for_a_whole_one() -> None:
    """Its connection breaks before the end that was announced."""
    pages = Pages()
    async with served(pages.app) as server, httpx2.AsyncClient(base_url=server.url) as client:
        asked = asyncio.create_task(client.get("/half"))
        await pages.entered.wait()
        await server.stop(0.05)

        with pytest.raises(httpx2.TransportError):
            await asked


async def test_s08_an_event_stream_is_told_and_ends_well_as_the_drain_begins() -> None:
    """Its last event says so, the stream ends as HTTP wants it, and its handler unwinds long before the budget."""
    pages = Pages()
    async with served(pages.app) as server, httpx2.AsyncClient(base_url=server.url) as client:
        reading = asyncio.create_task(client.get("/events"))
        await pages.entered.wait()
        counted = dict(server.in_flight)

        in_time = await server.stop(30)
        answer = await reading

    assert counted == {"requests": 0, "streams": 1, "websockets": 0}
    assert in_time
    assert answer.text == ("data: tick\n\nevent: shutdown\ndata: the service is stopping\nretry: 1000\n\n")
    assert pages.unwound == ["events"]


async def test_s08_a_websocket_is_closed_with_1001_as_the_drain_begins() -> None:
    """An accepted WebSocket gets a close frame with code 1001, and nothing that its handler sends after it."""
    sent: list[Message] = []
    gone: asyncio.Queue[Message] = asyncio.Queue()

    async def send(message: Message) -> None:
        sent.append(message)
        if message["type"] == "websocket.close":
            gone.put_nowait({"type": "websocket.disconnect", "code": message["code"]})

    async def chat(_: object, receive: object, send: object) -> None:
        await send({"type": "websocket.accept"})  # type: ignore[operator]
        await receive()  # type: ignore[operator]
        await send({"type": "websocket.send", "text": "still there?"})  # type: ignore[operator]

    traffic = Traffic(chat)
    serving = asyncio.create_task(traffic({"type": "websocket", "path": "/"}, gone.get, send))
    while not sent:  # noqa: ASYNC110  a turn of the loop
        await asyncio.sleep(0)
    counted = dict(traffic.in_flight)
    await traffic.tell_streams()
    await serving

    assert counted == {"requests": 0, "streams": 0, "websockets": 1}
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.close"]
    assert sent[1]["code"] == 1001
    assert sum(traffic.in_flight.values()) == 0


async def test_a_handler_that_does_not_notice_its_clients_leave_is_cancelled() -> None:
    """A stream whose handler never looks at what it receives is unwound all the same, once its client is gone."""
    ended = threading.Event()

    async def deaf(_: object, __: object, send: object) -> None:
        try:
            await send(  # type: ignore[operator]
                {
                    "type": "http.response.start",
                    "status": 200,
                    "headers": [(b"content-type", b"text/event-stream")],
                }
            )
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with (
        served(deaf) as server,
        httpx2.AsyncClient(base_url=server.url) as client,
        client.stream("GET", "/") as answer,
    ):
        assert await server.stop(20)
        rest = await answer.aread()

    assert ended.is_set()
    assert rest.startswith(b"event: shutdown")
