"""The rules `caws-8`: what the CAWS command line of release 8.0.0 says in full mode (`caws validate`).

Ported from tag v8.0.0. Beyond release 3.4.0: no globs in `scope.out`; tier 1 needs observability, rollback and security;
`rollback` is a list of text, where it is there; `change_budget` is warned of.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from arbiter.orchestrator.caws import commandline as shared
from arbiter.orchestrator.caws.document import Document
from arbiter.orchestrator.caws.javascript import UNDEFINED, Plain, Timestamp, falsy, length, prop, same, text
from arbiter.orchestrator.caws.models import Finding

__all__ = ["RULES", "SOURCE"]

SOURCE: Final = "CAWS command line 8.0.0, full mode"


def _scope_out(document: Document) -> Iterator[Finding]:
    path, outside = ("scope", "out"), prop(document.data.get("scope"), "out")
    if not isinstance(outside, list):
        return
    strange = next((i for i, entry in enumerate(outside) if not _is_searchable(entry)), None)
    if strange is not None:
        message = "Validation error: pattern.includes is not a function (scope.out holds what is no text)"
        yield document.finding("validation-error", (*path, str(strange)), message, "Write each path as text.")
        return
    globs = [text(entry) for entry in outside if _includes(entry, "*") or _includes(entry, "?")]
    if globs:
        message = f"Unsupported glob patterns in scope.out: {', '.join(globs)[:200]}"
        hint = "Name directories only: __pycache__/ instead of *.pyc."
        yield document.finding("scope-out-glob", path, message, hint)


def _is_searchable(entry: Plain) -> bool:
    return isinstance(entry, list | str) and not isinstance(entry, Timestamp)


def _includes(entry: Plain, what: str) -> bool:
    return isinstance(entry, list | str) and what in entry


def _contracts(document: Document) -> Iterator[Finding]:
    tier, contracts = document.data.get("risk_tier"), document.data.get("contracts", UNDEFINED)
    if not (same(tier, 1) or same(tier, 2)):
        return
    if falsy(contracts) or same(length(contracts), 0):
        message = f"Contracts required for Tier {text(tier)} changes"
        hint = "Name the contracts of the interface; for work on the setup, one of type project_setup."
        yield document.finding("contracts-required", ("contracts",), message, hint)


def _tier_1(document: Document) -> Iterator[Finding]:
    if not same(document.data.get("risk_tier"), 1):
        return
    if falsy(document.data.get("observability", UNDEFINED)):
        message = "Observability required for Tier 1 changes"
        hint = "Say what is logged, measured and traced."
        yield document.finding("observability-required", ("observability",), message, hint)
    rollback = document.data.get("rollback", UNDEFINED)
    if falsy(rollback) or same(length(rollback), 0):
        message = "Rollback procedures required for Tier 1 changes"
        yield document.finding("rollback-required", ("rollback",), message, "List the steps, one text each.")
    security = prop(document.data.get("non_functional"), "security")
    if falsy(security) or same(length(security), 0):
        message = "Security requirements required for Tier 1 changes"
        hint = "State the needs of authentication, authorisation and data protection."
        yield document.finding("security-required", ("non_functional", "security"), message, hint)


def _rollback(document: Document) -> Iterator[Finding]:
    rollback = document.data.get("rollback", UNDEFINED)
    if rollback is UNDEFINED:
        return
    if not isinstance(rollback, list):
        message = "rollback must be an array of strings"
        yield document.finding("rollback-no-list", ("rollback",), message, 'Write ["Step 1", "Step 2"].')
        return
    texts = [step for step in rollback if isinstance(step, str) and not isinstance(step, Timestamp)]
    if len(texts) < len(rollback):
        message = f"Invalid rollback entries (must be strings): {len(rollback) - len(texts)}"
        yield document.finding("rollback-no-text", ("rollback",), message, "Write each step as text.")
    if len(set(texts)) < len(texts):
        message = "Duplicate entries found in rollback array"
        yield shared.warning(document, "rollback-twice", ("rollback",), message, "Keep one of each.")


def _change_budget(document: Document) -> Iterator[Finding]:
    if not falsy(document.data.get("change_budget", UNDEFINED)):
        message = "change_budget field in working spec is informational only and not used for validation"
        hint = "Take it out: the budget comes from the policy's tier and the waivers."
        yield shared.warning(document, "change-budget-ignored", ("change_budget",), message, hint)


RULES: Final = tuple(
    shared.guarded(rule)
    for rule in (
        shared.required_fields,
        shared.id_format,
        shared.tier_range,
        _scope_out,
        shared.scope_in,
        shared.nothing_said,
        _contracts,
        _tier_1,
        _rollback,
        shared.waiver_ids,
        _change_budget,
        shared.javascript_tier,
        shared.javascript_emptiness,
        shared.javascript_lists,
        shared.unknown_mode,
    )
)
