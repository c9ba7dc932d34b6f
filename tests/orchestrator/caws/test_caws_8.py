"""The rules caws-8: what the real validator of release 8.0.0 says in full mode, beyond release 3.4.0."""

from __future__ import annotations

import pytest

from arbiter.orchestrator.caws.models import Severity, Verdict
from tests.orchestrator.caws.kit import codes, judged, spec

TIER_1 = {
    "risk_tier": "1",
    "observability": "{logs: [x]}",
    "rollback": "[back]",
}

FAILING = [
    ({"scope": '{in: [src], out: ["*.pyc"]}'}, "scope-out-glob", "/scope/out"),
    ({"scope": '{in: [src], out: ["a?"]}'}, "scope-out-glob", "/scope/out"),
    ({"scope": "{in: [src], out: [1]}"}, "validation-error", "/scope/out/0"),
    ({"scope": "{in: [src], out: [2026-01-01]}"}, "validation-error", "/scope/out/0"),
    ({**TIER_1, "observability": None}, "observability-required", "/observability"),
    ({**TIER_1, "rollback": "[]"}, "rollback-required", "/rollback"),
    ({**TIER_1, "non_functional": "{security: []}"}, "security-required", "/non_functional/security"),
    ({"rollback": "back"}, "rollback-no-list", "/rollback"),
    ({"rollback": "null"}, "rollback-no-list", "/rollback"),
    ({"rollback": "[a, 1]"}, "rollback-no-text", "/rollback"),
    ({"rollback": "[2026-01-01]"}, "rollback-no-text", "/rollback"),
    ({"risk_tier": "2", "contracts": "[]"}, "contracts-required", "/contracts"),
    ({"risk_tier": "4"}, "risk-tier-range", "/risk_tier"),
    ({"id": "nope"}, "id-format", "/id"),
]


@pytest.mark.parametrize(("changes", "code", "path"), FAILING)
async def test_what_release_8_refuses_fails(changes: dict[str, str | None], code: str, path: str) -> None:
    """Each is refused by CAWS 8.0.0; the finding names rule and place."""
    judgement = await judged(spec(**changes), "caws-8")

    assert (code, path) in codes(judgement, Severity.ERROR)
    assert judgement.verdict is Verdict.FAIL


PASSING = [
    (TIER_1, None, ""),
    ({"risk_tier": '"1"'}, "risk-tier-no-number", "/risk_tier"),
    ({"rollback": "[a, a]"}, "rollback-twice", "/rollback"),
    ({"change_budget": "{max_files: 1}"}, "change-budget-ignored", "/change_budget"),
    ({"scope": "{in: [src], out: '*.pyc'}"}, None, ""),
    ({**TIER_1, "observability": "[]"}, None, ""),
]


@pytest.mark.parametrize(("changes", "code", "path"), PASSING)
async def test_what_release_8_lets_pass_passes(
    changes: dict[str, str | None], code: str | None, path: str
) -> None:
    """Each passes there; where only JavaScript's truths let it, or the release warns, so is warned here."""
    judgement = await judged(spec(**changes), "caws-8")

    assert judgement.passed
    assert code is None or (code, path) in codes(judgement, Severity.WARNING)


async def test_budgets_are_those_of_the_release() -> None:
    """Its default policy allows a change of tier 2 fifty files and 2,000 lines."""
    judgement = await judged(spec(risk_tier="2"), "caws-8")

    assert judgement.budget is not None
    assert (judgement.budget.max_files, judgement.budget.max_loc) == (50, 2000)
