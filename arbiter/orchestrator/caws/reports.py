"""Reports of other tools, told by their content, and the figures in them.

Coverage: Cobertura (XML), LCOV, coverage.py (JSON). Mutation: Stryker's mutation report and mutmut's statistics (JSON).
Tests: JUnit (XML). Security: SARIF 2.1.0 (JSON). XML is read by defusedxml: no entities, nothing fetched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element  # a type only; reading is defusedxml's

__all__ = ["Measure", "ReportUnreadable", "measured"]

_MOST_BYTES: Final = 64 * 1024 * 1024


class ReportUnreadable(ValueError):
    """The content is no report that is known, or not what it claims to be."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What one report says for one gate.

    Attributes:
        gate: the gate that it is evidence for.
        kind: the report's format, in words.
        good: what counts for the gate: lines covered, mutants detected, tests passed. Of security: nothing.
        total: out of how many.
        faults: of tests and security, what went wrong: a few, in words.
        bad: how many faults there are.
    """

    gate: str
    kind: str
    good: float
    total: float
    bad: int = 0
    faults: tuple[str, ...] = ()


def measured(content: bytes) -> Measure:
    """The figures in a report.

    Raises:
        ReportUnreadable: see there.
    """
    if len(content) > _MOST_BYTES:
        raise ReportUnreadable(f"it is larger than {_MOST_BYTES // 2**20} MiB")
    begin = content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    try:
        if begin == b"<":
            return _of_xml(content)
        if begin in (b"{", b"["):
            return _of_json(content.removeprefix(b"\xef\xbb\xbf"))
        if b"SF:" in content and b"end_of_record" in content:
            return _lcov(content)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise ReportUnreadable(str(error) if isinstance(error, ReportUnreadable) else _why(error)) from error
    raise ReportUnreadable("it is none of the known kinds")


def _why(error: Exception) -> str:
    return f"it is not of the form that it begins in ({type(error).__name__}: {str(error)[:120]})"


def _of_xml(content: bytes) -> Measure:
    from defusedxml.common import DefusedXmlException  # noqa: PLC0415
    from defusedxml.ElementTree import ParseError, fromstring  # noqa: PLC0415  a spec alone needs none of it

    try:
        root: Element = fromstring(content)
    except DefusedXmlException as error:
        raise ReportUnreadable(f"its XML declares entities ({type(error).__name__})") from error
    except ParseError as error:
        raise ReportUnreadable(f"it is no XML: {error}") from error
    name = root.tag.rpartition("}")[2]
    if name == "coverage":
        return _cobertura(root)
    if name in ("testsuites", "testsuite"):
        return _junit(root)
    raise ReportUnreadable(f"its XML is neither Cobertura nor JUnit but <{name[:40]}>")


def _cobertura(root: Element) -> Measure:
    valid, covered = root.get("lines-valid"), root.get("lines-covered")
    if valid is not None and covered is not None:
        return Measure("coverage_threshold", "Cobertura", _count(covered), _count(valid))
    lines = list(root.iter("line"))
    if lines:
        hit = sum(_count(line.get("hits", "0")) > 0 for line in lines)
        return Measure("coverage_threshold", "Cobertura", hit, len(lines))
    rate = float(root.get("line-rate", "nan"))
    if not 0 <= rate <= 1:
        raise ReportUnreadable("Cobertura's line-rate is none from 0 to 1")
    return Measure("coverage_threshold", "Cobertura", rate, 1)


def _junit(root: Element) -> Measure:
    cases = list(root.iter("testcase"))
    bad = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    skipped = sum(case.find("skipped") is not None for case in cases)
    if not cases and _count(root.get("tests", "0")):
        failed = int(_count(root.get("failures", "0")) + _count(root.get("errors", "0")))
        total = _count(root.get("tests", "0"))
        return Measure("test_results", "JUnit", total - failed, total, failed)
    names = tuple(f"{case.get('classname', '')}.{case.get('name', '')}".strip(".")[:120] for case in bad[:5])
    ran = len(cases) - skipped
    return Measure("test_results", "JUnit", ran - len(bad), ran, len(bad), names)


def _of_json(content: bytes) -> Measure:
    data = orjson.loads(content)
    if not isinstance(data, dict):
        raise ReportUnreadable("its JSON is a list, no report")
    readers: tuple[tuple[set[str], Callable[[dict[str, Any]], Measure]], ...] = (
        ({"runs", "version"}, _sarif),
        ({"totals", "files"}, _coverage_py),
        ({"schemaVersion", "files"}, _stryker),
        ({"killed", "survived"}, _mutmut),
    )
    for keys, read in readers:
        if keys <= data.keys():
            return read(data)
    raise ReportUnreadable("its JSON is none of SARIF, coverage.py, Stryker and mutmut")


def _coverage_py(data: dict[str, Any]) -> Measure:
    totals = data["totals"]
    return Measure(
        "coverage_threshold", "coverage.py", _count(totals["covered_lines"]), _count(totals["num_statements"])
    )


def _stryker(data: dict[str, Any]) -> Measure:
    """Killed and timed out over those that could have been (Stryker's mutation score)."""
    states = [str(mutant["status"]) for file in data["files"].values() for mutant in file["mutants"]]
    detected = sum(state in ("Killed", "Timeout") for state in states)
    missed = sum(state in ("Survived", "NoCoverage") for state in states)
    return Measure("mutation_threshold", "Stryker", detected, detected + missed, missed)


def _mutmut(data: dict[str, Any]) -> Measure:
    """What mutmut exports for CI: counts by outcome."""
    detected = sum(_count(data.get(name, 0)) for name in ("killed", "timeout", "segfault"))
    missed = sum(_count(data.get(name, 0)) for name in ("survived", "no_tests", "suspicious"))
    return Measure("mutation_threshold", "mutmut", detected, detected + missed, int(missed))


def _sarif(data: dict[str, Any]) -> Measure:
    found = [result for run in data["runs"] for result in _failing(run)]
    return Measure("security_scan", "SARIF", 0, 0, len(found), tuple(found[:5]))


def _failing(run: dict[str, Any]) -> Iterator[str]:
    driver = run["tool"]["driver"]
    rules = {str(rule["id"]): rule for rule in driver.get("rules", ()) if "id" in rule}
    for result in run.get("results") or ():
        rule = rules.get(str(result.get("ruleId", "")), {})
        if _counts(result) and _is_grave(result, rule):
            yield f"{result.get('ruleId', driver.get('name', ''))} at {_where(result)}"[:160]


def _counts(result: Mapping[str, Any]) -> bool:
    """Neither suppressed, nor gone since the baseline, nor a result that is no failure."""
    accepted = [s for s in result.get("suppressions") or () if s.get("status", "accepted") == "accepted"]
    return (
        not accepted
        and result.get("baselineState") != "absent"
        and result.get("kind", "fail") in ("fail", "open", "review")
    )


def _is_grave(result: Mapping[str, Any], rule: Mapping[str, Any]) -> bool:
    """Level error, or a severity of 7.0 and more, which is high by CVSS 3.1, as GitHub reads the property."""
    properties = {**(rule.get("properties") or {}), **(result.get("properties") or {})}
    default = (rule.get("defaultConfiguration") or {}).get("level", "warning")
    return result.get("level", default) == "error" or float(properties.get("security-severity", 0)) >= 7.0


def _where(result: Mapping[str, Any]) -> str:
    places = result.get("locations") or ()
    physical = places[0].get("physicalLocation", {}) if places else {}
    name, line = (
        physical.get("artifactLocation", {}).get("uri", "?"),
        physical.get("region", {}).get("startLine"),
    )
    return f"{name}:{line}" if line else str(name)


def _lcov(content: bytes) -> Measure:
    """Lines by file, so that a file in several records counts once."""
    lines: dict[tuple[bytes, bytes], bool] = {}
    found = hit = 0.0
    file = b""
    for raw in content.splitlines():
        kind, _, value = raw.strip().partition(b":")
        if kind == b"SF":
            file = value
        elif kind == b"DA":
            number, _, times = value.partition(b",")
            key = (file, number)
            lines[key] = lines.get(key, False) or _count(times.split(b",")[0].decode()) > 0
        elif kind == b"LF":
            found += _count(value.decode())
        elif kind == b"LH":
            hit += _count(value.decode())
    if lines:
        return Measure("coverage_threshold", "LCOV", sum(lines.values()), len(lines))
    return Measure("coverage_threshold", "LCOV", hit, found)


def _count(value: Any) -> float:
    number = float(value)
    if not 0 <= number < 1e15:
        raise ReportUnreadable(f"{str(value)[:40]!r} is no count")
    return number
