"""Closing a listening socket without losing anybody who stands before it.

A connection that the kernel has accepted and we have not is reset when the listener closes: its client believes to be
connected, and gets a reset for its first request. So no further handshake is begun, those under way may end, and what
waits in the accept queue is taken in, before the listener closes.
"""

from __future__ import annotations

import asyncio
import ctypes
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress

__all__ = ["last_arrivals"]

HANDSHAKE_S = 0.05
"""Seconds that a handshake under way gets to end; one that takes longer is reset, as any closing listener does."""

SO_ATTACH_FILTER = 26
"""linux/include/uapi/asm-generic/socket.h; the standard library has no name for it."""

# Classic BPF over the segments that reach the listener, which begin with the TCP header: drop what has SYN set (a new
# handshake; its client tries again, and is refused by then), keep all else (handshakes under way).
_SYN_DROPPED = b"".join(
    struct.pack("HBBI", *instruction)
    for instruction in (
        (0x30, 0, 0, 13),  # A = the byte of flags
        (0x45, 0, 1, 0x02),  # is SYN set?
        (0x06, 0, 0, 0),  # yes: drop
        (0x06, 0, 0, 0xFFFFFFFF),  # no: keep
    )
)


async def last_arrivals(listener: socket.socket) -> list[socket.socket]:
    """Let no further handshake begin, and take in who is connected already; then close the listener at once.

    Args:
        listener: listens and does not block. Who accepts on it may go on meanwhile.

    Returns:
        Connections that are the caller's to serve.
    """
    _drop_handshakes(listener)
    await asyncio.sleep(HANDSHAKE_S)
    return list(_accepted(listener))


def _drop_handshakes(listener: socket.socket) -> None:
    if sys.platform != "linux":
        return  # those that come between the last accept and the close, microseconds later, are reset
    program = ctypes.create_string_buffer(_SYN_DROPPED)
    with suppress(OSError):  # a kernel without it: as on other platforms
        listener.setsockopt(
            socket.SOL_SOCKET,
            SO_ATTACH_FILTER,
            struct.pack("HP", len(_SYN_DROPPED) // 8, ctypes.addressof(program)),
        )


def _accepted(listener: socket.socket) -> Iterator[socket.socket]:
    while True:
        try:
            connection, _ = listener.accept()
        except ConnectionAbortedError:
            continue  # this one has left again
        except OSError:  # nobody is left (EAGAIN), or no descriptor is
            return
        connection.setblocking(False)  # noqa: FBT003  the standard library's signature
        yield connection
