"""A spec that passes, changed as a test needs it, and what a fresh validator says of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from arbiter.orchestrator.caws.change import Change, ChangedFile
from arbiter.orchestrator.caws.evidence import Attachment, Evidence
from arbiter.orchestrator.caws.models import Gate, Judgement, Severity
from arbiter.orchestrator.caws.settings import CawsSettings
from arbiter.orchestrator.caws.validator import CawsValidator
from arbiter.testing.live import Fixed

__all__ = [
    "GOOD",
    "GOOD_12",
    "NOW",
    "SAMPLE",
    "changed",
    "codes",
    "gate",
    "judged",
    "spec",
    "spec_12",
    "waiver",
]

SAMPLE: Final = Path(os.environ.get("ARBITER_CAWS_SAMPLE", Path(__file__).parents[4] / "shared" / "caws"))
"""Where the labelled sample of public specs, policies and waivers is; tests that need it are skipped without it."""

NOW: Final = datetime(2026, 6, 1, 12, tzinfo=UTC)

GOOD: Final[Mapping[str, str]] = {
    "id": "FEAT-1",
    "title": "A title",
    "risk_tier": "3",
    "mode": "feature",
    "blast_radius": "{modules: [billing]}",
    "operational_rollback_slo": "5m",
    "scope": "{in: [src], out: [docs]}",
    "invariants": "[totals agree]",
    "acceptance": "[{id: A1, given: g, when: w, then: t}]",
    "non_functional": "{security: [authorization]}",
    "contracts": "[{type: openapi, path: api.yaml}]",
}
GOOD_12: Final[Mapping[str, str]] = {
    **{name: value for name, value in GOOD.items() if name != "contracts"},
    "lifecycle_state": "active",
    "contracts": "[{name: api, type: api, path: api.yaml}]",
}


def spec(**changed: str | None) -> str:
    """A spec that passes, with some keys changed, or left out where they are None."""
    return _written(GOOD, changed)


def spec_12(**changed: str | None) -> str:
    """The same for release 12."""
    return _written(GOOD_12, changed)


def _written(good: Mapping[str, str], changed: Mapping[str, str | None]) -> str:
    lines = {**good, **changed}
    return "".join(f"{key}: {value}\n" for key, value in lines.items() if value is not None)


async def judged(
    document: str | bytes, ruleset: str | None = None, evidence: Evidence | None = None
) -> Judgement:
    """The verdict of a fresh validator."""
    validator = CawsValidator(Fixed(CawsSettings()))
    if evidence is None:
        return await validator.validate(document, ruleset)
    return await validator.validate(document, ruleset, evidence)


def codes(judgement: Judgement, severity: Severity) -> list[tuple[str, str]]:
    """Code and path of the findings of a severity."""
    return [(f.code, f.path) for f in judgement.findings if f.severity is severity]


def gate(judgement: Judgement, name: str) -> Gate:
    """The gate of that name."""
    return next(gate for gate in judgement.gates if gate.gate == name)


def changed(files: int = 1, lines: int = 10, folder: str = "src") -> Change:
    """A change of so many files, and of so many lines in all, in one folder."""
    each, rest = divmod(lines, files)
    return Change(
        tuple(ChangedFile(f"{folder}/f{n}.py", added=each + (rest if n == 0 else 0)) for n in range(files))
    )


def waiver(**changed: str | None) -> Attachment:
    """A file of one good waiver of the budget, with some keys changed."""
    good = {
        "id": "WV-0001",
        "title": "More files than usual",
        "reason": "architectural_refactor",
        "status": "active",
        "gates": "[budget_limit]",
        "expires_at": "2026-12-31T00:00:00Z",
        "approvers": "[ann@example.org]",
        "delta": "{max_files: 10, max_loc: 5000}",
    }
    return Attachment(".caws/waivers/WV-0001.yaml", _written(good, changed))
