"""An ASGI layer that reads no more of a body than it was told to, and waits for it no longer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Mapping
from http import HTTPStatus
from typing import NoReturn

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from arbiter.serving.problems import FieldError, problem

__all__ = ["LINGER_S", "BodyLimit"]

LINGER_S = 0.2
"""Seconds that a half-closed connection waits for its client's own end."""

_ANNOUNCING = frozenset({b"content-length", b"transfer-encoding"})

_BYTES_PER_S = 1024
"""How fast a body must come beyond the first `timeout_s`; a caller that drips it cannot hold a place for ever."""


class BodyLimit:
    """Answers 413 to a body larger than `max_bytes`, declared or streamed, and 408 to one that comes too slowly.

    Args:
        app: the application behind the limit.
        max_bytes: the largest body that passes.
        larger: paths that take more, and how much.
        timeout_s: how long a body may take to arrive, besides a second for each KiB of it.
    """

    def __init__(
        self, app: ASGIApp, max_bytes: int, larger: Mapping[str, int] | None = None, timeout_s: float = 30.0
    ) -> None:
        self._app, self._max_bytes, self._larger = app, max_bytes, larger or {}
        self._timeout_s = timeout_s

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one connection, as ASGI asks; one without a body costs no coroutine."""
        if scope["type"] == "http":
            # RFC 9112, 6.3: one of two headers announces a body; to watch costs a tenth of a small request
            for name, _ in scope["headers"]:
                if name in _ANNOUNCING:
                    return self._watch(scope, receive, send)
        return self._app(scope, receive, send)

    async def _watch(self, scope: Scope, receive: Receive, send: Send) -> None:
        max_bytes = self._larger.get(scope["path"], self._max_bytes)
        if _declared_length(scope) > max_bytes:
            await _refuse(_too_large(max_bytes), scope, receive, send)
            return
        watched = _Watched(receive, send, max_bytes, self._timeout_s)
        with contextlib.suppress(_Cut):
            await self._app(scope, watched.receive, watched.send)
        if watched.refusal is not None and not watched.answered:
            await _refuse(watched.refusal, scope, receive, send)


async def _refuse(refusal: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer, and read on for a moment before the connection closes.

    A close over bytes that nobody has read resets the connection, and its client may never see the answer.
    """
    held = list[Message]()

    async def send_all_but_the_end(message: Message) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            held.append({"type": "http.response.body"})
            message = {**message, "more_body": True}
        await send(message)

    await refusal(scope, receive, send_all_but_the_end)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            while (await receive()).get("more_body", False):
                pass
    for message in held:
        await send(message)


def _too_slow() -> Response:
    return problem(
        HTTPStatus.REQUEST_TIMEOUT,
        "body-too-slow",
        "The body did not come in time.",
        headers={"Connection": "close"},
    )


def _too_large(max_bytes: int) -> Response:
    sentence = f"The body is larger than the {max_bytes:,} bytes that this service reads here."
    return problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "body-too-large",
        sentence,
        hint="Send less at once, or raise server.max_body_bytes in the settings.",
        errors=[FieldError("body", sentence)],
        headers={"Connection": "close"},
    )


class _Cut(Exception):
    """Unwinds the application once a limit is passed; never leaves this module."""


class _Watched:
    """Counts what comes in, and holds back an answer that the application makes of a cut-off body."""

    def __init__(self, receive: Receive, send: Send, max_bytes: int, timeout_s: float) -> None:
        self._receive, self._send = receive, send
        self._read, self._max_bytes, self._timeout_s = 0, max_bytes, timeout_s
        self._begun: float | None = None
        self._whole = self.answered = False
        self.refusal: Response | None = None

    async def receive(self) -> Message:
        message = await (self._receive() if self._whole else self._in_time())
        if message["type"] == "http.request":
            self._whole = not message.get("more_body", False)
            self._read += len(message.get("body", b""))
            if self._read > self._max_bytes:
                self._cut(_too_large(self._max_bytes))
        return message

    async def send(self, message: Message) -> None:
        if self.refusal is not None and not self.answered:
            return
        self.answered = True
        await self._send(message)

    async def _in_time(self) -> Message:
        now = asyncio.get_running_loop().time()
        self._begun = now if self._begun is None else self._begun
        try:
            async with asyncio.timeout_at(self._begun + self._timeout_s + self._read / _BYTES_PER_S):
                return await self._receive()
        except TimeoutError:
            self._cut(_too_slow())

    def _cut(self, refusal: Response) -> NoReturn:
        self.refusal = refusal
        raise _Cut


def _declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0
