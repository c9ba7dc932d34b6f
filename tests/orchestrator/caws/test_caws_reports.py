"""Reports of other tools: told by their content, and the figures in them."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbiter.orchestrator.caws.reports import ReportUnreadable, measured

COBERTURA = """<?xml version="1.0"?>
<!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">
<coverage {attributes}><packages><package><classes><class filename="a.py"><lines>
<line number="1" hits="1"/><line number="2" hits="0"/><line number="3" hits="4"/></lines></class></classes></package></packages></coverage>
"""
LCOV = "TN:\nSF:a.py\nDA:1,1\nDA:2,0\nLF:2\nLH:1\nend_of_record\nSF:a.py\nDA:2,5\nDA:3,0\nend_of_record\n"
COVERAGE_PY = {"meta": {}, "files": {}, "totals": {"covered_lines": 45, "num_statements": 50}}
STRYKER = {
    "schemaVersion": "1",
    "files": {
        "a.ts": {
            "mutants": [{"status": s} for s in ("Killed", "Timeout", "Survived", "NoCoverage", "Ignored")]
        }
    },
}
MUTMUT = {"killed": 6, "survived": 2, "timeout": 1, "no_tests": 1, "skipped": 3, "suspicious": 0, "total": 13}
JUNIT = """<testsuites><testsuite name="s" tests="4" failures="1" errors="1">
<testcase classname="a" name="one"/><testcase classname="a" name="two"><failure message="no"/></testcase>
<testcase classname="a" name="three"><error/></testcase><testcase name="four"><skipped/></testcase></testsuite></testsuites>
"""


def sarif(*results: dict[str, Any]) -> str:
    """A scanner's log with these results."""
    rules = [
        {"id": "R1", "defaultConfiguration": {"level": "error"}},
        {"id": "R2", "properties": {"security-severity": "8.1"}},
    ]
    run = {"tool": {"driver": {"name": "scan", "rules": rules}}, "results": list(results)}
    return json.dumps({"version": "2.1.0", "runs": [run]})


@pytest.mark.parametrize(
    ("content", "gate", "kind", "good", "total"),
    [
        (
            COBERTURA.format(attributes='lines-valid="10" lines-covered="8"'),
            "coverage_threshold",
            "Cobertura",
            8,
            10,
        ),
        (COBERTURA.format(attributes='line-rate="0.5"'), "coverage_threshold", "Cobertura", 2, 3),
        ('<coverage line-rate="0.5"/>', "coverage_threshold", "Cobertura", 0.5, 1),
        (LCOV, "coverage_threshold", "LCOV", 2, 3),
        ("SF:a\nLF:4\nLH:3\nend_of_record\n", "coverage_threshold", "LCOV", 3, 4),
        (json.dumps(COVERAGE_PY), "coverage_threshold", "coverage.py", 45, 50),
        (json.dumps(STRYKER), "mutation_threshold", "Stryker", 2, 4),
        (json.dumps(MUTMUT), "mutation_threshold", "mutmut", 7, 10),
        (JUNIT, "test_results", "JUnit", 1, 3),
        ('<testsuite tests="3" failures="1"/>', "test_results", "JUnit", 2, 3),
    ],
)
def test_each_kind_is_recognised_and_counted(
    content: str, gate: str, kind: str, good: float, total: float
) -> None:
    """By content alone; a file in several records counts once, skipped tests and ignored mutants not at all."""
    found = measured(content.encode())

    assert (found.gate, found.kind, found.good, found.total) == (gate, kind, good, total)


def test_failing_tests_are_named() -> None:
    """Failures and errors, by class and name."""
    found = measured(JUNIT.encode())

    assert (found.bad, found.faults) == (2, ("a.two", "a.three"))


@pytest.mark.parametrize(
    ("result", "bad"),
    [
        ({"level": "error"}, 1),
        ({"ruleId": "R1"}, 1),
        ({"ruleId": "R2"}, 1),
        ({"level": "warning"}, 0),
        ({"level": "warning", "properties": {"security-severity": 9.8}}, 1),
        ({"level": "error", "suppressions": [{"kind": "inSource"}]}, 0),
        ({"level": "error", "suppressions": [{"kind": "external", "status": "rejected"}]}, 1),
        ({"level": "error", "baselineState": "absent"}, 0),
        ({"level": "error", "kind": "pass"}, 0),
    ],
)
def test_a_scanners_grave_findings_count(result: dict[str, Any], bad: int) -> None:
    """Errors and severities from 7.0, unless they are suppressed, gone or no failure at all."""
    assert measured(sarif(result).encode()).bad == bad


@pytest.mark.parametrize(
    "content",
    [
        "",
        "hello",
        "[1]",
        "{}",
        '{"runs": 1, "version": "2.1.0"}',
        '{"totals": {}, "files": {}}',
        '{"totals": {"covered_lines": -1, "num_statements": 2}, "files": {}}',
        "<html/>",
        "<coverage",
        '<coverage line-rate="7"/>',
        '<coverage lines-valid="nan" lines-covered="1"/>',
        "[" * 100_000,
    ],
)
def test_what_is_no_report_is_refused(content: str) -> None:
    """Unknown kinds, and reports that are not of the form they begin in."""
    with pytest.raises(ReportUnreadable):
        measured(content.encode())


def test_xml_is_read_safely() -> None:
    """Entities are refused before they expand, and files outside are not fetched."""
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<!DOCTYPE coverage [<!ENTITY l0 "x">{laughs}]><coverage line-rate="&l11;"/>'
    outside = '<!DOCTYPE coverage [<!ENTITY f SYSTEM "file:///etc/passwd">]><coverage line-rate="&f;"/>'

    began = time.thread_time()
    for content in (bomb, outside):
        with pytest.raises(ReportUnreadable, match="entities"):
            measured(content.encode())
    assert time.thread_time() - began < 0.5


@given(
    st.one_of(
        st.binary(max_size=200),
        st.sampled_from([COBERTURA, LCOV, JUNIT, json.dumps(STRYKER)]).map(str.encode),
    )
)
@settings(max_examples=100)
def test_any_bytes_get_a_measure_or_a_refusal(content: bytes) -> None:
    """Whole, halved or random: never another exception."""
    for part in (content, content[: len(content) // 2]):
        try:
            found = measured(part).gate
        except ReportUnreadable as refusal:
            found = str(refusal)

        assert found
