"""The judging itself: a spec, its rules and what it is held against, to a verdict with everything that led to it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import datetime

from arbiter.orchestrator.caws import gates
from arbiter.orchestrator.caws.case import Case, waivers_of
from arbiter.orchestrator.caws.commandline import waivers as named_waivers
from arbiter.orchestrator.caws.document import Document, read
from arbiter.orchestrator.caws.evidence import Evidence
from arbiter.orchestrator.caws.models import Budget, Finding, Gate, GateStatus, Judgement, Verdict
from arbiter.orchestrator.caws.opinion import Opinion, findings_of
from arbiter.orchestrator.caws.policy import policy_from, policy_of
from arbiter.orchestrator.caws.rulesets import Ruleset

__all__ = ["judge"]


def judge(
    source: bytes | str, rules: Ruleset, evidence: Evidence, now: datetime, opinion: Opinion | None = None
) -> Judgement:
    """The verdict on one document, and on the change made under it where one is given.

    Args:
        source: the working spec itself, YAML or JSON.
        rules: what to hold it to.
        evidence: what else it is held against.
        now: the moment to judge at.
        opinion: what another validator says of the spec's own rules; the rules judge where it is None.

    Raises:
        NotAMapping: it is no YAML, or its top is no mapping.
    """
    began = time.perf_counter()
    document = read(source, core=rules.core)
    spec_findings = (*document.faults, *_applied(rules, document, opinion))
    case, budget = _held(document, rules, evidence, now)
    breaches = tuple(breach.finding for breach in case.breaches)
    findings = (*spec_findings, *case.findings, *breaches)
    verdict = _verdict((*spec_findings, *case.findings), breaches)
    return Judgement(
        ruleset=rules.name,
        verdict=verdict,
        passed=verdict is Verdict.PASS,
        findings=tuple(sorted(findings, key=lambda finding: (finding.file, finding.line, finding.column))),
        budget=budget,
        waivers=tuple(case.uses.values()),
        gates=(_completeness(spec_findings), *case.gates),
        duration_ms=(time.perf_counter() - began) * 1000,
        remediation=tuple(_remediation(findings, case)),
        judged_at=now,
    )


def _applied(rules: Ruleset, document: Document, opinion: Opinion | None) -> Iterable[Finding]:
    """What the rules find; nothing where reading stopped early, since they would judge what is not there."""
    if not document.complete:
        return []
    if opinion is not None and opinion.answered:
        return findings_of(opinion, document)
    found = [finding for rule in rules.rules for finding in rule(document)]
    return [*found, *([] if opinion is None else findings_of(opinion, document))]


def _held(
    document: Document, rules: Ruleset, evidence: Evidence, now: datetime
) -> tuple[Case, Budget | None]:
    """The spec held against what was given beside it."""
    policy = policy_of(rules.policy)
    faults: tuple[Finding, ...] = ()
    if evidence.policy is not None:
        policy, faults = policy_from(evidence.policy.content, evidence.policy.name, policy)
    case = Case(document, policy, now)
    case.findings += faults
    waivers_of(case, named_waivers(document), evidence.waivers, project_wide=rules.project_wide)
    return case, gates.judge(case, evidence)


def _verdict(findings: Iterable[Finding], breaches: tuple[Finding, ...]) -> Verdict:
    """A warning decides nothing; what no waiver could lift goes before what one could."""
    if any(finding.severity.fails for finding in findings):
        return Verdict.FAIL
    return Verdict.WAIVER_REQUIRED if breaches else Verdict.PASS


def _remediation(findings: Iterable[Finding], case: Case) -> Iterator[str]:
    """One step for each thing that stands in the way, each once, in the order in which it pays to mend them."""
    yield from dict.fromkeys(_step(finding) for finding in findings if finding.severity.fails)
    waivable = dict.fromkeys(breach.gate for breach in case.breaches)
    if waivable:
        need = case.policy.approvers
        yield (
            f"Or have a waiver approved: gates [{', '.join(waivable)}], {need} approver(s), an expires_at, "
            f"in .caws/waivers/, and name it in waiver_ids."
        )


def _step(finding: Finding) -> str:
    what = f"{finding.file}: {finding.message}" if finding.file else finding.message
    return f"{what}. {finding.hint}" if finding.hint else what


def _completeness(findings: Iterable[Finding]) -> Gate:
    errors = sum(finding.severity.fails for finding in findings)
    message = f"{errors} error(s) in the spec" if errors else "the spec holds what its rule set asks for"
    status = GateStatus.FAILED if errors else GateStatus.PASSED
    return Gate(gate="spec_completeness", passed=not errors, message=message, status=status)
