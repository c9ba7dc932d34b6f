"""An ASGI layer that reads no more of a body than it was told to."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from arbiter.serving.problems import FieldError, problem

__all__ = ["BodyLimit"]


class BodyLimit:
    """Answers 413 to a body larger than `max_bytes`, whether its length is declared or streamed.

    Args:
        app: the application behind the limit.
        max_bytes: the largest body that passes.
        larger: paths that take more, and how much.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, larger: Mapping[str, int] | None = None) -> None:
        self._app, self._max_bytes, self._larger = app, max_bytes, larger or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, as ASGI asks."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        max_bytes = self._larger.get(scope["path"], self._max_bytes)
        if _declared_length(scope) > max_bytes:
            await _refusal(max_bytes)(scope, receive, send)
            return
        watched = _Watched(receive, send, max_bytes)
        with contextlib.suppress(_TooLarge):
            await self._app(scope, watched.receive, watched.send)
        if watched.exceeded and not watched.answered:
            await _refusal(max_bytes)(scope, receive, send)


def _refusal(max_bytes: int) -> Response:
    sentence = f"The body is larger than the {max_bytes:,} bytes that this service reads here."
    return problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "body-too-large",
        sentence,
        hint="Send less at once, or raise server.max_body_bytes in the settings.",
        errors=[FieldError("body", sentence)],
        headers={"Connection": "close"},
    )


class _TooLarge(Exception):
    """Unwinds the application once the limit is passed; never leaves this module."""


class _Watched:
    """Counts what comes in, and holds back an answer that the application makes of a cut-off body."""

    def __init__(self, receive: Receive, send: Send, max_bytes: int) -> None:
        self._receive, self._send, self._left = receive, send, max_bytes
        self.exceeded = self.answered = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                self.exceeded = True
                raise _TooLarge
        return message

    async def send(self, message: Message) -> None:
        if self.exceeded and not self.answered:
            return
        self.answered = True
        await self._send(message)


def _declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0
