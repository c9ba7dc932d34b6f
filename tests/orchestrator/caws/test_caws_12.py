"""The rules caws-12: the shape of spec.v1 and the semantic rules of release 12.0.0."""

from __future__ import annotations

import pytest

from arbiter.orchestrator.caws.models import Severity, Verdict
from tests.orchestrator.caws.kit import GOOD_12, codes, judged, spec_12

SHAPE = [
    *(
        ({name: None}, "spec.schema.violation", f"/{name}")
        for name in GOOD_12
        if name != "operational_rollback_slo"
    ),
    ({"risk_tier": '"3"'}, "spec.schema.risk_tier.type_rejected", "/risk_tier"),
    ({"risk_tier": "4"}, "spec.schema.risk_tier.out_of_range", "/risk_tier"),
    ({"risk_tier": ".nan"}, "spec.schema.risk_tier.type_rejected", "/risk_tier"),
    ({"mode": "development"}, "spec.schema.mode.development_removed", "/mode"),
    ({"id": "FEAT"}, "spec.schema.id.pattern_violation", "/id"),
    ({"id": "FEAT-\u0661"}, "spec.schema.id.pattern_violation", "/id"),
    ({"scope": "{in: []}"}, "spec.schema.scope.in_empty", "/scope/in"),
    ({"scope": '{in: [src], out: ["*.py"]}'}, "spec.schema.scope.out_glob_forbidden", "/scope/out/0"),
    ({"scope": "{in: [src], include: [a]}"}, "spec.schema.forbidden_field.scope_include", "/scope/include"),
    ({"change_budget": "{}"}, "spec.schema.forbidden_field.change_budget", "/change_budget"),
    ({"status": "draft"}, "spec.schema.forbidden_field.status", "/status"),
    ({"whatever": "1"}, "spec.schema.violation", "/whatever"),
    ({"<<": "{owner: me}"}, "spec.schema.violation", "/<<"),
    ({"created_at": "2026-02-30T00:00:00Z"}, "spec.schema.violation", "/created_at"),
    ({"created_at": "2026-01-01"}, "spec.schema.violation", "/created_at"),
    ({"created_at": "!!timestamp 2026-01-01T00:00:00Z"}, "unknown-tag", "/created_at"),
    ({"title": "''"}, "spec.schema.violation", "/title"),
    ({"title": "x" * 201}, "spec.schema.violation", "/title"),
    ({"acceptance": "[{id: B1, given: g, when: w, then: t}]"}, "spec.schema.violation", "/acceptance/0/id"),
]
HANDED_ON = "{{target_spec_id: {}, disposition: {}, {}}}"
SENSE = [
    ({"risk_tier": "2", "contracts": "[]"}, "tier2.contracts_required", "/contracts"),
    ({"risk_tier": "1", "contracts": "[]"}, "tier1.contracts_required", "/contracts"),
    ({"risk_tier": "1"}, "tier1.observability_required", "/observability"),
    ({"risk_tier": "1"}, "tier1.rollback_required", "/rollback"),
    ({"risk_tier": "1", "non_functional": "{}"}, "tier1.security_required", "/non_functional/security"),
    (
        {
            "risk_tier": "2",
            "experimental_mode": "{enabled: true, rationale: r, expires_at: 2026-01-01T00:00:00Z}",
        },
        "experimental_mode.tier_restricted",
        "/experimental_mode",
    ),
    ({"resolution": "completed"}, "resolution.requires_closure", "/resolution"),
    ({"lifecycle_state": "closed"}, "closed.resolution_required", "/resolution"),
    ({"supersedes": "FEAT-1"}, "supersedes.self_reference", "/supersedes"),
    (
        {
            "successors": f"[{HANDED_ON.format('FOO-2', 'declined', 'rationale: x')}]".replace(
                "rationale: x", "rationale: ' '"
            )
        },
        "successor.rationale_empty",
        "/successors/0/rationale",
    ),
    (
        {"successors": "[{target_spec_id: FOO-2, disposition: declined}]"},
        "successor.declined_rationale_required",
        "/successors/0/rationale",
    ),
    (
        {"successors": "[{target_spec_id: FOO-2, disposition: absorbed}]"},
        "successor.absorbed_by_required",
        "/successors/0/absorbed_by",
    ),
    (
        {"successors": "[{target_spec_id: FEAT-1, disposition: required}]"},
        "successor.self_reference",
        "/successors/0/target_spec_id",
    ),
    (
        {"successors": "[{target_spec_id: FOO-2, disposition: absorbed, absorbed_by: FEAT-1}]"},
        "successor.absorbed_by_self_reference",
        "/successors/0/absorbed_by",
    ),
    (
        {"successors": "[{target_spec_id: FOO-2, disposition: absorbed, absorbed_by: FOO-2}]"},
        "successor.absorbed_by_equals_target",
        "/successors/0/absorbed_by",
    ),
    (
        {
            "successors": "[{target_spec_id: F-2, disposition: required}, {target_spec_id: F-2, disposition: required}]"
        },
        "successor.duplicate_target",
        "/successors/1/target_spec_id",
    ),
    ({"scope": "{in: [src/a], out: [src/]}"}, "scope.overbroad_out", "/scope/out/0"),
    ({"scope": "{in: [lib], support: [src/a], out: [src]}"}, "scope.overbroad_out", "/scope/out/0"),
    (
        {"evidence": "[{criterion_id: A9, status: pass, recorded_at: 2026-01-01T00:00:00Z}]"},
        "evidence.criterion_id_unknown",
        "/evidence/0/criterion_id",
    ),
    (
        {"evidence": "[{criterion_id: A1, status: waived, recorded_at: 2026-01-01T00:00:00Z}]"},
        "evidence.waiver_reason_required",
        "/evidence/0/waiver_reason",
    ),
]


async def test_a_good_spec_passes() -> None:
    """All that is asked for is there: pass, without a word."""
    judgement = await judged(spec_12(), "caws-12")

    assert (judgement.verdict, judgement.findings) == (Verdict.PASS, ())


@pytest.mark.parametrize(("changes", "code", "path"), SHAPE)
async def test_what_is_not_of_the_shape_fails(changes: dict[str, str | None], code: str, path: str) -> None:
    """The finding has the release's own rule id, and points at the key."""
    judgement = await judged(spec_12(**changes), "caws-12")

    assert (code, path) in codes(judgement, Severity.ERROR)
    assert not judgement.passed


@pytest.mark.parametrize(("changes", "code", "path"), SENSE)
async def test_what_makes_no_sense_fails(changes: dict[str, str | None], code: str, path: str) -> None:
    """So does what has the shape and contradicts itself or its tier."""
    judgement = await judged(spec_12(**changes), "caws-12")

    assert (f"spec.semantic.{code}", path) in codes(judgement, Severity.ERROR)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "A1-B2-31a"},
        {"risk_tier": "3.0"},
        {"risk_tier": "2", "contracts": "[]", "mode": "chore"},
        {"scope": "{in: [src], out: [src]}"},
        {"scope": "{in: [src/ab], out: [src/a]}"},
        {"created_at": "2026-01-01 00:00:00+01"},
        {"created_at": "2016-12-31T23:59:60Z"},
        {"title": "\U0001f600" * 200},
    ],
)
async def test_what_release_12_lets_pass_passes(changes: dict[str, str | None]) -> None:
    """Its edges: whole floats, chores without a contract, equal paths, liberties of its date format."""
    judgement = await judged(spec_12(**changes), "caws-12")

    assert judgement.findings == ()
