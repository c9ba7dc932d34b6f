"""Each known fault of upstream's validators, and the test that shows it absent here."""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from arbiter.orchestrator.caws.change import Change, ChangedFile
from arbiter.orchestrator.caws.evidence import Attachment, Evidence
from arbiter.orchestrator.caws.models import Severity, Standing, Verdict
from arbiter.orchestrator.caws.record import verified
from arbiter.orchestrator.caws.settings import CawsSettings
from arbiter.orchestrator.caws.validator import CawsValidator
from arbiter.testing.live import Fixed
from tests.orchestrator.caws.kit import NOW, changed, gate, judged, spec, waiver

FULL = Evidence(
    waivers=(waiver(applies_to="FEAT-1"),),
    change=changed(15, 100),
    reports=(
        Attachment("c.json", json.dumps({"totals": {"covered_lines": 1, "num_statements": 2}, "files": {}})),
    ),
    now=NOW,
)


async def test_errors_beside_a_warning_are_no_pass() -> None:
    """Upstream's verdict was pass as soon as there was a warning, with passed false beside it."""
    judgement = await judged(spec(id="nope", invariants="[]"))

    assert {Severity.ERROR, Severity.WARNING} <= {f.severity for f in judgement.findings}
    assert (judgement.verdict, judgement.passed) == (Verdict.FAIL, False)


async def test_waiver_required_is_issued() -> None:
    """Upstream never did."""
    judgement = await judged(
        spec(risk_tier="1"), evidence=Evidence(waivers=(), change=changed(15, 10), now=NOW)
    )

    assert judgement.verdict is Verdict.WAIVER_REQUIRED


async def test_waivers_are_in_the_answer() -> None:
    """Upstream's list was always empty; applied and unapplied are told apart here, which release 8 did not."""
    raised = await judged(spec(risk_tier="1"), evidence=FULL)
    unused = await judged(spec(risk_tier="2"), evidence=FULL)

    assert [use.standing for use in raised.waivers] == [Standing.APPLIED]
    assert [use.standing for use in unused.waivers] == [Standing.VALID]


async def test_gates_are_judged_by_their_evidence() -> None:
    """Upstream's returned nothing, and its rules always passed."""
    judgement = await judged(spec(risk_tier="2"), evidence=FULL)

    assert not gate(judgement, "coverage_threshold").passed
    assert gate(judgement, "coverage_threshold").evidence
    assert not gate(await judged(spec(id="nope")), "spec_completeness").passed


async def test_a_verdict_is_published(tmp_path: Path) -> None:
    """Upstream's publishing did nothing; here the verdict stands in the record, the counters and the trace."""
    path = tmp_path / "record.jsonl"
    validator = CawsValidator(Fixed(CawsSettings(record=str(path))))
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))

    with provider.get_tracer("test").start_as_current_span("validate"):
        judgement = await validator.validate(spec(id="nope"))

    assert (verified(path.read_bytes()).head, json.loads(path.read_bytes())["verdict"]) == (
        judgement.record,
        "fail",
    )
    counted = {
        m.attributes: m.value for m in validator.measurements() if m.name == "arbiter.caws.validations"
    }
    assert counted == {(("ruleset", "caws-3.4"), ("verdict", "fail")): 1}
    attributes = spans.get_finished_spans()[0].attributes
    assert attributes is not None
    assert attributes["arbiter.caws.verdict"] == "fail"


async def test_a_waiver_that_was_skipped_is_not_called_applied() -> None:
    """Releases 3.4.0 and 8 listed every waiver that the spec names, whatever it was worth."""
    named = spec(risk_tier="1", waiver_ids="[WV-0001]")
    skipped = replace(FULL, waivers=(waiver(status="revoked"),))

    judgement = await judged(named, evidence=skipped)

    assert [use.standing for use in judgement.waivers] == [Standing.REVOKED]


async def test_coverage_of_90_and_of_0_9_are_the_same() -> None:
    """Files in use write both, and upstream took each as it stood."""
    for written in ("90", "0.9"):
        policy = Attachment(
            "p.yaml", f"risk_tiers: {{1: {{max_files: 50, max_loc: 500, coverage_threshold: {written}}}}}"
        )
        judgement = await judged(spec(risk_tier="1"), evidence=replace(FULL, policy=policy))

        assert gate(judgement, "coverage_threshold").threshold == 90


async def test_a_placeholder_as_key_is_a_warning_and_no_traceback() -> None:
    """`{{NAME}}` is a mapping as key: js-yaml reads it, and PyYAML raises."""
    judgement = await judged(spec() + "extra: {{NAME}}\n")

    assert judgement.passed
    assert ("unhashable-key", Severity.WARNING) in [(f.code, f.severity) for f in judgement.findings]


async def test_javascripts_digits_and_ends_are_kept() -> None:
    """What Python calls a digit and an end of text would let other digits and a line end pass."""
    for odd in ("FEAT-\u0661", '"FEAT-1\\n"'):
        assert "id-format" in [f.code for f in (await judged(spec(id=odd))).findings]


async def test_changed_files_are_looked_at() -> None:
    """Upstream compared no file with the scope."""
    change = Change((ChangedFile("lib/other.py", 1),))

    judgement = await judged(spec(), evidence=Evidence(change=change, now=NOW))

    assert [f.code for f in judgement.findings] == ["scope-in"]


async def test_an_expired_waiver_is_told_and_not_skipped() -> None:
    """Upstream stayed at the baseline without a word."""
    ended = Evidence(waivers=(waiver(expires_at="2026-01-01T00:00:00Z"),), change=changed(), now=NOW)

    judgement = await judged(spec(waiver_ids="[WV-0001]"), evidence=ended)

    assert "waiver-expired" in [f.code for f in judgement.findings]


async def test_security_as_a_mapping_raises_nothing() -> None:
    """Upstream's own spec of tier 1 has it so, and ended its whole run."""
    tier_1 = spec(risk_tier="1", non_functional="{security: {authentication: required}}")
    for ruleset in ("caws-3.4", "caws-8", "caws-12", "arbiter"):
        assert (await judged(tier_1, ruleset)).findings is not None


async def test_a_change_budget_in_the_spec_does_not_raise_the_budget() -> None:
    """Only the policy and waivers do."""
    greedy = spec(risk_tier="1", change_budget="{max_files: 9999, max_loc: 999999}")

    judgement = await judged(greedy, evidence=Evidence(change=changed(15, 10), waivers=(), now=NOW))

    assert judgement.budget is not None
    assert (judgement.budget.effective_files, judgement.passed) == (10, False)


async def test_an_applied_waiver_is_logged_with_time_and_approver() -> None:
    """Where an application has set up logging; a command line must not find it in its answer."""
    lines: list[MutableMapping[str, Any]] = []

    def keep(_: object, __: str, event: MutableMapping[str, Any]) -> str:
        """Keep the line."""
        lines.append(dict(event))
        raise structlog.DropEvent

    structlog.configure(processors=[keep])
    try:
        await judged(spec(risk_tier="1"), evidence=FULL)
    finally:
        structlog.reset_defaults()

    assert [(line["waiver"], line["approvers"], line["applied_at"]) for line in lines] == [
        ("WV-0001", ["ann@example.org"], NOW.isoformat())
    ]
