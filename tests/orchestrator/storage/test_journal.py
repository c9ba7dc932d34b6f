"""The journal: what was appended is there for the next process, and only whole rows are."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbiter.orchestrator.storage.journal import Journal, Row

values = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
rows = st.dictionaries(st.text(), values)

KILLED = """
import os, signal, sys
from pathlib import Path
from arbiter.orchestrator.storage.journal import Journal
journal = Journal(Path(sys.argv[1]))
for number in range(100):
    assert journal.append({"number": number})
os.kill(os.getpid(), signal.SIGKILL)
"""


@contextmanager
def opened(path: Path) -> Iterator[Journal]:
    """A journal that is closed in the end."""
    journal = Journal(path)
    try:
        yield journal
    finally:
        journal.close()


def test_rows_outlive_a_killed_process(tmp_path: Path) -> None:
    """A process that is killed right after an append has lost no row."""
    path = tmp_path / "j"

    killed = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)

    assert killed.returncode == -9
    with opened(path) as journal:
        assert journal.rows() == [{"number": number} for number in range(100)]


@given(st.lists(rows, max_size=8), st.lists(rows, max_size=8))
def test_rows_come_back_as_they_went(
    tmp_path_factory: pytest.TempPathFactory, first: list[Row], second: list[Row]
) -> None:
    """Whatever was appended since the last clear is read again, in order, however often the file is opened."""
    path = tmp_path_factory.mktemp("journal") / "j"
    with opened(path) as journal:
        for row in [*first, *second]:
            assert journal.append(row)
        journal.clear()
        for row in first:
            assert journal.append(row)
    with opened(path) as journal:
        assert journal.rows() == first
        for row in second:
            assert journal.append(row)
    with opened(path) as journal:
        assert journal.rows() == first + second


def test_one_process_holds_it(tmp_path: Path) -> None:
    """A journal that is open cannot be opened a second time, and can be once it is closed."""
    with opened(tmp_path / "j"), pytest.raises(BlockingIOError):
        Journal(tmp_path / "j")

    with opened(tmp_path / "j") as journal:
        assert journal.rows() == []


def test_a_full_journal_takes_nothing_and_keeps_what_it_has(tmp_path: Path) -> None:
    """A row that has no room is refused, and what came before is whole; after a clear there is room again."""
    row = {"text": "x" * 1_000_000}
    with opened(tmp_path / "j") as journal:
        taken = [journal.append(row) for _ in range(6)]

        assert taken == [True] * 4 + [False] * 2
        assert journal.rows() == [row] * 4
        journal.clear()
        assert journal.append(row)
        assert journal.rows() == [row]


@pytest.mark.parametrize("damage", [b"x", b"\n"])
def test_a_damaged_row_is_left_out(tmp_path: Path, damage: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    """A row whose bytes were changed is passed over with an error in the log, the others are read."""
    path = tmp_path / "j"
    with opened(path) as journal:
        for number in range(3):
            journal.append({"number": number})
    content = path.read_bytes()
    place = content.index(b'{"number":1}') + 3
    path.write_bytes(content[:place] + damage + content[place + 1 :])

    with opened(path) as journal:
        assert journal.rows() == [{"number": 0}, {"number": 2}]
    assert "damaged" in "".join(capfd.readouterr())


def test_what_was_not_finished_is_no_row(tmp_path: Path) -> None:
    """A line without its end, as a process leaves that dies while it appends, was never acknowledged."""
    path = tmp_path / "j"
    with opened(path) as journal:
        journal.append({"number": 0})
        journal.append({"number": 1})
    content = path.read_bytes()
    end = content.index(b"\0")
    path.write_bytes(content[: end - 5] + b"\0" * 100)

    with opened(path) as journal:
        assert journal.rows() == [{"number": 0}]


def test_an_empty_journal_gives_its_room_back(tmp_path: Path) -> None:
    """After a clean end the file takes no room on the disk."""
    path = tmp_path / "j"
    with opened(path) as journal:
        journal.append({"number": 0})
        journal.clear()

    assert path.stat().st_size == 0
