"""A judgement as SARIF 2.1.0 (OASIS), which code hosts show beside the lines of a pull request."""

from __future__ import annotations

from typing import Any, Final

from arbiter.orchestrator.caws.catalogue import CATALOGUE
from arbiter.orchestrator.caws.models import Finding, Judgement, Severity

__all__ = ["sarif_of"]

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
    driver = {
        "name": "arbiter-caws",
        "semanticVersion": version,
        "rules": [_rule(code) for code in codes],
    }
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "results": [
                    _result(finding, codes.index(finding.code), file) for finding in judgement.findings
                ],
                "properties": {
                    "ruleset": judgement.ruleset,
                    "verdict": judgement.verdict.value,
                    "remediation": list(judgement.remediation),
                },
            }
        ],
    }


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
