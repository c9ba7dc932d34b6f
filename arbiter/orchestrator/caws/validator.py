"""`CawsValidator`: judges one working spec, and the change made under it, against a named rule set."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final, Protocol

from opentelemetry import trace

from arbiter.clock import SystemClock
from arbiter.histogram import Histogram
from arbiter.operation import operation
from arbiter.orchestrator.caws import gates
from arbiter.orchestrator.caws.case import Case, waivers_of
from arbiter.orchestrator.caws.commandline import waivers as named_waivers
from arbiter.orchestrator.caws.document import Document, read
from arbiter.orchestrator.caws.evidence import Evidence
from arbiter.orchestrator.caws.models import (
    Budget,
    Finding,
    Gate,
    GateStatus,
    Judgement,
    Standing,
    Verdict,
)
from arbiter.orchestrator.caws.opinion import Opinion, findings_of
from arbiter.orchestrator.caws.policy import policy_from, policy_of
from arbiter.orchestrator.caws.record import Record, entry_of
from arbiter.orchestrator.caws.rulesets import RULESETS, Ruleset, ruleset_named
from arbiter.orchestrator.caws.scaffold import scaffold
from arbiter.orchestrator.caws.settings import CawsSettings
from arbiter.protocols import CheckResult, Clock, Live, Measurement, Status

__all__ = ["CawsValidator", "External"]

_INLINE_CHARACTERS: Final = 32_768
"""A longer document (about 5 ms and more) is judged in a thread, so that it holds up nobody else."""

_NOTHING: Final = Evidence()


class External(Protocol):
    """Another validator, whose word on a spec's own rules goes before the built-in ones."""

    async def opinion(self, document: bytes, ruleset: str) -> Opinion | None:
        """What it says; None where it is not configured or cannot answer now."""
        ...


class CawsValidator:
    """Says what the real CAWS validators say, and why, with the line and column of each finding.

    Args:
        settings: the rule set for callers who name none; read at each call.
        external: asked first where the settings name an external command; behind its own breaker.
        clock: says when it is, for what expires.
    """

    def __init__(
        self, settings: Live[CawsSettings], external: External | None = None, clock: Clock | None = None
    ) -> None:
        self._settings = settings
        self._external = external
        self._clock = clock or SystemClock()
        self._record: Record | None = None
        self._verdicts: Counter[tuple[str, str]] = Counter()
        self._durations: defaultdict[str, Histogram] = defaultdict(Histogram)

    @operation(span_attributes=("ruleset",))
    async def validate(
        self, document: bytes | str, ruleset: str | None = None, evidence: Evidence = _NOTHING
    ) -> Judgement:
        """The verdict on one document, and on the change made under it where one is given.

        Args:
            document: the working spec itself, YAML or JSON; bytes are UTF-8, or UTF-16 with a byte order mark.
            ruleset: the rules to hold it to; those of the settings where it is None.
            evidence: what else it is held against.

        Raises:
            NotAMapping: it is no YAML, or its top is no mapping.
            RulesetUnknown: no rule set has that name.
            RecordBroken: the chained record cannot be continued.
        """
        rules = ruleset_named(self._settings.current.ruleset if ruleset is None else ruleset)
        opinion = await self._opinion(document, rules)
        now = evidence.now or self._clock.now()
        if len(document) > _INLINE_CHARACTERS or evidence is not _NOTHING:
            judgement = await asyncio.to_thread(_judged, document, rules, evidence, opinion, now)
        else:
            judgement = _judged(document, rules, evidence, opinion, now)
        judgement = await self._recorded(document, judgement)
        self._note(judgement)
        return judgement

    async def check(self) -> CheckResult:
        """Whether the rule set of the settings still passes a good spec and fails an empty one; nothing is recorded."""
        rules, now = ruleset_named(self._settings.current.ruleset), self._clock.now()
        verdicts = await asyncio.to_thread(_self_test, rules, now)
        if verdicts != (Verdict.PASS, Verdict.FAIL):
            told = " and ".join(verdict.value for verdict in verdicts)
            return CheckResult(Status.FAIL, f"{rules.name} judges a good spec and an empty one: {told}")
        return CheckResult(Status.PASS, f"{rules.name} judges as it should, one of {len(RULESETS)} rule sets")

    def measurements(self) -> Iterator[Measurement]:
        """Verdicts by rule set, and the time they took."""
        name, about = "arbiter.caws.validations", "Working specs judged, by rule set and verdict."
        for (ruleset, verdict), count in self._verdicts.copy().items():
            labels = (("ruleset", ruleset), ("verdict", verdict))
            yield Measurement(name, "counter", count, about, "{spec}", labels)
        about = "How long working specs took to judge, by rule set."
        for ruleset, durations in self._durations.copy().items():
            of_ruleset = (("ruleset", ruleset),)
            yield durations.measurement("arbiter.caws.validation.duration", about, "s", of_ruleset)

    async def _opinion(self, document: bytes | str, rules: Ruleset) -> Opinion | None:
        if self._external is None or not self._settings.current.external_command:
            return None
        source = document.encode("utf-8", "surrogatepass") if isinstance(document, str) else document
        return await self._external.opinion(source, rules.name) or Opinion.unavailable()

    async def _recorded(self, document: bytes | str, judgement: Judgement) -> Judgement:
        """The judgement with the hash of its entry in the record, where one is kept."""
        path = self._settings.current.record
        if not path:
            return judgement
        if self._record is None or self._record.path != path:
            self._record = Record(path)
        written = await asyncio.to_thread(self._record.append, entry_of(document, judgement))
        return judgement.model_copy(update={"record": written})

    def _note(self, judgement: Judgement) -> None:
        self._verdicts[judgement.ruleset, judgement.verdict.value] += 1
        self._durations[judgement.ruleset].observe(judgement.duration_ms / 1000)
        _log_waivers(judgement)
        span = trace.get_current_span()
        if span.is_recording():
            span.set_attribute("arbiter.caws.ruleset", judgement.ruleset)
            span.set_attribute("arbiter.caws.verdict", judgement.verdict.value)
            span.set_attribute("arbiter.caws.findings", len(judgement.findings))


