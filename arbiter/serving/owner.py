"""Who holds a TCP port on this machine, where the operating system tells (Linux: /proc)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

__all__ = ["owner_of"]

PROC = Path("/proc")
LISTENING = "0A"
"""TCP_LISTEN in linux/include/net/tcp_states.h, as /proc/net/tcp prints it."""


def owner_of(port: int) -> str:
    """The process that listens on `port`, as "pid 42 (python)"; "" where it cannot be seen.

    Another user's process is seen by root alone.
    """
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    if not sockets:
        return ""
    for process in PROC.glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or belongs to somebody else
            if any(_link(file) in sockets for file in (process / "fd").iterdir()):
                name = (process / "comm").read_text().strip()
                return f"pid {process.name} ({name})"
    return ""


def _listening_inodes(port: int) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (PROC / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    yield fields[9]


def _link(file: Path) -> str:
    try:
        return str(file.readlink())
    except OSError:
        return ""
