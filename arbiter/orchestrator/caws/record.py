"""The chained record: every verdict as one line of JSON, whose hash covers the line before.

The chain shows that an entry was changed, taken out, put in or moved, and names it. That the newest entries were cut off it
cannot show by itself: keep the hash that `verify-record` prints last, and give it the next time.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

from arbiter.errors import ArbiterError
from arbiter.orchestrator.caws.models import Judgement, Standing

__all__ = ["GENESIS", "Record", "RecordBroken", "Verification", "entry_of", "verified"]

GENESIS: Final = "0" * 64
"""What the first entry follows."""

_TAIL_BYTES: Final = 1024 * 1024
"""An entry is far shorter: messages are counted, not kept."""


class RecordBroken(ArbiterError):
    """The record's last line is no entry, so that nothing can follow it."""

    def __init__(self, path: str, reason: str) -> None:
        hint = f"See what is wrong with: arbiter caws verify-record {path}"
        super().__init__(f"the record {path} cannot be continued: {reason}", hint=hint)
        self.path, self.reason = path, reason


def entry_of(document: bytes | str, judgement: Judgement) -> dict[str, Any]:
    """What the record keeps of a verdict: enough to tell that this spec got this answer, and by whose leave.

    Args:
        document: the spec that was judged.
        judgement: what was said of it.
    """
    source = document.encode("utf-8", "surrogatepass") if isinstance(document, str) else document
    applied = [use for use in judgement.waivers if use.standing is Standing.APPLIED]
    return {
        "at": judgement.judged_at.isoformat() if judgement.judged_at else "",
        "spec_sha256": hashlib.sha256(source).hexdigest(),
        "ruleset": judgement.ruleset,
        "verdict": judgement.verdict.value,
        "findings": sorted({f"{f.severity}:{f.code}:{f.path}"[:200] for f in judgement.findings})[:200],
        "gates": {gate.gate: gate.status.value for gate in judgement.gates},
        "waivers": [
            {"id": use.id, "approvers": list(use.approvers), "gates": list(use.gates)} for use in applied
        ],
    }


class Record:
    """Appends entries to one file, from any thread and any number of processes.

    Args:
        path: the file; made, with its folder, at the first entry.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = threading.Lock()

    def append(self, entry: Mapping[str, Any]) -> str:
        """Append one entry and return its hash. It is in the file when this returns.

        Raises:
            RecordBroken: the last line is no entry.
            OSError: the file cannot be written.
        """
        with self._lock:
            path = Path(self.path)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab+") as file:
                fcntl.flock(file, fcntl.LOCK_EX)  # let go when the file is closed
                number, previous = self._last(file)
                body = {"number": number + 1, **entry, "previous": previous}
                digest = _hash(body)
                file.write(orjson.dumps({**body, "hash": digest}, option=orjson.OPT_APPEND_NEWLINE))
                file.flush()
            return digest

    def _last(self, file: BinaryIO) -> tuple[int, str]:
        end = file.seek(0, os.SEEK_END)
        if end == 0:
            return 0, GENESIS
        file.seek(max(0, end - _TAIL_BYTES))
        tail = file.read()
        if not tail.endswith(b"\n"):
            raise RecordBroken(self.path, "its last line is not complete")
        try:
            last = orjson.loads(tail[:-1].rpartition(b"\n")[2])
            return int(last["number"]), str(last["hash"])
        except (ValueError, KeyError, TypeError) as error:
            raise RecordBroken(self.path, "its last line is no entry") from error


@dataclass(frozen=True, slots=True)
class Verification:
    """What a look at the whole record found.

    Attributes:
        entries: how many there are.
        head: the hash of the last one, to be kept for the next time.
        faults: what is wrong, each naming the entry; empty where the chain holds.
    """

    entries: int
    head: str
    faults: tuple[str, ...]


def verified(content: bytes, head: str = "") -> Verification:
    """Check a record from its beginning.

    Args:
        content: of the file.
        head: a hash that must be in the chain, from an earlier look; empty for none.
    """
    faults: list[str] = []
    previous, number, hashes = GENESIS, 0, {GENESIS}
    for number, line in enumerate(content.splitlines(), start=1):
        entry = _parsed(line)
        if entry is None:
            faults.append(f"entry {number} (line {number}): it is no entry")
            previous = ""
            continue
        faults += [f"entry {number} (line {number}): {fault}" for fault in _faults(entry, number, previous)]
        previous = str(entry["hash"])
        hashes.add(previous)
    if content and not content.endswith(b"\n"):
        faults.append(f"entry {number} (line {number}): it is not complete")
    if head and head not in hashes:
        faults.append(
            f"no entry has the hash {head[:64]}: entries after it, or it itself, were cut off or replaced"
        )
    return Verification(number, previous or GENESIS, tuple(faults))


def _faults(entry: dict[str, Any], number: int, previous: str) -> Iterator[str]:
    if _hash({name: value for name, value in entry.items() if name != "hash"}) != entry["hash"]:
        yield "its content was changed, its hash is another"
    if entry["number"] != number:
        yield f"it calls itself number {entry['number']!r}: entries were taken out, put in or moved"
    if previous and entry["previous"] != previous:
        yield f"it does not follow entry {number - 1}, which was changed, taken out or replaced"


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        entry = orjson.loads(line)
    except ValueError:
        return None
    whole = isinstance(entry, dict) and {"number", "previous", "hash"} <= entry.keys()
    return entry if whole and isinstance(entry["hash"], str) else None


def _hash(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()
