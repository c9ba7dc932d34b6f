"""uvicorn's protocol with bounds: how large the head of a request may be, and how long it may take to come.

uvicorn bounds neither: a head of any size is kept, and a connection that sends one byte a minute, or none, stays for ever.
What cannot be read is answered with a problem document.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from arbiter.serving.limits import LINGER_S
from arbiter.serving.problems import problem
from arbiter.serving.settings import ServerSettings

__all__ = ["BoundedConfig", "BoundedProtocol", "Bounds"]

_HEADER_OVERHEAD = 4
"""Bytes of `: ` and the line's end."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the head of a request may take: bytes, and seconds."""

    head_bytes: int = 32_768
    head_s: float = 10.0

    @classmethod
    def of(cls, settings: ServerSettings) -> Bounds:
        """What the settings say."""
        return cls(settings.max_header_bytes, settings.header_timeout_s)


class BoundedConfig(uvicorn.Config):
    """uvicorn's configuration, which also brings the bounds to each connection; `http` is a `BoundedProtocol`."""

    def __init__(self, app: Any, bounds: Bounds, **options: Any) -> None:
        super().__init__(app, **options)
        self.bounds = bounds


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    # Not in the instance's dictionary: past 30 attributes, and uvicorn has 28, CPython keeps one of another kind, and
    # everything that uvicorn reads of its connection gets slower.
    __slots__ = ("_bounds", "_chunk", "_is_too_large", "_patience", "_refused", "_unread")

    config: BoundedConfig

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._bounds = self.config.bounds
        self._chunk = self._unread = 0
        self._refused = self._is_too_large = False
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self.stop_waiting()
        super().connection_lost(exc)

    # Called for each request, these name their parent: `super()` makes an object each time.

    def data_received(self, data: bytes) -> None:
        """Take what came, as long as it is not too much of nothing useful."""
        if self._refused:
            return
        self._chunk = len(data)
        self._unread += self._chunk
        HttpToolsProtocol.data_received(self, data)
        cycle = self.cycle
        if self._unread or cycle is None or cycle.response_complete:
            self._look()  # else all of it was of use, for an answer that is under way

    def _look(self) -> None:
        if self.transport.get_protocol() is not self or self.transport.is_closing():
            return  # a WebSocket now, or over
        if self._unread > self._bounds.head_bytes:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self._waits_for_head():
            self._wait()

    def on_headers_complete(self) -> None:
        """The head is here."""
        # what came holds the whole head: only where that is too much is the head itself measured
        bound = self._bounds.head_bytes
        if (self._unread > bound or self._chunk > bound) and self._head_bytes() > bound:
            self._is_too_large = True
            raise ValueError("head too large")  # ends the parser; send_400_response is asked next
        self._unread = 0
        if self._patience is not None:
            self.stop_waiting()
        HttpToolsProtocol.on_headers_complete(self)

    def on_body(self, body: bytes) -> None:
        """Some of the body is here."""
        self._unread = 0
        HttpToolsProtocol.on_body(self, body)

    def on_chunk_complete(self) -> None:
        """The bytes around a part of the body were of use, too; a body in one piece ends with its last byte."""
        self._unread = 0

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  uvicorn's words say less than ours
        """Answer what is no HTTP, or more of it than is read."""
        status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if self._is_too_large else HTTPStatus.BAD_REQUEST
        self._refuse(status)

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + _HEADER_OVERHEAD for name, value in self.headers)

    def _waits_for_head(self) -> bool:
        is_idle = self.cycle is None or self.cycle.response_complete
        return is_idle and self.timeout_keep_alive_task is None

    def _wait(self) -> None:
        if self._patience is None:
            self._patience = self.loop.call_later(self._bounds.head_s, self._give_up)

    def stop_waiting(self) -> None:
        """Give a head all the time that it wants."""
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def part(self) -> None:
        """Say that no more answers come, and read on for a moment.

        What crosses our goodbye then meets an orderly end of the stream, not a reset that takes the last answer with it; a
        request is not carried out, and its client may send it again elsewhere (RFC 9112, 9.6 and 9.3.1).
        """
        self._unset_keepalive_if_required()
        self.stop_waiting()
        if self.transport.is_closing():
            return
        leaving = _Leaving(self.transport)
        self.transport.set_protocol(leaving)
        self.connections.discard(self)
        self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.close)

    def _give_up(self) -> None:
        self._patience = None
        if self.transport.is_closing() or not self._waits_for_head():
            return
        if self._unread:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.transport.close()

    def _refuse(self, status: HTTPStatus) -> None:
        """Say why, where no answer is under way, and close."""
        self._refused = True
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(_written(status, self._bounds))
            self.part()
        else:
            self.transport.close()


class _Leaving(asyncio.Protocol):
    """Reads nothing any more, and goes when the client goes."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        pass

    def eof_received(self) -> None:
        self._transport.close()


def _written(status: HTTPStatus, bounds: Bounds) -> bytes:
    code, detail = {
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: (
            "head-too-large",
            f"The head of the request is larger than {bounds.head_bytes:,} bytes.",
        ),
        HTTPStatus.REQUEST_TIMEOUT: (
            "head-too-slow",
            f"The head of the request did not come within {bounds.head_s:g} s.",
        ),
    }.get(status, ("malformed-request", "What came is no HTTP request."))
    answer = problem(status, code, detail, headers={"Connection": "close"})
    lines = [b"HTTP/1.1 %d %s" % (status, status.phrase.encode())]
    lines += [b"%s: %s" % header for header in answer.raw_headers]
    return b"\r\n".join([*lines, b"", bytes(answer.body)])
