"""`CawsValidator`: judges one working spec against a named rule set."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from opentelemetry import trace

from arbiter.operation import operation
from arbiter.orchestrator.caws.document import Document, read
from arbiter.orchestrator.caws.models import Finding, Gate, Judgement, Severity, Verdict
from arbiter.orchestrator.caws.rulesets import RULESETS, Ruleset, ruleset_named
from arbiter.orchestrator.caws.settings import CawsSettings
from arbiter.protocols import CheckResult, Live, Measurement, Status

__all__ = ["CawsValidator"]

_INLINE_CHARACTERS: Final = 32_768
"""A longer document (about 5 ms and more) is judged in a thread, so that it holds up nobody else."""


class CawsValidator:
    """Says what the real CAWS validators say, and why, with the line and column of each finding.

    Args:
        settings: the rule set for callers who name none; read at each call.
    """

    def __init__(self, settings: Live[CawsSettings]) -> None:
        self._settings = settings
        self._verdicts: Counter[tuple[str, str]] = Counter()
        self._refused = 0
        self._seconds = 0.0

    @operation(span_attributes=("ruleset",))
    async def validate(self, document: bytes | str, ruleset: str | None = None) -> Judgement:
        """The verdict on one document.

        Args:
            document: the working spec itself, YAML or JSON; bytes are UTF-8, or UTF-16 with a byte order mark.
            ruleset: the rules to hold it to; those of the settings where it is None.

        Raises:
            NotAMapping: it is no YAML, or its top is no mapping.
            RulesetUnknown: no rule set has that name.
        """
        rules = ruleset_named(self._settings.current.ruleset if ruleset is None else ruleset)
        if len(document) > _INLINE_CHARACTERS:
            judgement = await asyncio.to_thread(self._judge, document, rules)
        else:
            judgement = self._judge(document, rules)
        self._note(judgement)
        return judgement

    async def check(self) -> CheckResult:
        """Pass: the rules are part of the program."""
        return CheckResult(Status.PASS, f"{len(RULESETS)} rule set(s) at hand")

    def measurements(self) -> Iterator[Measurement]:
        """Verdicts by rule set, and the time they took."""
        name, about = "arbiter.caws.validations", "Working specs judged, by rule set and verdict."
        for (ruleset, verdict), count in self._verdicts.copy().items():
            labels = (("ruleset", ruleset), ("verdict", verdict))
            yield Measurement(name, "counter", count, about, "{spec}", labels)
        about = "Time spent on judging working specs."
        yield Measurement("arbiter.caws.validation.time", "counter", self._seconds, about, "s")

    def _judge(self, source: bytes | str, rules: Ruleset) -> Judgement:
        began = time.perf_counter()
        document = read(source)
        findings = (*document.faults, *_applied(rules, document))
        passed = all(finding.severity is not Severity.ERROR for finding in findings)
        return Judgement(
            ruleset=rules.name,
            verdict=Verdict.PASS if passed else Verdict.FAIL,
            passed=passed,
            findings=tuple(sorted(findings, key=lambda finding: (finding.line, finding.column))),
            budget=rules.budget(document),
            waivers=rules.waivers(document),
            gates=(_completeness(findings),),
            duration_ms=(time.perf_counter() - began) * 1000,
        )

    def _note(self, judgement: Judgement) -> None:
        self._verdicts[judgement.ruleset, judgement.verdict.value] += 1
        self._seconds += judgement.duration_ms / 1000
        span = trace.get_current_span()
        if span.is_recording():
            span.set_attribute("arbiter.caws.ruleset", judgement.ruleset)
            span.set_attribute("arbiter.caws.verdict", judgement.verdict.value)
            span.set_attribute("arbiter.caws.findings", len(judgement.findings))


def _applied(rules: Ruleset, document: Document) -> Iterable[Finding]:
    """What the rules find; nothing where reading stopped early, since they would judge what is not there."""
    return [finding for rule in rules.rules for finding in rule(document)] if document.complete else []


def _completeness(findings: Iterable[Finding]) -> Gate:
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    message = f"{errors} error(s) in the spec" if errors else "the spec holds what its rule set asks for"
    return Gate(gate="spec_completeness", passed=not errors, message=message)
