"""How commands read and write files, and how they tell that they could not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from arbiter.errors import ArbiterError

__all__ = ["FileUnreadable", "FileUnwritable", "read", "writing"]


class FileUnreadable(ArbiterError, OSError):
    """A file is missing, may not be read, or is not of the kind that is needed."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"{path} cannot be read: {reason}.", hint="Give the path of a file, or - for standard input."
        )
        self.path, self.reason = path, reason


class FileUnwritable(ArbiterError, OSError):
    """A file cannot be written; what was there before still is."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"{path} cannot be written: {reason}.", hint="Give the path of a file, or - for standard output."
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


@contextmanager
def writing(path: str) -> Iterator[BinaryIO]:
    """Write a file that is there whole at the end, or as it was before; `-` is standard output.

    Raises:
        FileUnwritable: it cannot be made, or the disk does not take it.
    """
    if path == "-":
        yield sys.stdout.buffer
        sys.stdout.flush()
        return
    unfinished = Path(f"{path}.part")
    try:
        with unfinished.open("wb") as file:
            yield file
        unfinished.replace(path)
    except OSError as error:
        raise FileUnwritable(path, error.strerror or str(error)) from error
    finally:
        unfinished.unlink(missing_ok=True)
