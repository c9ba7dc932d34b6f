"""The gates, the verdict, and the acceptance A1 to A6 of component 003."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from arbiter.orchestrator.caws.change import Change, ChangedFile
from arbiter.orchestrator.caws.contracts import Attached
from arbiter.orchestrator.caws.evidence import Attachment, Evidence
from arbiter.orchestrator.caws.models import GateStatus, Severity, Standing, Verdict
from tests.orchestrator.caws.kit import NOW, changed, codes, gate, judged, spec, waiver

POLICY = "risk_tiers: {1: {max_files: 10, max_loc: 250}, 2: {max_files: 20, max_loc: 500}, 3: {max_files: 30, max_loc: 900}}\n"


def coverage(percent: float) -> Attachment:
    """A report of that coverage."""
    totals = {"covered_lines": percent, "num_statements": 100}
    return Attachment("coverage.json", json.dumps({"meta": {}, "files": {}, "totals": totals}))


def policy(more: str = "") -> Attachment:
    """A policy file of small budgets."""
    return Attachment(".caws/policy.yaml", POLICY + more)


def given(**what: object) -> Evidence:
    """Evidence at a fixed moment."""
    return replace(Evidence(now=NOW, waivers=()), **what)  # type: ignore[arg-type]


async def test_a1_five_files_over_is_a_budget_violation() -> None:
    """Tier 2 allows twenty; twenty-five files name the excess, and a waiver would lift it."""
    judgement = await judged(spec(risk_tier="2"), evidence=given(policy=policy(), change=changed(25, 100)))

    assert [f.message for f in judgement.findings if f.code == "budget-files"] == [
        "File count (25) exceeds budget (20) by 5"
    ]
    assert (judgement.verdict, gate(judgement, "budget_limit").passed) == (Verdict.WAIVER_REQUIRED, False)
    assert judgement.budget is not None
    assert (
        judgement.budget.files,
        judgement.budget.effective_files,
        judgement.budget.utilization_percent,
    ) == (25, 20, 125)


@pytest.mark.parametrize(("percent", "holds"), [(79.99, False), (80.0, True), (100.0, True), (0.0, False)])
async def test_a2_coverage_below_the_threshold_is_a_violation(percent: float, *, holds: bool) -> None:
    """Tier 2 asks for 80 %; the gate tells score, threshold, file and figure."""
    judgement = await judged(spec(risk_tier="2"), evidence=given(reports=(coverage(percent),)))

    found = gate(judgement, "coverage_threshold")
    assert (found.passed, judgement.passed, found.score, found.threshold) == (holds, holds, percent, 80)
    assert found.evidence == (f"coverage.json (coverage.py): {percent:g} of 100",)
    assert (("coverage-below", "/risk_tier") in codes(judgement, Severity.ERROR)) is not holds


async def test_a3_an_approved_waiver_passes_and_is_logged_with_time() -> None:
    """Budget and coverage are lifted; each waiver stands in the answer with moment and approver."""
    lifting = waiver(gates="[budget_limit, coverage_threshold]")

    judgement = await judged(
        spec(risk_tier="2", waiver_ids="[WV-0001]"),
        evidence=given(policy=policy(), change=changed(25, 100), reports=(coverage(10),), waivers=(lifting,)),
    )

    assert (judgement.verdict, judgement.passed) == (Verdict.PASS, True)
    (use,) = judgement.waivers
    assert (use.standing, use.applied_at, use.approvers) == (Standing.APPLIED, NOW, ("ann@example.org",))
    assert gate(judgement, "coverage_threshold").status is GateStatus.WAIVED
    assert gate(judgement, "budget_limit").waivers == ("WV-0001",)


async def test_a4_a_file_out_of_scope_is_a_scope_violation() -> None:
    """The finding names the file, and points at the entry that refuses it."""
    change = Change((ChangedFile("src/a.py", 1), ChangedFile("docs/b.md", 1), ChangedFile("lib/c.py", 1)))

    judgement = await judged(spec(), evidence=given(change=change))

    assert codes(judgement, Severity.ERROR) == [("scope-in", "/scope/in"), ("scope-out", "/scope/out/0")]
    assert "lib/c.py" in judgement.findings[0].message
    assert judgement.verdict is Verdict.WAIVER_REQUIRED


async def test_a5_an_expired_waiver_is_an_error() -> None:
    """Even where nothing is over: a spec must not lean on what has ended."""
    ended = waiver(expires_at="2026-05-31T00:00:00Z")

    judgement = await judged(
        spec(waiver_ids="[WV-0001]"), evidence=given(change=changed(1, 1), waivers=(ended,))
    )

    assert codes(judgement, Severity.ERROR) == [("waiver-expired", "")]
    assert (judgement.verdict, judgement.waivers[0].standing) == (Verdict.FAIL, Standing.EXPIRED)


async def test_a6_of_five_hundred_judgements_p95_is_below_200_ms() -> None:
    """Each of a spec with a change, in work of this process; how many a second that makes, `make bench` tells."""
    taken = []
    for _ in range(500):
        began = time.process_time()
        judgement = await judged(spec(), evidence=given(change=changed(3, 30)))
        taken.append(time.process_time() - began)
        assert judgement.passed

    assert sorted(taken)[475] < 0.2


@pytest.mark.parametrize(
    ("files", "lines", "codes_found"),
    [
        (20, 500, []),
        (21, 500, ["budget-files"]),
        (20, 501, ["budget-loc"]),
        (21, 501, ["budget-files", "budget-loc"]),
    ],
)
async def test_a_budget_is_exceeded_only_strictly(files: int, lines: int, codes_found: list[str]) -> None:
    """At the limit it holds; from 90 % on a warning says so."""
    judgement = await judged(
        spec(risk_tier="2"), evidence=given(policy=policy(), change=changed(files, lines))
    )

    assert [f.code for f in judgement.findings if f.severity.fails] == codes_found
    assert ("budget-approaching" in [f.code for f in judgement.findings]) is (not codes_found)


async def test_generated_and_binary_files_count_as_files_without_lines() -> None:
    """Lock files, what the repository calls generated, and what has no lines."""
    change = Change(
        (
            ChangedFile("src/package-lock.json", 9000),
            ChangedFile("src/api.py", 9000, generated=True),
            ChangedFile("src/gen/x.py", 9000),
            ChangedFile("src/blob", binary=True),
            ChangedFile("src/gone.py", removed=7, deleted=True),
        )
    )

    judgement = await judged(
        spec(), evidence=given(policy=policy("generated: [src/gen/**]\n"), change=change)
    )

    assert judgement.budget is not None
    assert (judgement.budget.files, judgement.budget.loc, judgement.passed) == (5, 7, True)


async def test_a_waiver_raises_the_budget_by_its_delta_and_no_further() -> None:
    """Ten files more are thirty in all; the thirty-first is over."""
    for files, verdict in ((30, Verdict.PASS), (31, Verdict.WAIVER_REQUIRED)):
        judgement = await judged(
            spec(risk_tier="2", waiver_ids="[WV-0001]"),
            evidence=given(policy=policy(), change=changed(files, 100), waivers=(waiver(),)),
        )

        assert judgement.verdict is verdict
        assert judgement.budget is not None
        assert judgement.budget.effective_files == 30


async def test_a_waiver_that_is_not_needed_is_not_applied() -> None:
    """It is valid, and nothing is logged of it."""
    judgement = await judged(
        spec(waiver_ids="[WV-0001]"), evidence=given(change=changed(1, 1), waivers=(waiver(),))
    )

    assert (judgement.waivers[0].standing, judgement.waivers[0].applied_at) == (Standing.VALID, None)


async def test_a_waiver_of_scope_may_be_for_some_paths() -> None:
    """It lifts those, and no others."""
    lifting = waiver(gates="[scope_boundary]", scope="{paths: [lib]}", delta=None)
    for path, passed in (("lib/c.py", True), ("other/c.py", False)):
        judgement = await judged(
            spec(waiver_ids="[WV-0001]"),
            evidence=given(change=Change((ChangedFile(path, 1),)), waivers=(lifting,)),
        )

        assert judgement.passed is passed


async def test_a_policy_may_warn_or_skip() -> None:
    """A gate that only warns does not fail, one that is switched off is not judged."""
    warns = policy("gates: {scope_boundary: {enabled: true, mode: warn}, budget_limit: {enabled: false}}\n")
    change = Change(tuple(ChangedFile(f"lib/{n}.py", 100) for n in range(50)))

    judgement = await judged(spec(), evidence=given(policy=warns, change=change))

    assert judgement.passed
    assert gate(judgement, "scope_boundary").status is GateStatus.WARNED
    assert "budget_limit" not in [g.gate for g in judgement.gates]


async def test_policy_and_code_may_not_change_together_where_the_policy_says_so() -> None:
    """No waiver lifts that."""
    strict = policy("edit_rules: {policy_and_code_same_pr: false}\n")
    change = Change((ChangedFile(".caws/policy.yaml", 1), ChangedFile("src/a.py", 1)))

    judgement = await judged(spec(), evidence=given(policy=strict, change=change))

    assert [f.code for f in judgement.findings] == ["policy-with-code"]
    assert judgement.verdict is Verdict.FAIL


REPORTS = [
    ('<testsuite><testcase name="a"><failure/></testcase></testsuite>', "test_results", "test-failed"),
    ("<testsuite/>", "test_results", "test-none"),
    ('{"killed": 1, "survived": 9}', "mutation_threshold", "mutation-below"),
    (
        '{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "x"}}, "results": [{"level": "error"}]}]}',
        "security_scan",
        "security-finding",
    ),
]


@pytest.mark.parametrize(("content", "name", "code"), REPORTS)
async def test_each_report_decides_its_gate(content: str, name: str, code: str) -> None:
    """A breach needs a waiver, and one that names the gate lifts it."""
    report = (Attachment("report", content),)
    lifting = waiver(gates=f"[{name}]", delta=None)

    bare = await judged(spec(risk_tier="2"), evidence=given(reports=report))
    waived = await judged(
        spec(risk_tier="2", waiver_ids="[WV-0001]"), evidence=given(reports=report, waivers=(lifting,))
    )

    assert [f.code for f in bare.findings if f.severity.fails] == [code]
    assert (bare.verdict, gate(bare, name).passed) == (Verdict.WAIVER_REQUIRED, False)
    assert (waived.verdict, gate(waived, name).status) == (Verdict.PASS, GateStatus.WAIVED)


async def test_an_unreadable_report_fails() -> None:
    """It is no evidence, and no waiver makes it one."""
    judgement = await judged(spec(), evidence=given(reports=(Attachment("r.xml", "hello"),)))

    assert [(f.code, f.file) for f in judgement.findings] == [("report-unreadable", "r.xml")]
    assert judgement.verdict is Verdict.FAIL


async def test_contracts_are_looked_up() -> None:
    """A broken one is a finding at its place in the spec; a good one holds."""
    good = Attached({"api.yaml": b"openapi: 3.1.0\ninfo: {}\npaths: {}\n"})

    holds = await judged(spec(), evidence=given(files=good))
    missing = await judged(spec(), evidence=given(files=Attached({})))
    none = await judged(spec(contracts="[]"), "arbiter", given(files=good))
    asked = await judged(spec(contracts="[]", risk_tier="2"), "arbiter", given(files=good))

    assert gate(holds, "contract_compliance").passed
    assert codes(missing, Severity.ERROR) == [("contract-broken", "/contracts/0")]
    assert gate(none, "contract_compliance").passed
    assert not gate(asked, "contract_compliance").passed


async def test_a_required_gate_fails_without_evidence() -> None:
    """Silence is no pass, where the gate is asked for."""
    judgement = await judged(spec(), evidence=given(required=frozenset({"coverage_threshold"})))

    assert [f.code for f in judgement.findings] == ["gate-unjudged"]
    assert judgement.verdict is Verdict.WAIVER_REQUIRED


async def test_an_error_of_the_spec_goes_before_a_breach() -> None:
    """What no waiver could lift makes it fail, and both stand among the steps."""
    judgement = await judged(
        spec(id="nope", risk_tier="2"), evidence=given(policy=policy(), change=changed(25, 10))
    )

    assert judgement.verdict is Verdict.FAIL
    assert any("PREFIX-NUMBER" in step for step in judgement.remediation)
    assert any("exceeds budget" in step for step in judgement.remediation)


async def test_remediation_names_the_waiver_that_would_help() -> None:
    """The last step says which gates, how many approvers, and where."""
    judgement = await judged(spec(risk_tier="2"), evidence=given(policy=policy(), change=changed(25, 10)))

    assert "gates [budget_limit]" in judgement.remediation[-1]
    assert (await judged(spec())).remediation == ()


async def test_time_decides_nothing_but_expiry() -> None:
    """The same evidence a year later is the same verdict, where no waiver is needed."""
    evidence = given(policy=policy(), change=changed(2, 10))
    later = replace(evidence, now=NOW + timedelta(days=365))

    first, second = [await judged(spec(), evidence=e) for e in (evidence, later)]

    assert replace(first, duration_ms=0, judged_at=None) == replace(second, duration_ms=0, judged_at=None)