def _log_waivers(judgement: Judgement) -> None:
    """A waiver that lifted something is told with time and approver."""
    applied = [use for use in judgement.waivers if use.standing is Standing.APPLIED]
    if applied:
        import structlog  # noqa: PLC0415  costs a command line more than the whole judging

        log = structlog.get_logger(__name__)
        for use in (
            applied if structlog.is_configured() else ()
        ):  # else it would print into a command's answer
            log.info(
                "waiver applied",
                waiver=use.id,
                approvers=list(use.approvers),
                gates=list(use.gates),
                applied_at=use.applied_at.isoformat() if use.applied_at else "",
                expires_at=use.expires_at.isoformat() if use.expires_at else "",
            )


def _self_test(rules: Ruleset, now: datetime) -> tuple[Verdict, ...]:
    """The verdicts on a spec that is good by these rules, and on one that says nothing but its id."""
    good = scaffold(
        ruleset=rules.name,
        file="good.yaml",
        spec_id="FEAT-0001",
        title="Good",
        tier=2,
        mode="feature",
        module="src",
    )
    return tuple(_judged(spec, rules, _NOTHING, None, now).verdict for spec in (good, "id: FEAT-0001\n"))


def _judged(
    source: bytes | str, rules: Ruleset, evidence: Evidence, opinion: Opinion | None, now: datetime
) -> Judgement:
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
    steps = (f"{f.message}: {f.hint}" if f.hint else f.message for f in findings if f.severity.fails)
    yield from dict.fromkeys(steps)
    waivable = dict.fromkeys(breach.gate for breach in case.breaches)
    if waivable:
        need = case.policy.approvers
        yield (
            f"Or have a waiver approved: gates [{', '.join(waivable)}], {need} approver(s), an expires_at, "
            f"in .caws/waivers/, and name it in waiver_ids."
        )


def _completeness(findings: Iterable[Finding]) -> Gate:
    errors = sum(finding.severity.fails for finding in findings)
    message = f"{errors} error(s) in the spec" if errors else "the spec holds what its rule set asks for"
    status = GateStatus.FAILED if errors else GateStatus.PASSED
    return Gate(gate="spec_completeness", passed=not errors, message=message, status=status)
