"""The rules that the CAWS command lines of releases 3.4.0 and 8.0.0 share.

They are those of Paths-Design/coding-agent-working-standard, `packages/caws-cli/src/validation/spec-validation.js`. It is
JavaScript, and some of its verdicts come from that alone; they are kept, and each is accompanied by a warning of ours
that says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
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
from arbiter.orchestrator.caws.models import Finding, Severity

__all__ = [
    "REQUIRED",
    "guarded",
    "id_format",
    "javascript_emptiness",
    "javascript_lists",
    "javascript_tier",
    "nothing_said",
    "required_fields",
    "scope_in",
    "tier_range",
    "unknown_mode",
    "waiver_ids",
    "waivers",
    "warning",
]

REQUIRED: Final[Mapping[str, str]] = MappingProxyType(
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


def waivers(document: Document) -> tuple[str, ...]:
    """The waiver ids of the right form that the document names, each once."""
    named = document.data.get("waiver_ids")
    ids = named if isinstance(named, list) else []
    return tuple(dict.fromkeys(i for i in ids if isinstance(i, str) and _WAIVER_ID.fullmatch(i)))


def required_fields(document: Document) -> Iterator[Finding]:
    """Each of the eleven keys is truthy."""
    for name, hint in REQUIRED.items():
        if falsy(document.data.get(name, UNDEFINED)):
            yield document.finding("missing-field", (name,), f"Missing required field: {name}", hint)


def id_format(document: Document) -> Iterator[Finding]:
    """The id is capitals, a dash, digits."""
    spec_id = document.data.get("id", UNDEFINED)
    if falsy(spec_id) or _ID.fullmatch(text(spec_id)):
        return
    message = "Project ID should be in format: PREFIX-NUMBER (e.g., FEAT-1234)"
    yield document.finding("id-format", ("id",), message, REQUIRED["id"])


def tier_range(document: Document) -> Iterator[Finding]:
    """The tier compares neither below 1 nor above 3."""
    tier = document.data.get("risk_tier", UNDEFINED)
    if tier is UNDEFINED or not (number(tier) < 1 or number(tier) > 3):
        return
    hint = "Tier 1 is critical (authentication, billing), 2 standard (features), 3 low risk (user interface)."
    yield document.finding("risk-tier-range", ("risk_tier",), "Risk tier must be 1, 2, or 3", hint)


def scope_in(document: Document) -> Iterator[Finding]:
    """`scope.in` is there and its length is not 0."""
    inside = prop(document.data.get("scope"), "in")
    if falsy(inside) or same(length(inside), 0):
        hint = "Name the directories and files that belong to the change."
        yield document.finding("scope-in-empty", ("scope", "in"), "Scope IN must not be empty", hint)


def nothing_said(document: Document) -> Iterator[Finding]:
    """Invariants and acceptance criteria are missed, with a warning."""
    for name, message in (
        ("invariants", "No system invariants defined"),
        ("acceptance", "No acceptance criteria defined"),
    ):
        value = document.data.get(name, UNDEFINED)
        if falsy(value) or same(length(value), 0):
            yield warning(document, f"no-{name}", (name,), message, REQUIRED[name])


def waiver_ids(document: Document) -> Iterator[Finding]:
    """Waivers are named in a list, as WV and four digits."""
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


def javascript_tier(document: Document) -> Iterator[Finding]:
    """Ours: a tier that is no number passes the range check or skips the checks of its tier."""
    tier = document.data.get("risk_tier", UNDEFINED)
    if falsy(tier) or any(same(tier, n) for n in (1, 2, 3)) or next(iter(tier_range(document)), None):
        return
    message = f"risk_tier {_shown(tier)} is not the number 1, 2 or 3; the real validator lets it pass and skips the checks of its tier"
    yield warning(
        document, "risk-tier-no-number", ("risk_tier",), message, "Write 1, 2 or 3, without quotes."
    )


def javascript_emptiness(document: Document) -> Iterator[Finding]:
    """Ours: an empty list or mapping counts as present."""
    for name in REQUIRED:
        value = document.data.get(name)
        if isinstance(value, list | dict) and not value and name not in _WARNED_WHEN_EMPTY:
            message = f"{name} is there but empty; the real validator counts that as present"
            yield warning(document, "present-but-empty", (name,), message, REQUIRED[name])


def javascript_lists(document: Document) -> Iterator[Finding]:
    """Ours: what should be a list is something else, and only its length was asked for."""
    scope = document.data.get("scope")
    expected: list[tuple[tuple[str, ...], Plain]] = [(("scope", "in"), prop(scope, "in"))]
    expected += [((name,), document.data.get(name)) for name in ("invariants", "acceptance", "contracts")]
    for path, value in expected:
        if not falsy(value) and not isinstance(value, list):
            message = f"{'.'.join(path)} is no list; the real validator does not look"
            yield warning(
                document, "no-list", path, message, "Write a list, one entry a line, each after a dash."
            )


def unknown_mode(document: Document) -> Iterator[Finding]:
    """Ours: the release does not check the mode's value."""
    mode = document.data.get("mode")
    if not falsy(mode) and mode not in _MODES:
        message = f"mode {_shown(mode)} is none of {', '.join(_MODES)}; the real validator does not look"
        yield warning(document, "mode-unknown", ("mode",), message, REQUIRED["mode"])


def guarded(rule: Callable[[Document], Iterable[Finding]]) -> Callable[[Document], Iterable[Finding]]:
    """The rule, with JavaScript's exception as the finding that the original makes of it."""

    def judged(document: Document) -> Iterator[Finding]:
        try:
            yield from rule(document)
        except NotPrimitive as error:
            hint = "Rename the key toString: it hides what JavaScript would call."
            yield document.finding("validation-error", (), f"Validation error: {error}", hint)

    return judged


def _shown(value: Plain) -> str:
    return repr(value)[:60] if isinstance(value, str | int | float) else type(value).__name__


def warning(document: Document, code: str, path: tuple[str, ...], message: str, hint: str) -> Finding:
    """A finding that decides nothing."""
    return document.finding(code, path, message, hint, Severity.WARNING)
