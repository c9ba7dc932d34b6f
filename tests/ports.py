"""Free ports for servers that tests start, each given out once on the whole machine."""

from __future__ import annotations

import socket
import sys
from collections import deque

__all__ = ["free_port"]

_HELD: deque[socket.socket] = deque(maxlen=128)
"""The last ports that were given out, more than any test starts servers on; the deque lets go of the oldest."""


def free_port() -> int:
    """A TCP port of the loopback address that nobody uses, and that nobody else is given.

    A port that is merely looked up may be taken before its server binds it: by a test of another process, or as the
    near end of anybody's connection. So it stays bound here, without listening. Linux then gives it to nobody who
    does not ask for it, and lets a server that sets SO_REUSEADDR listen on it, as they all do; elsewhere such a
    server might be refused, and the port is only looked up.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    port: int = held.getsockname()[1]
    if sys.platform == "linux":
        if len(_HELD) == _HELD.maxlen:
            _HELD.popleft().close()
        _HELD.append(held)
    else:
        held.close()
    return port
