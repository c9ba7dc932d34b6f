"""What is in flight when the drain begins, in a process: long requests, event streams, WebSockets."""

from __future__ import annotations

import base64
import os
import signal
import socket
import struct
import time
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from tests.processes import Service, answer_of, serving, until

APPLICATION = """
import asyncio
from dependency_injector import providers
from starlette.applications import Starlette
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from arbiter import App, Infrastructure


class Database:
    is_open = False

    async def start(self):
        self.is_open = True

    async def stop(self):
        self.is_open = False
        print("database closed", flush=True)


def api(database):
    async def wait(name):
        try:
            await asyncio.sleep(60)
        finally:
            if name == "long":  # in a streamed answer, anyio cancels the clean-up's own waits
                await asyncio.sleep(0.1)
            print(name, "unwound, database open:", database.is_open, flush=True)

    async def long(request):
        await wait("long")
        return Response("done")

    async def half(request):
        async def parts():
            yield b"one half, "
            await wait("half")
            yield b"other half"
        return StreamingResponse(parts(), headers={"Content-Length": "20"})

    async def events(request):
        async def ticks():
            yield "data: tick\\n\\n"
            await wait("events")
        return StreamingResponse(ticks(), media_type="text/event-stream")

    async def chat(socket):
        await socket.accept()
        await socket.receive()
        print("chat left", flush=True)

    return Starlette(routes=[Route("/long", long), Route("/half", half), Route("/events", events),
                             WebSocketRoute("/chat", chat)])


class Shop(Infrastructure):
    database = providers.Singleton(Database)
    http = providers.Singleton(api, database)


def create_app():
    return App(Shop)
"""
SHOP = {"ARBITER_ENV": "test", "ARBITER_APP": "shop:create_app"}


def test_s07_a_request_longer_than_the_drain_is_cut_while_its_database_is_open(tmp_path: Path) -> None:
    """At the drain's end it is cancelled and unwinds before the database closes; its client gets 503, or, where the
    answer had begun, a connection that breaks off: never a truncated 200.
    """
    with _shop(tmp_path, "lifecycle.drain_s=1") as service:
        waiting, begun = _ask(service, "/long"), _ask(service, "/half")
        assert b"one half, " in _read_until(begun, b"one half, ")
        _until_open(service, requests=2)
        at = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        refused = _rest(waiting)
        cut_s = time.monotonic() - at
        with suppress(ConnectionResetError):  # or the end of the stream, which is as far from 20 bytes
            assert _rest(begun) == b""
        code = service.process.wait(20)
        said = [line for line in service.output().splitlines() if "database" in line and "{" not in line]

    assert refused.startswith(b"HTTP/1.1 503")
    assert b"urn:arbiter:problem:stopping" in refused
    assert cut_s >= 1
    assert sorted(said[:2]) == ["half unwound, database open: True", "long unwound, database open: True"]
    assert said[2:] == ["database closed"]
    assert code == 0


def test_s08_streams_and_websockets_are_told_as_the_drain_begins(tmp_path: Path) -> None:
    """Both are sent away long before the drain would end: a last event and a whole answer, a close frame with 1001."""
    with _shop(tmp_path, "lifecycle.drain_s=15") as service:
        stream, chat = _ask(service, "/events"), _open_websocket(service)
        _read_until(stream, b"data: tick")
        _until_open(service, streams=1, websockets=1)
        at = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        last, frame = _rest(stream), chat.recv(2)
        told_s = time.monotonic() - at
        (close_code,) = struct.unpack("!H", chat.recv(2))
        chat.close()
        code = service.process.wait(20)
        ended_s = time.monotonic() - at
        said = service.output()

    assert b"event: shutdown" in last
    assert last.endswith(b"0\r\n\r\n")
    assert frame[0] == 0x88  # FIN and the opcode of a close
    assert close_code == 1001
    assert told_s < 5  # 1 s in the scenario
    assert ended_s < 10
    assert "chat left" in said
    assert code == 0


def _shop(folder: Path, *settings: str) -> AbstractContextManager[Service]:
    (folder / "shop.py").write_text(APPLICATION)
    return serving(folder, folder, "lifecycle.pre_drain_s=0", *settings, variables=SHOP)


def _connect(service: Service) -> socket.socket:
    return socket.create_connection(("localhost", int(service.url.rpartition(":")[2])), timeout=20)


def _ask(service: Service, path: str) -> socket.socket:
    connection = _connect(service)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return connection


def _open_websocket(service: Service) -> socket.socket:
    connection, key = _connect(service), base64.b64encode(os.urandom(16)).decode()
    connection.sendall(
        f"GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    assert _read_until(connection, b"\r\n\r\n").startswith(b"HTTP/1.1 101")
    return connection


def _read_until(connection: socket.socket, end: bytes) -> bytes:
    read = b""
    while end not in read:
        part = connection.recv(1)
        assert part, read
        read += part
    return read


def _rest(connection: socket.socket) -> bytes:
    with connection:
        return b"".join(iter(lambda: connection.recv(65536), b""))


def _until_open(service: Service, **expected: int) -> None:
    def is_so() -> bool:
        in_flight = answer_of(f"{service.management}/tasks").json()["in_flight"]
        return all(in_flight[kind] == number for kind, number in expected.items())

    until(is_so, what=f"{expected} in flight")
