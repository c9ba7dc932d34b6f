"""What a judgement is made of, as it crosses the wire, and the errors of this room."""

from __future__ import annotations

import enum
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field

from arbiter.errors import Invalid

__all__ = ["Budget", "Finding", "Gate", "Judgement", "NotAMapping", "RulesetUnknown", "Severity", "Verdict"]


class NotAMapping(Invalid):
    """The document is no YAML, or its top is no mapping, so that there is nothing to judge.

    Args:
        reason: what is wrong, in words.
        line: where, counted from 1.
        column: where in the line, counted from 1.
    """

    code = "not-a-mapping"

    def __init__(self, reason: str, line: int, column: int) -> None:
        hint = (
            "Send a working spec: one YAML or JSON document whose top is a mapping with keys id, title, ..."
        )
        super().__init__(f"line {line}, column {column}: {reason}", hint=hint, field="document")
        self.reason, self.line, self.column = reason, line, column


class RulesetUnknown(Invalid):
    """No rule set has that name."""

    code = "ruleset-unknown"

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(
            f"no rule set is named {name!r}", hint=f"Known: {', '.join(known)}.", field="ruleset"
        )
        self.name = name


class Severity(enum.StrEnum):
    """Whether a finding decides the verdict: an error does, a warning never."""

    ERROR = "error"
    WARNING = "warning"


class Verdict(enum.StrEnum):
    """The answer; `waiver-required` is for breaches that an approved waiver would lift."""

    PASS = "pass"  # noqa: S105  a verdict, not a secret
    FAIL = "fail"
    WAIVER_REQUIRED = "waiver-required"


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Finding(_Wire):
    """One thing that a rule found, at one place of the document."""

    code: str
    """The rule's name: `missing-field`, `id-format`, `duplicate-key`, ..."""

    severity: Severity
    """`error` fails the spec, `warning` does not."""

    path: str
    """JSON Pointer (RFC 6901) to the value at fault; empty for the whole document."""

    line: int = Field(ge=1)
    """Line of the value at fault, or of the nearest thing around it that is there; from 1."""

    column: int = Field(ge=1)
    """Column in that line, from 1."""

    message: str
    """What was found."""

    hint: str = ""
    """The mend."""


class Budget(_Wire):
    """How much the spec's risk tier may change before any waiver."""

    tier: str
    """The risk tier, as the policy names it."""

    max_files: int
    """Files that may change."""

    max_loc: int
    """Lines that may change, added and removed together."""

    source: str
    """The policy that these figures come from."""


class Gate(_Wire):
    """One quality gate that could be judged from what was given."""

    gate: str
    """The gate's name in the policy, such as `spec_completeness`."""

    passed: bool
    """Whether it holds."""

    message: str
    """Why, in a sentence."""


class Judgement(_Wire):
    """The verdict on one working spec, with everything that led to it."""

    ruleset: str
    """The rules it was held to."""

    verdict: Verdict
    """`fail` as soon as one finding is an error, whatever else was found."""

    passed: bool
    """True only for the verdict `pass`."""

    findings: tuple[Finding, ...]
    """Errors and warnings in the order of the document."""

    budget: Budget | None
    """The baseline of the spec's tier; None where the tier names none."""

    waivers: tuple[str, ...]
    """Ids of the waivers that the spec names; named is not approved."""

    gates: tuple[Gate, ...]
    """Gates that can be judged from a spec alone: `spec_completeness`. The others need reports and a change."""

    duration_ms: float
    """Milliseconds that the judging took."""
