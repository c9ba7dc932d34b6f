"""The rules `caws-3.4`: what the CAWS command line of release 3.4.0 says in full mode (`caws validate`).

The rules and sentences are those of Paths-Design/coding-agent-working-standard, tag v3.4.0, as
`packages/caws-cli/src/validation/spec-validation.js` states them. It is JavaScript, and some of its verdicts come from that alone; they are
kept, and each is accompanied by a warning of ours that says so. It also warns that the budget could not be derived
where the project has no policy; here the budget is the release's own policy and nothing is compared with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from types import MappingProxyType
from typing import Final

from arbiter.orchestrator.caws.document import Document
from arbiter.orchestrator.caws.javascript import (
    UNDEFINED,
    NotPrimitive,
    Plain,
    falsy,
    length,
    number,
    prop,
    same,
    text,
)
from arbiter.orchestrator.caws.models import Budget, Finding, Severity

__all__ = ["RULES", "SOURCE", "budget", "waivers"]

SOURCE: Final = "CAWS command line 3.4.0, full mode"

_REQUIRED: Final = MappingProxyType(
    {
        "id": "Use a format like PROJ-001, FEAT-002, FIX-003.",
        "title": "Add a title that says what the change is.",
        "risk_tier": "Choose 1 (critical), 2 (standard) or 3 (low risk).",
        "mode": "Choose feature, refactor, fix, doc or chore.",
        "blast_radius": "List the affected modules, and whether data is migrated.",
        "operational_rollback_slo": "Choose 1m, 5m, 15m or 1h.",
        "scope": "Say what is part of the change (in) and what is not (out).",
        "invariants": "Add 1 to 3 statements about what must always remain true.",
        "acceptance": "Add acceptance criteria as given, when, then.",
        "non_functional": "State the needs of accessibility, performance and security.",
        "contracts": "Name the contracts of the interface (OpenAPI, GraphQL, ...).",
    }
)
_WARNED_WHEN_EMPTY: Final = frozenset({"invariants", "acceptance"})
_MODES: Final = ("feature", "refactor", "fix", "doc", "chore")
_ID = re.compile(r"[A-Z]+-[0-9]+")
_WAIVER_ID = re.compile(r"WV-[0-9]{4}")
_BASELINES: Final = MappingProxyType({"1": (10, 250), "2": (100, 10_000), "3": (500, 40_000)})


def budget(document: Document) -> Budget | None:
    """Files and lines that the tier may change by the release's own policy (`.caws/policy.yaml` at tag v3.4.0)."""
    try:
        tier = text(document.data.get("risk_tier"))
    except NotPrimitive:
        return None
    if tier not in _BASELINES:
        return None
    files, lines = _BASELINES[tier]
    return Budget(tier=tier, max_files=files, max_loc=lines, source="policy of CAWS 3.4.0")


def waivers(document: Document) -> tuple[str, ...]:
    """The waiver ids of the right form that the document names, each once."""
    named = document.data.get("waiver_ids")
    ids = named if isinstance(named, list) else []
    return tuple(dict.fromkeys(i for i in ids if isinstance(i, str) and _WAIVER_ID.fullmatch(i)))


def _required_fields(document: Document) -> Iterator[Finding]:
    for name, hint in _REQUIRED.items():
        if falsy(document.data.get(name, UNDEFINED)):
            yield document.finding("missing-field", (name,), f"Missing required field: {name}", hint)


def _id_format(document: Document) -> Iterator[Finding]:
    spec_id = document.data.get("id", UNDEFINED)
    if falsy(spec_id) or _ID.fullmatch(text(spec_id)):
        return
    message = "Project ID should be in format: PREFIX-NUMBER (e.g., FEAT-1234)"
    yield document.finding("id-format", ("id",), message, _REQUIRED["id"])


def _tier_range(document: Document) -> Iterator[Finding]:
    tier = document.data.get("risk_tier", UNDEFINED)
    if tier is UNDEFINED or not (number(tier) < 1 or number(tier) > 3):
        return
    hint = "Tier 1 is critical (authentication, billing), 2 standard (features), 3 low risk (user interface)."
    yield document.finding("risk-tier-range", ("risk_tier",), "Risk tier must be 1, 2, or 3", hint)


def _scope_in(document: Document) -> Iterator[Finding]:
    inside = prop(document.data.get("scope"), "in")
    if falsy(inside) or same(length(inside), 0):
        hint = "Name the directories and files that belong to the change."
        yield document.finding("scope-in-empty", ("scope", "in"), "Scope IN must not be empty", hint)


