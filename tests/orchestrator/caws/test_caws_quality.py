"""The rules arbiter: quality, each finding with the severity that its rule carries."""

from __future__ import annotations

import pytest

from arbiter.orchestrator.caws.models import Severity
from tests.orchestrator.caws.kit import judged, spec

GOOD = {
    "blast_radius": "{modules: [billing], data_migration: false}",
    "invariants": "[billing totals agree]",
    "acceptance": "[{id: A1, given: g, when: w, then: the total is shown}]",
}

FOUND = [
    ({"scope": "{in: []}"}, "SCOPE-001", "/scope/in", "high"),
    ({"scope": "{in: [/]}"}, "SCOPE-001", "/scope/in/0", "high"),
    ({"scope": '{in: ["./"]}'}, "SCOPE-001", "/scope/in/0", "high"),
    ({"scope": "{in: [src], out: [node_modules/]}"}, "SCOPE-001", "/scope/out/0", "medium"),
    ({"blast_radius": "{modules: [], data_migration: false}"}, "BLAST-001", "/blast_radius/modules", "high"),
    ({"blast_radius": "{modules: [ui]}"}, "BLAST-001", "/blast_radius/data_migration", "medium"),
    ({"invariants": "[all is well]"}, "BLAST-001", "/blast_radius/modules/0", "medium"),
    ({"risk_tier": "1"}, "ROLLBACK-001", "/rollback", "high"),
    ({"operational_rollback_slo": "2m"}, "ROLLBACK-001", "/operational_rollback_slo", "medium"),
    ({"rollback": "[go back]"}, "ROLLBACK-001", "/rollback", "low"),
    ({"acceptance": "[]"}, "ACCEPTANCE-001", "/acceptance", "high"),
    ({"acceptance": "[{id: A1}]"}, "ACCEPTANCE-001", "/acceptance/0", "high"),
    ({"acceptance": "[text]"}, "ACCEPTANCE-001", "/acceptance/0", "high"),
    (
        {"acceptance": "[{id: A, given: g, when: w, then: x}, {id: A, given: g, when: w, then: x}]"},
        "ACCEPTANCE-001",
        "/acceptance/1/id",
        "medium",
    ),
    (
        {"acceptance": "[{id: A, given: g, when: w, then: it works}]"},
        "ACCEPTANCE-001",
        "/acceptance/0/then",
        "low",
    ),
    ({"risk_tier": "2", "contracts": "[]"}, "CONTRACT-001", "/contracts", "high"),
    ({"contracts": "[{type: openapi}]"}, "CONTRACT-001", "/contracts/0", "high"),
    ({"contracts": "[{type: fax, path: a}]"}, "CONTRACT-001", "/contracts/0/type", "medium"),
    ({"risk_tier": "1"}, "OBSERVABILITY-001", "/observability", "high"),
    ({"observability": "{logs: [x]}"}, "OBSERVABILITY-001", "/observability", "medium"),
    ({"risk_tier": "1"}, "NONFUNC-001", "/non_functional/security", "high"),
    (
        {"non_functional": "{perf: {api_p95_ms: 5}}"},
        "NONFUNC-001",
        "/non_functional/perf/api_p95_ms",
        "medium",
    ),
    ({"non_functional": "{perf: {lcp_ms: 50}}"}, "NONFUNC-001", "/non_functional/perf/lcp_ms", "medium"),
    ({"non_functional": "{a11y: [accessible]}"}, "NONFUNC-001", "/non_functional/a11y/0", "low"),
]


async def test_a_good_spec_has_nothing_said_of_it() -> None:
    """No rule finds anything."""
    assert (await judged(spec(**GOOD), "arbiter")).findings == ()


@pytest.mark.parametrize(("changes", "code", "path", "severity"), FOUND)
async def test_each_rule_finds_with_its_severity(
    changes: dict[str, str], code: str, path: str, severity: str
) -> None:
    """The severity stands in the finding, and only high fails."""
    judgement = await judged(spec(**{**GOOD, **changes}), "arbiter")

    assert (code, path, severity) in [(f.code, f.path, f.severity.value) for f in judgement.findings]
    assert judgement.passed is not any(f.severity is Severity.HIGH for f in judgement.findings)


async def test_the_set_can_be_added_to_another() -> None:
    """`caws-3.4+arbiter` finds what either finds."""
    judgement = await judged(spec(**{**GOOD, "id": "nope", "scope": "{in: [/]}"}), "caws-3.4+arbiter")

    assert {"id-format", "SCOPE-001"} == {f.code for f in judgement.findings}
    assert judgement.ruleset == "caws-3.4+arbiter"
