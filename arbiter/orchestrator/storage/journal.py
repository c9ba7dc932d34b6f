"""Rows that are acknowledged before they are committed: in a file first, that outlives the process.

What was appended is the operating system's, whatever becomes of the process: a signal loses nothing of it. It is on the
disk with the commit that follows within moments; only a machine that loses its power between the two loses it.

The file is mapped into memory, since a write call lets go of the interpreter's lock: beside a busy database thread,
getting it back takes a hundred times as long as the write.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from pathlib import Path
from typing import Any, Final

import orjson
import structlog

from arbiter.orchestrator.lines import checked_line, content_of

__all__ = ["Journal", "Row"]

log = structlog.get_logger(__name__)

Row = dict[str, Any]
"""A row's values by column, as the driver takes them: finite numbers, text, truth values and None."""

_BYTES: Final = 4 * 1024 * 1024
"""Of the file, all of it there from the start: what a start reads is bounded, and so is what waits for a database."""
_END: Final = b"\0"


class Journal:
    """One file of checked lines, each a row as JSON, held by one process at a time. A zero byte ends what is in use.

    Args:
        path: of the file, made where there is none.

    Raises:
        BlockingIOError: another process has it.
        OSError: it cannot be opened, or the disk has no room for it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # All of its room at once: a mapped file that finds the disk full kills its process.
            os.posix_fallocate(self._file, 0, _BYTES)
            self._bytes = mmap.mmap(self._file, _BYTES)
        except BaseException:
            os.close(self._file)
            raise
        end = self._bytes.find(_END)
        self._end = _BYTES if end < 0 else end

    def rows(self) -> list[Row]:
        """What was appended since it was last cleared, also by an earlier process, in that order."""
        lines = self._bytes[: self._end].split(b"\n")[:-1]
        contents = [content_of(line) for line in lines]
        if damaged := contents.count(None):
            log.error("lines of a journal are damaged and left out", file=str(self._path), lines=damaged)
        return [orjson.loads(content) for content in contents if content is not None]

    def append(self, row: Row) -> bool:
        """Keep a row; False when there is no room until it is cleared, and nothing was kept."""
        line = checked_line(orjson.dumps(row))
        end = self._end + len(line)
        if end >= _BYTES:
            return False
        self._bytes[self._end : end + 1] = line + _END
        self._end = end
        return True

    def clear(self) -> None:
        """Forget all rows: they are in the database."""
        self._bytes[:1] = _END
        self._end = 0

    def close(self) -> None:
        """Let go of the file. One with rows waits for the next start; an empty one gives its room back."""
        self._bytes.close()
        if not self._end:
            os.ftruncate(self._file, 0)
        os.close(self._file)
