"""One HTTP connection that can be taken leave of without cutting off a request."""

from __future__ import annotations

import fcntl
import struct
import termios

from arbiter.serving.protocol import BoundedProtocol

__all__ = ["Connection"]


class Connection(BoundedProtocol):
    """uvicorn's connection, with a close that looks first whether a request has come."""

    __slots__ = ()

    def leave(self, *, fresh_too: bool) -> None:
        """Close it if it is idle; else let the answer under way be its last.

        Args:
            fresh_too: whether one that has never sent anything counts as idle.
        """
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        elif not (self._has_begun_a_request or self._has_unread or (self._is_fresh and not fresh_too)):
            self.part()

    def drop(self) -> None:
        """Close it, whatever it is at; an answer that is not complete is reset, so that none looks complete."""
        if self.transport.is_closing():
            return
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.abort()
        else:
            self.transport.close()

    @property
    def _is_fresh(self) -> bool:
        return self.scope is None

    @property
    def _has_begun_a_request(self) -> bool:
        """Whether a part of a request's head has come: its scope exists, its cycle does not yet."""
        return self.scope is not None and (self.cycle is None or self.cycle.scope is not self.scope)

    @property
    def _has_unread(self) -> bool:
        """Whether bytes have come that the loop has not seen yet."""
        connection = self.transport.get_extra_info("socket")
        if connection is None or connection.fileno() < 0:
            return False
        return bool(struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.FIONREAD, b"\0" * 4))[0])
