"""The chained record: every verdict is in it, and no entry can be changed unseen."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbiter.orchestrator.caws.record import GENESIS, Record, RecordBroken, verified
from arbiter.orchestrator.caws.settings import CawsSettings
from arbiter.orchestrator.caws.validator import CawsValidator
from arbiter.testing.live import Fixed
from tests.orchestrator.caws.kit import spec


def written(path: Path, entries: int = 5) -> list[bytes]:
    """The lines of a record of so many entries."""
    record = Record(str(path))
    for number in range(entries):
        record.append({"verdict": "pass", "n": number})
    return path.read_bytes().splitlines(keepends=True)


async def test_each_verdict_of_the_validator_is_appended(tmp_path: Path) -> None:
    """With the spec's hash, the rules and the verdict; the answer tells the entry's hash."""
    path = tmp_path / "deep" / "record.jsonl"
    validator = CawsValidator(Fixed(CawsSettings(record=str(path))))

    judgements = [
        await validator.validate(document) for document in (spec(), spec(id="nope"), spec().encode())
    ]

    entries = [json.loads(line) for line in path.read_text().splitlines()]
    assert [entry["verdict"] for entry in entries] == ["pass", "fail", "pass"]
    assert [entry["hash"] for entry in entries] == [judgement.record for judgement in judgements]
    assert entries[0]["spec_sha256"] == entries[2]["spec_sha256"]
    assert (entries[0]["previous"], verified(path.read_bytes()).faults) == (GENESIS, ())


def test_an_intact_record_is_intact(tmp_path: Path) -> None:
    """So many entries, the hash of the last, no faults; an empty one as well."""
    lines = written(tmp_path / "r")
    found = verified(b"".join(lines))

    assert (found.entries, found.head, found.faults) == (5, json.loads(lines[-1])["hash"], ())
    assert verified(b"").faults == ()


@pytest.mark.parametrize("number", range(5))
def test_a_changed_entry_is_found_and_named(tmp_path: Path, number: int) -> None:
    """Whichever it is."""
    lines = written(tmp_path / "r")
    lines[number] = lines[number].replace(b'"pass"', b'"fail"')

    faults = verified(b"".join(lines)).faults

    assert faults == (
        f"entry {number + 1} (line {number + 1}): its content was changed, its hash is another",
    )


@pytest.mark.parametrize("number", range(4))
def test_an_entry_that_was_changed_with_its_hash_is_found_as_well(tmp_path: Path, number: int) -> None:
    """The one after it does not follow it."""
    lines = written(tmp_path / "r")
    other = written(tmp_path / "other", number + 1)
    forged = Record(str(tmp_path / "forged"))
    (tmp_path / "forged").write_bytes(b"".join(other[:number]))
    forged.append({"verdict": "fail", "n": number})
    lines[number] = (tmp_path / "forged").read_bytes().splitlines(keepends=True)[number]

    faults = verified(b"".join(lines)).faults

    assert faults == (
        f"entry {number + 2} (line {number + 2}): it does not follow entry {number + 1}, which was changed, taken out or replaced",
    )


def test_taken_out_moved_and_doubled_entries_are_found(tmp_path: Path) -> None:
    """Each breaks the count and the chain."""
    lines = written(tmp_path / "r")
    for altered in (
        [*lines[:2], *lines[3:]],
        [lines[1], lines[0], *lines[2:]],
        [*lines[:2], lines[1], *lines[2:]],
        lines[1:],
        [*lines[:2], b"nonsense\n", *lines[3:]],
        [*lines[:-1], lines[-1][:-20]],
    ):
        assert verified(b"".join(altered)).faults


def test_entries_cut_off_are_found_by_the_kept_head(tmp_path: Path) -> None:
    """A chain cannot show its missing end; who kept its hash can."""
    lines = written(tmp_path / "r")
    head = verified(b"".join(lines)).head

    assert verified(b"".join(lines[:-1])).faults == ()
    assert "cut off" in verified(b"".join(lines[:-1]), head).faults[0]
    assert verified(b"".join([*lines, *written(tmp_path / "r", 1)[-1:]]), head).faults == ()


def test_threads_and_writers_chain_one_after_the_other(tmp_path: Path) -> None:
    """Two records on one file, as two processes have them, and four threads on each."""
    path = tmp_path / "r"
    records = [Record(str(path)), Record(str(path))]

    def work(record: Record) -> None:
        """What each thread does."""
        for _ in range(20):
            record.append({"x": 1})

    threads = [threading.Thread(target=work, args=(records[n % 2],)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert verified(path.read_bytes()).faults == ()
    assert verified(path.read_bytes()).entries == 160


def test_a_torn_last_line_stops_the_record(tmp_path: Path) -> None:
    """Nothing is appended to what cannot be followed."""
    path = tmp_path / "r"
    for torn in (b'{"number": 1', b"nonsense\n"):
        path.write_bytes(torn)

        with pytest.raises(RecordBroken):
            Record(str(path)).append({})


@given(st.binary(max_size=300))
@settings(max_examples=100)
def test_any_bytes_get_an_answer(content: bytes) -> None:
    """Whatever stands in the file, it is intact or named, never a traceback."""
    found = verified(content)

    assert bool(content.strip()) is bool(found.faults) or not content.strip()
