"""One spec on its way to a verdict: what is known, and which waivers lift what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from arbiter.orchestrator.caws.document import Document
from arbiter.orchestrator.caws.evidence import Attachment
from arbiter.orchestrator.caws.javascript import NotPrimitive, text
from arbiter.orchestrator.caws.models import Finding, Gate, GateStatus, Severity, Standing, WaiverUse
from arbiter.orchestrator.caws.policy import Policy, Tier
from arbiter.orchestrator.caws.waivers import Waiver, standing, waivers_from

__all__ = ["Breach", "Case", "waivers_of"]


@dataclass(frozen=True, slots=True)
class Breach:
    """One thing that a gate found, as a finding, and whether its gate may be waived."""

    finding: Finding
    gate: str


@dataclass(slots=True)
class Case:
    """What the gates are given, and what they give back."""

    document: Document
    policy: Policy
    now: datetime
    waivers: dict[str, Waiver] = field(default_factory=dict)
    """Those that are good at this moment, by id."""
    uses: dict[str, WaiverUse] = field(default_factory=dict)
    """All that concern the spec, by id."""
    findings: list[Finding] = field(default_factory=list)
    """About other things than the spec's own rules; no waiver lifts them."""
    breaches: list[Breach] = field(default_factory=list)
    """What an approved waiver would lift."""
    gates: list[Gate] = field(default_factory=list)

    @property
    def tier_name(self) -> str:
        """The spec's tier as a policy names it; empty where it has no text."""
        try:
            return text(self.document.data.get("risk_tier"))
        except NotPrimitive:
            return ""

    @property
    def tier(self) -> Tier | None:
        """What the policy says of the spec's tier."""
        return self.policy.tiers.get(self.tier_name)

    @property
    def spec_id(self) -> str:
        """The spec's id, where it is text."""
        found = self.document.data.get("id")
        return found if isinstance(found, str) else ""

    def lifting(self, gate: str) -> tuple[Waiver, ...]:
        """The good waivers that name the gate."""
        return tuple(waiver for waiver in self.waivers.values() if gate in waiver.gates)

    def apply(self, waiver: Waiver) -> None:
        """Note that the waiver lifted something, now."""
        use = self.uses[waiver.id]
        self.uses[waiver.id] = replace(use, standing=Standing.APPLIED, applied_at=self.now)

    def settle(
        self,
        gate: str,
        found: Sequence[Finding],
        message: str,
        *,
        score: float | None = None,
        threshold: float | None = None,
        evidence: tuple[str, ...] = (),
        lifted_by: tuple[Waiver, ...] = (),
        raised_by: tuple[Waiver, ...] = (),
    ) -> None:
        """Write down how a gate came out; what it found is a breach unless it is waived or only warned of.

        Args:
            gate: its name.
            found: what does not hold; empty where it holds.
            message: how it came out, in a sentence.
            score: what was measured.
            threshold: what it was held to.
            evidence: files and figures.
            lifted_by: waivers that lift what was found.
            raised_by: waivers that raised the threshold.
        """
        mode = self.policy.mode(gate)
        if mode == "skip":
            return
        for waiver in (*lifted_by, *raised_by):
            self.apply(waiver)
        status = GateStatus.PASSED
        if found and lifted_by:
            status = GateStatus.WAIVED
            self.findings += [_as_warning(finding, "waived") for finding in found]
        elif found and mode == "warn":
            status = GateStatus.WARNED
            self.findings += [_as_warning(finding, "the policy only warns") for finding in found]
        elif found:
            status = GateStatus.FAILED
            self.breaches += [Breach(finding, gate) for finding in found]
        self.gates.append(
            Gate(
                gate=gate,
                passed=status is not GateStatus.FAILED,
                message=message,
                status=status,
                score=score,
                threshold=threshold,
                evidence=evidence,
                waivers=tuple(waiver.id for waiver in (*lifted_by, *raised_by)),
            )
        )


def _as_warning(finding: Finding, why: str) -> Finding:
    return replace(finding, severity=Severity.WARNING, message=f"{finding.message} ({why})")


def waivers_of(
    case: Case, named: Sequence[str], files: Sequence[Attachment] | None, *, project_wide: bool
) -> None:
    """Find out what each waiver is worth that concerns the spec; what is wrong with one is a finding of its own.

    Args:
        case: gets the waivers, their uses and the findings.
        named: ids that the spec names.
        files: where waivers are written; None where they were not looked for.
        project_wide: whether a waiver that names no spec needs not be named by it.
    """
    if files is None:
        case.uses = {name: WaiverUse(id=name, standing=Standing.NAMED) for name in named}
        return
    known: dict[str, Waiver] = {}
    for file in files:
        found, faults = waivers_from(file.content, file.name)
        case.findings += faults
        for waiver in found:
            known.setdefault(waiver.id, waiver)
    for name in named:
        if name not in known:
            _missing(case, name)
    for waiver in known.values():
        is_meant = case.spec_id in waiver.applies_to or (project_wide and not waiver.applies_to)
        if waiver.id in named or is_meant:
            _judge(case, waiver, is_named=waiver.id in named)


def _missing(case: Case, name: str) -> None:
    case.uses[name] = WaiverUse(id=name, standing=Standing.MISSING, reason="no file holds it")
    message, hint = f"waiver {name} is not there", f"Add .caws/waivers/{name}.yaml, or do not name it."
    case.findings.append(case.document.finding("waiver-missing", ("waiver_ids",), message, hint))


_FAULTS = {
    Standing.MALFORMED: ("waiver-malformed", "Mend it, or take it out of waiver_ids."),
    Standing.EXPIRED: ("waiver-expired", "Have a new one approved, or take it out of waiver_ids."),
    Standing.REVOKED: ("waiver-revoked", "Take it out of waiver_ids."),
    Standing.UNAPPROVED: ("waiver-unapproved", "Have it approved by those who may, and set status: active."),
    Standing.MISPLACED: ("waiver-misplaced", "Name a waiver that was granted for this spec."),
}


def _judge(case: Case, waiver: Waiver, *, is_named: bool) -> None:
    worth, reason = standing(waiver, case.spec_id, case.policy.approvers, case.now)
    if worth is Standing.VALID:
        case.waivers[waiver.id] = waiver
    elif is_named:
        code, hint = _FAULTS[worth]
        case.findings.append(waiver.finding(code, f"waiver {waiver.id}: {reason}", hint))
    else:
        return  # history: an old waiver that nobody leans on
    case.uses[waiver.id] = WaiverUse(
        id=waiver.id,
        standing=worth,
        gates=waiver.gates,
        approvers=waiver.approvers,
        expires_at=waiver.expires_at,
        reason=reason,
    )
