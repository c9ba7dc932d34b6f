"""A judgement as SARIF 2.1.0 (OASIS), which code hosts show beside the lines of a pull request."""

from __future__ import annotations

from typing import Any, Final

from arbiter.orchestrator.caws.catalogue import CATALOGUE
from arbiter.orchestrator.caws.models import Finding, Judgement, Severity

__all__ = ["sarif_of", "sarif_of_refusal"]

_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS: Final = {
    Severity.ERROR: "error",
    Severity.HIGH: "error",
    Severity.WARNING: "warning",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
}


def sarif_of(judgement: Judgement, file: str, version: str) -> dict[str, Any]:
    """The judgement as a SARIF log of one run.

    Args:
        judgement: what was said.
        file: the spec's path, as the code host knows it: relative, with forward slashes.
        version: of this program.
    """
    codes = list(dict.fromkeys(finding.code for finding in judgement.findings))
    run = {
        "results": [_result(finding, codes.index(finding.code), file) for finding in judgement.findings],
        "properties": {
            "ruleset": judgement.ruleset,
            "verdict": judgement.verdict.value,
            "remediation": list(judgement.remediation),
        },
    }
    return _log(run, [_rule(code) for code in codes], version)


def sarif_of_refusal(
    message: str, file: str, version: str, place: tuple[int, int] | None = None
) -> dict[str, Any]:
    """Why nothing could be judged, as the log of a run that did not succeed: no results is not the same as no faults.

    Args:
        message: what was wrong, in words.
        file: the spec's path.
        version: of this program.
        place: line and column, where they are known.
    """
    where: dict[str, Any] = {"artifactLocation": {"uri": _uri(file)}}
    if place is not None:
        where["region"] = {"startLine": place[0], "startColumn": place[1]}
    told = {"level": "error", "message": {"text": message}, "locations": [{"physicalLocation": where}]}
    return _log(
        {
            "invocations": [{"executionSuccessful": False, "toolExecutionNotifications": [told]}],
            "results": [],
        },
        [],
        version,
    )


def _log(run: dict[str, Any], rules: list[dict[str, Any]], version: str) -> dict[str, Any]:
    driver = {"name": "arbiter-caws", "semanticVersion": version, "rules": rules}
    whole = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", **run}
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [whole]}


def _rule(code: str) -> dict[str, Any]:
    known = CATALOGUE.get(code)
    if known is None:
        return {"id": code}
    return {"id": code, "shortDescription": {"text": known.about}, "help": {"text": known.mend}}


def _result(finding: Finding, index: int, file: str) -> dict[str, Any]:
    words = f"{finding.message} {finding.hint}" if finding.hint else finding.message
    return {
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": _LEVELS[finding.severity],
        "message": {"text": words},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(finding.file or file)},
                    "region": {"startLine": finding.line, "startColumn": finding.column},
                },
                "logicalLocations": [{"fullyQualifiedName": finding.path or "/", "kind": "value"}],
            }
        ],
    }


def _uri(path: str) -> str:
    from urllib.parse import quote  # noqa: PLC0415  only where SARIF is asked for

    return quote(path.removeprefix("./"), safe="/:@!$&'()*+,;=~")
