"""Each known fault of upstream's validators, and the test that shows it absent here."""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from typing import Any

import structlog

from arbiter.orchestrator.caws.change import Change, ChangedFile
from arbiter.orchestrator.caws.evidence import Attachment, Evidence
from arbiter.orchestrator.caws.models import Severity, Standing, Verdict
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
