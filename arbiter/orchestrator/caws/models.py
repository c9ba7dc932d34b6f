"""What a judgement is made of, how it crosses the wire, and the errors of this room.

Dataclasses, no pydantic models: the import of pydantic would be a third of what `arbiter caws check` takes, which judges
one file and ends. Where a schema is asked for, pydantic reads them as they stand.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from arbiter.errors import Invalid

if TYPE_CHECKING:  # for those who ask for a schema
    from pydantic import GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

__all__ = [
    "Budget",
    "Finding",
    "Gate",
    "GateStatus",
    "Judgement",
    "NotAMapping",
    "RulesetUnknown",
    "Severity",
    "Standing",
    "Verdict",
    "WaiverUse",
    "wire",
]


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
    """Whether a finding decides the verdict: an error does, a warning never.

    The quality rules (`arbiter`) carry severities of their own, of which `high` decides.
    """

    ERROR = "error"
    WARNING = "warning"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def fails(self) -> bool:
        """Whether such a finding fails a spec."""
        return self in (Severity.ERROR, Severity.HIGH)


class Verdict(enum.StrEnum):
    """The answer; `waiver-required` is for breaches that an approved waiver would lift."""

    PASS = "pass"  # noqa: S105  a verdict, not a secret
    FAIL = "fail"
    WAIVER_REQUIRED = "waiver-required"


class GateStatus(enum.StrEnum):
    """How a gate came out."""

    PASSED = "passed"
    FAILED = "failed"
    WAIVED = "waived"
    """It does not hold, and an approved waiver lifts it."""
    WARNED = "warned"
    """It does not hold, and the policy only warns of it."""


class Standing(enum.StrEnum):
    """What a waiver was worth when the spec was judged."""

    APPLIED = "applied"
    VALID = "valid"
    """Good, and nothing needed it."""
    NAMED = "named"
    """Only its id is known: no waivers were given."""
    MISSING = "missing"
    MALFORMED = "malformed"
    EXPIRED = "expired"
    REVOKED = "revoked"
    UNAPPROVED = "unapproved"
    MISPLACED = "misplaced"
    """It is for another spec."""


class _Wire:
    """What a schema says of each field stands below it; other fields than these are none of ours."""

    __slots__ = ()
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler, /
    ) -> JsonSchemaValue:
        from arbiter.documented import described  # noqa: PLC0415  needs pydantic

        return described(cls, core_schema, handler)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding(_Wire):
    """One thing that a rule found, at one place of the document."""

    code: str
    """The rule's name: `missing-field`, `id-format`, `duplicate-key`, ..."""

    severity: Severity
    """`error` and `high` fail the spec; `warning`, `medium` and `low` do not."""

    path: str
    """JSON Pointer (RFC 6901) to the value at fault; empty for the whole document."""

    line: int
    """Line of the value at fault, or of the nearest thing around it that is there; from 1."""

    column: int
    """Column in that line, from 1."""

    message: str
    """What was found."""

    hint: str = ""
    """The mend."""

    file: str = ""
    """The file that the place is in; missing where it is the spec itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget(_Wire):
    """How much the spec's risk tier may change, and how much the change changes."""

    tier: str
    """The risk tier, as the policy names it."""

    max_files: int
    """Files that may change, before any waiver."""

    max_loc: int
    """Lines that may change, added and removed together, before any waiver."""

    source: str
    """The policy that these figures come from."""

    effective_files: int | None = None
    """Files that may change with the waivers that apply; None where no change was given."""

    effective_loc: int | None = None
    """Lines that may change with the waivers that apply."""

    files: int | None = None
    """Files that the change touches."""

    loc: int | None = None
    """Lines that it adds and removes, without those of generated and binary files."""

    utilization_percent: float | None = None
    """The greater of the two shares of the effective budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverUse(_Wire):
    """One waiver that the spec names or that names the spec, and what it was worth."""

    id: str
    standing: Standing
    gates: tuple[str, ...] = ()
    """The gates that it may lift."""
    approvers: tuple[str, ...] = ()
    expires_at: datetime | None = None
    applied_at: datetime | None = None
    """When it lifted something: the moment of this judgement."""
    reason: str = ""
    """Why it stands so, or why it was granted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate(_Wire):
    """One quality gate that could be judged from what was given."""

    gate: str
    """The gate's name in the policy, such as `spec_completeness`."""

    passed: bool
    """Whether it holds, or is lifted by a waiver, or only warns."""

    message: str
    """Why, in a sentence."""

    status: GateStatus = GateStatus.PASSED
    score: float | None = None
    """What was measured, in percent or as a count."""
    threshold: float | None = None
    """What it was held to, in the same unit."""
    evidence: tuple[str, ...] = ()
    """Files and figures that the answer rests on."""
    waivers: tuple[str, ...] = ()
    """Ids of the waivers that lifted it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement(_Wire):
    """The verdict on one working spec, with everything that led to it."""

    ruleset: str
    """The rules it was held to."""

    verdict: Verdict
    """`fail` as soon as one finding is an error that no waiver could lift; `waiver-required` where one could."""

    passed: bool
    """True only for the verdict `pass`."""

    findings: tuple[Finding, ...]
    """Errors and warnings: those of the spec in the order of the document, then those of other files."""

    budget: Budget | None
    """The budget of the spec's tier; None where the tier names none."""

    waivers: tuple[WaiverUse, ...]
    """The waivers that the spec names or that name it, each with what it was worth."""

    gates: tuple[Gate, ...]
    """Gates that could be judged: `spec_completeness` always, the others from a change and from reports."""

    duration_ms: float
    """Milliseconds that the judging took."""

    remediation: tuple[str, ...] = ()
    """What to do, step by step, where it does not pass."""

    judged_at: datetime | None = None
    """The moment that expiry was held against."""

    record: str = ""
    """The hash of this verdict's entry in the chained record; missing where none is kept."""


def wire(judgement: Judgement) -> dict[str, Any]:
    """The judgement as JSON holds it, whoever answers; orjson writes what is left of it as it stands.

    Args:
        judgement: what was said.
    """
    answer = _fields(judgement, left_out_if_empty="record")
    return answer | {
        "findings": [_fields(finding, left_out_if_empty="file") for finding in judgement.findings]
    }


def _fields(value: Finding | Judgement, left_out_if_empty: str) -> dict[str, Any]:
    found = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if not found[left_out_if_empty]:
        del found[left_out_if_empty]
    return found
