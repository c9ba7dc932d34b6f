"""Events on disk while the store is away: acknowledged when they are flushed, replayed in order when it is back.

A spool is a file of checked lines, each an event as JSON. One process writes one file and holds a lock on it; files that nobody holds any more, those of a process that
died, are taken over at start, the oldest first. A replay that is cut short begins again with what was not taken off:
the store passes over ids that it knows, so that each event is kept once.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BufferedRandom
from pathlib import Path
from typing import Final

import structlog

from arbiter.errors import ArbiterError
from arbiter.orchestrator.lines import checked_line, content_of
from arbiter.orchestrator.performance.contents import Stored
from arbiter.orchestrator.performance.models import PerformanceEvent

__all__ = ["Spool", "SpoolRefused"]

log = structlog.get_logger(__name__)

_REFUSED: Final = "refused.jsonl"


class SpoolRefused(ArbiterError):
    """The spool takes no more: it is off, full, or its disk does not take it. The event was not kept."""


@dataclass(slots=True)
class _File:
    path: Path
    stream: BufferedRandom
    """At whose position the next replay begins; writes go to the end."""
    size: int
    pending: int


class Spool:
    """Events in files below `directory`, in the order in which they came.

    Args:
        directory: made when first needed; None turns the spool off.
        store: identifies the store that the events are for, in the files' names: those of another are left alone.
        max_bytes: of all files together; past it events are refused.

    Attributes:
        pending: how many events wait to be replayed.
        refused: how many were set aside, since the store refused them or their line was damaged.
    """

    def __init__(self, directory: Path | None, store: str, max_bytes: int) -> None:
        self._directory = directory
        self._suffix = f"-{store}.events"
        self._max_bytes = max_bytes
        self._files: list[_File] = []
        self._own: _File | None = None
        self._end, self._damaged = 0, list[bytes]()  # what `peek` came to
        self._lock = asyncio.Lock()  # a file is not removed while it is written to
        self.pending = 0
        self.refused = 0

    async def start(self) -> None:
        """Take over what earlier processes left; raises OSError when the directory cannot be read."""
        if self._directory is not None and self._directory.is_dir():
            self._files = await asyncio.to_thread(self._take_over)
            self.pending = sum(file.pending for file in self._files)
            if self.pending:
                log.warning("events of an earlier run wait in the spool", events=self.pending)

    async def stop(self) -> None:
        """Let go of the files; what they hold waits for the next start."""
        files, self._files, self._own, self.pending = self._files, [], None, 0
        for file in files:
            file.stream.close()

    async def append(self, events: Sequence[PerformanceEvent], at: datetime) -> Stored:  # noqa: ARG002  a sink
        """Keep the events, and return when they are on the disk.

        Raises:
            SpoolRefused: the spool is off, full, or the disk does not take them. Nothing of them was kept.
        """
        lines = b"".join(map(_line, events))
        async with self._lock:
            try:
                own = await asyncio.to_thread(self._write, lines)
            except OSError as error:
                raise SpoolRefused(
                    f"The spool could not be written: {error.strerror}.",
                    hint="Look at the disk of performance.spool_dir.",
                ) from error
            own.pending += len(events)
            self.pending += len(events)
        return Stored(frozenset(event.id for event in events))

    async def peek(self, limit: int) -> list[PerformanceEvent]:
        """The oldest events, up to `limit` of one file; they stay until `drop`."""
        async with self._lock:
            while self._files:
                events, self._end, self._damaged = await asyncio.to_thread(
                    _read, self._files[0].stream, limit
                )
                if events:
                    return events
                await self._set_aside(self._damaged)
                await self._end_first()
        return []

    async def drop(self, count: int) -> None:
        """Take off the `count` events that `peek` returned: they are in the store now."""
        async with self._lock:
            first, damaged = self._files[0], self._damaged
            await self._set_aside(damaged)
            first.stream.seek(self._end)
            first.pending -= count + len(damaged)
            self.pending -= count + len(damaged)
            if first.pending <= 0:
                await self._end_first()

    async def set_aside(self, event: PerformanceEvent) -> None:
        """Keep an event that the store refuses in a file of its own, for a person to look at."""
        await self._set_aside([_line(event)[:-1]])

    async def _set_aside(self, lines: Sequence[bytes]) -> None:
        if lines:
            self.refused += len(lines)
            log.error("events were set aside", events=len(lines), file=_REFUSED)
            await asyncio.to_thread(self._append_refused, b"".join(line + b"\n" for line in lines))

    async def _end_first(self) -> None:
        first = self._files.pop(0)
        self.pending -= first.pending
        if first is self._own:
            self._own = None
        await asyncio.to_thread(_remove, first)

    def _write(self, lines: bytes) -> _File:
        own = self._own or self._open_own()
        if sum(file.size for file in self._files) + len(lines) > self._max_bytes:
            raise SpoolRefused(
                "The spool is full.", hint="Bring the database back, or raise performance.spool_max_mb."
            )
        written = 0
        try:
            while written < len(lines):
                written += os.pwrite(own.stream.fileno(), lines[written:], own.size + written)
            os.fsync(own.stream.fileno())
        except OSError:
            os.ftruncate(own.stream.fileno(), own.size)
            raise
        own.size += len(lines)
        return own

    def _open_own(self) -> _File:
        if self._directory is None:
            raise SpoolRefused("There is no spool.", hint="Name a directory in performance.spool_dir.")
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._directory / f"{time.time_ns():020}-{os.getpid()}{self._suffix}"
        stream = path.open("x+b")
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _sync_directory(self._directory)
        self._own = _File(path, stream, 0, 0)
        self._files.append(self._own)
        return self._own

    def _take_over(self) -> list[_File]:
        found = (_claim(path) for path in sorted((self._directory or Path()).glob(f"*{self._suffix}")))
        return [file for file in found if file is not None]

    def _append_refused(self, lines: bytes) -> None:
        if self._directory is not None:
            with (self._directory / _REFUSED).open("ab") as file:
                file.write(lines)
                file.flush()
                os.fsync(file.fileno())


def _line(event: PerformanceEvent) -> bytes:
    return checked_line(event.model_dump_json().encode())


def _claim(path: Path) -> _File | None:
    stream = path.open("r+b")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:  # its process lives
        stream.close()
        return None
    content = stream.read()
    whole = content.rfind(b"\n") + 1  # a line without its end was never acknowledged
    stream.seek(0)
    return _File(path, stream, whole, content.count(b"\n"))


def _read(stream: BufferedRandom, limit: int) -> tuple[list[PerformanceEvent], int, list[bytes]]:
    """Up to `limit` events from the stream's position, which stays; the position behind them; damaged lines."""
    begin = stream.tell()
    events: list[PerformanceEvent] = []
    damaged: list[bytes] = []
    end = begin
    while len(events) < limit and (line := stream.readline()).endswith(b"\n"):
        end = stream.tell()
        try:
            # what is damaged is no JSON either
            events.append(PerformanceEvent.model_validate_json(content_of(line[:-1]) or b""))
        except ValueError:  # pydantic's is one, too
            damaged.append(line[:-1])
    stream.seek(begin)
    return events, end, damaged


def _remove(file: _File) -> None:
    file.path.unlink(missing_ok=True)
    file.stream.close()
    _sync_directory(file.path.parent)


def _sync_directory(directory: Path) -> None:
    number = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
