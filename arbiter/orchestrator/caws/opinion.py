"""What another validator says of a spec, and how its answer is understood."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from arbiter.orchestrator.caws.document import Document
from arbiter.orchestrator.caws.models import Finding, Severity

__all__ = ["Opinion", "Remark", "findings_of", "opinion_of"]

_MOST_REMARKS = 1000


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that it found.

    Attributes:
        path: JSON Pointer to the value.
        message: what it found.
        hint: the mend.
        fails: whether it fails the spec.
    """

    path: str
    message: str
    hint: str = ""
    fails: bool = True


@dataclass(frozen=True, slots=True)
class Opinion:
    """Its verdict and remarks; `answered` is False where it could not be asked."""

    passed: bool
    remarks: tuple[Remark, ...] = ()
    answered: bool = True

    @classmethod
    def unavailable(cls) -> Opinion:
        """It is configured and could not answer: the built-in rules judge in its place."""
        return cls(passed=False, answered=False)


def opinion_of(output: bytes) -> Opinion:
    """The opinion in a validator's answer: JSON with `passed` or `valid`, and `errors` and `warnings`.

    `{"valid", "errors": [{"instancePath", "message", "suggestion"}], "warnings"}` is what the rules of CAWS return, and
    `{"passed", "validation": {"errors", "warnings"}}` what its command line prints; a list `findings` like ours is
    understood as well.

    Raises:
        ValueError: it is no such answer.
    """
    answer = orjson.loads(output)
    if not isinstance(answer, dict):
        raise ValueError("the answer is no JSON object")  # noqa: TRY004  a fault of the content, not of a type
    passed = answer.get("passed", answer.get("valid"))
    if not isinstance(passed, bool):
        raise ValueError("the answer says neither passed nor valid")  # noqa: TRY004
    inner = answer.get("validation")
    parts = inner if isinstance(inner, dict) else answer
    return Opinion(passed, tuple(_remarks(parts))[:_MOST_REMARKS])


def _remarks(parts: dict[str, Any]) -> Iterator[Remark]:
    for name, fails in (("errors", True), ("warnings", False)):
        for entry in _mappings(parts.get(name)):
            yield Remark(
                str(entry.get("instancePath", entry.get("path", ""))),
                str(entry.get("message", ""))[:500],
                str(entry.get("suggestion", entry.get("hint", "")))[:500],
                fails,
            )
    for entry in _mappings(parts.get("findings")):
        fails = entry.get("severity") in ("error", "high")
        yield Remark(str(entry.get("path", "")), str(entry.get("message", ""))[:500], "", fails)


def _mappings(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def findings_of(opinion: Opinion, document: Document) -> Iterator[Finding]:
    """Its remarks as findings, with the place of each value; a verdict without a reason is one as well."""
    if not opinion.answered:
        message = "the external validator could not answer; the built-in rules judged in its place"
        hint = "Its breaker is shown by GET /breakers on the management port."
        yield document.finding("external-unavailable", (), message, hint, Severity.WARNING)
        return
    failing = [remark for remark in opinion.remarks if remark.fails]
    for remark in opinion.remarks:
        # What it let pass, passes: its own errors would otherwise fail a spec that it passed.
        severity = Severity.ERROR if remark.fails and not opinion.passed else Severity.WARNING
        path = tuple(
            step.replace("~1", "/").replace("~0", "~") for step in remark.path.split("/")[1:] if remark.path
        )
        yield document.finding("external-finding", path, remark.message, remark.hint, severity)
    if not opinion.passed and not failing:
        message = "the external validator says no, without a reason"
        yield document.finding("external-finding", (), message, "Ask it directly.")