def _nothing_said(document: Document) -> Iterator[Finding]:
    for name, message in (
        ("invariants", "No system invariants defined"),
        ("acceptance", "No acceptance criteria defined"),
    ):
        value = document.data.get(name, UNDEFINED)
        if falsy(value) or same(length(value), 0):
            yield _warning(document, f"no-{name}", (name,), message, _REQUIRED[name])


def _contracts(document: Document) -> Iterator[Finding]:
    tier, contracts = document.data.get("risk_tier"), document.data.get("contracts", UNDEFINED)
    if not (same(tier, 1) or same(tier, 2)):
        return
    if falsy(contracts) or same(length(contracts), 0):
        message = "Contracts required for Tier 1 and 2 changes"
        yield document.finding("contracts-required", ("contracts",), message, _REQUIRED["contracts"])


def _waiver_ids(document: Document) -> Iterator[Finding]:
    named = document.data.get("waiver_ids", UNDEFINED)
    if falsy(named):
        return
    if not isinstance(named, list):
        message = "waiver_ids must be an array of waiver IDs"
        yield document.finding(
            "waiver-ids-no-list", ("waiver_ids",), message, 'Write ["WV-0001", "WV-0002"].'
        )
        return
    for index, waiver in enumerate(named):
        if not _WAIVER_ID.fullmatch(text(waiver)):
            message = f"Invalid waiver ID format: {text(waiver)[:100]}"
            hint = "Use the format WV-XXXX, four digits (WV-0001)."
            yield document.finding("waiver-id-format", ("waiver_ids", str(index)), message, hint)


def _javascript_tier(document: Document) -> Iterator[Finding]:
    """Ours: a tier that is no number passes the range check or skips the checks of its tier."""
    tier = document.data.get("risk_tier", UNDEFINED)
    if falsy(tier) or any(same(tier, n) for n in (1, 2, 3)) or next(iter(_tier_range(document)), None):
        return
    message = f"risk_tier {_shown(tier)} is not the number 1, 2 or 3; CAWS 3.4.0 lets it pass and skips the checks of its tier"
    yield _warning(
        document, "risk-tier-no-number", ("risk_tier",), message, "Write 1, 2 or 3, without quotes."
    )


def _javascript_emptiness(document: Document) -> Iterator[Finding]:
    """Ours: an empty list or mapping counts as present."""
    for name in _REQUIRED:
        value = document.data.get(name)
        if isinstance(value, list | dict) and not value and name not in _WARNED_WHEN_EMPTY:
            message = f"{name} is there but empty; CAWS 3.4.0 counts that as present"
            yield _warning(document, "present-but-empty", (name,), message, _REQUIRED[name])


def _javascript_lists(document: Document) -> Iterator[Finding]:
    """Ours: what should be a list is something else, and only its length was asked for."""
    scope = document.data.get("scope")
    expected: list[tuple[tuple[str, ...], Plain]] = [(("scope", "in"), prop(scope, "in"))]
    expected += [((name,), document.data.get(name)) for name in ("invariants", "acceptance", "contracts")]
    for path, value in expected:
        if not falsy(value) and not isinstance(value, list):
            message = f"{'.'.join(path)} is no list; CAWS 3.4.0 does not look"
            yield _warning(
                document, "no-list", path, message, "Write a list, one entry a line, each after a dash."
            )


def _unknown_mode(document: Document) -> Iterator[Finding]:
    """Ours: the release does not check the mode's value."""
    mode = document.data.get("mode")
    if not falsy(mode) and mode not in _MODES:
        message = f"mode {_shown(mode)} is none of {', '.join(_MODES)}; CAWS 3.4.0 does not look"
        yield _warning(document, "mode-unknown", ("mode",), message, _REQUIRED["mode"])


def _guarded(rule: Callable[[Document], Iterable[Finding]]) -> Callable[[Document], Iterable[Finding]]:
    """The rule, with JavaScript's exception as the finding that the original makes of it."""

    def judged(document: Document) -> Iterator[Finding]:
        try:
            yield from rule(document)
        except NotPrimitive as error:
            hint = "Rename the key toString: it hides what JavaScript would call."
            yield document.finding("validation-error", (), f"Validation error: {error}", hint)

    return judged


RULES: Final = tuple(
    _guarded(rule)
    for rule in (
        _required_fields,
        _id_format,
        _tier_range,
        _scope_in,
        _nothing_said,
        _contracts,
        _waiver_ids,
        _javascript_tier,
        _javascript_emptiness,
        _javascript_lists,
        _unknown_mode,
    )
)


def _shown(value: Plain) -> str:
    return repr(value)[:60] if isinstance(value, str | int | float) else type(value).__name__


def _warning(document: Document, code: str, path: tuple[str, ...], message: str, hint: str) -> Finding:
    return document.finding(code, path, message, hint, Severity.WARNING)
