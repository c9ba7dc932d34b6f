"""How commands read files, and how they tell that they could not."""

from __future__ import annotations

import sys
from pathlib import Path

from arbiter.errors import ArbiterError

__all__ = ["FileUnreadable", "read"]


class FileUnreadable(ArbiterError, OSError):
    """A file is missing, may not be read, or is not of the kind that is needed."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"{path} cannot be read: {reason}.", hint="Give the path of a file, or - for standard input."
        )
        self.path, self.reason = path, reason


def read(path: str) -> bytes:
    """The bytes of a file; `-` is standard input.

    Raises:
        FileUnreadable: it is not there, or may not be read.
    """
    if path == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise FileUnreadable(path, error.strerror or str(error)) from error
