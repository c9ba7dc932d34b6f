"""`CawsValidator`: judges one working spec, and the change made under it, against a named rule set."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Final, Protocol

import structlog
from opentelemetry import trace

from arbiter.clock import SystemClock
from arbiter.histogram import Histogram
from arbiter.operation import operation
from arbiter.orchestrator.caws.evidence import Evidence
from arbiter.orchestrator.caws.judging import judge
from arbiter.orchestrator.caws.models import Judgement, Standing, Verdict
from arbiter.orchestrator.caws.opinion import Opinion
from arbiter.orchestrator.caws.record import Record, entry_of
from arbiter.orchestrator.caws.rulesets import RULESETS, Ruleset, ruleset_named
from arbiter.orchestrator.caws.scaffold import scaffold
from arbiter.orchestrator.caws.settings import CawsSettings
from arbiter.protocols import CheckResult, Clock, Live, Measurement, Status

__all__ = ["CawsValidator", "External"]

_INLINE_CHARACTERS: Final = 32_768
"""A longer document (about 5 ms and more) is judged in a thread, so that it holds up nobody else."""

_NOTHING: Final = Evidence()
log = structlog.get_logger(__name__)


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
            judgement = await asyncio.to_thread(judge, document, rules, evidence, now, opinion)
        else:
            judgement = judge(document, rules, evidence, now, opinion)
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
        return dataclasses.replace(judgement, record=written)

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
    """A waiver that lifted something is told with time and approver, where an application has set up logging."""
    applied = [use for use in judgement.waivers if use.standing is Standing.APPLIED]
    for use in applied if structlog.is_configured() else ():
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
    return tuple(judge(spec, rules, _NOTHING, now).verdict for spec in (good, "id: FEAT-0001\n"))
