"""The rules `caws-12`: what release 12.0.0 says of one spec (`caws specs validate`): its shape, then its sense.

Ported from tag caws-cli-v12.0.0, `packages/caws-cli/src/kernel/spec/`. A finding's code is the release's own rule id, which
it promises to keep. As there, the sense is judged only where the shape holds, and YAML is read by the core schema.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from arbiter.orchestrator.caws import caws12_succession as succession
from arbiter.orchestrator.caws.caws12_shape import ID_PATTERN, MODES, Breach, breaches
from arbiter.orchestrator.caws.document import Document
from arbiter.orchestrator.caws.javascript import trimmed
from arbiter.orchestrator.caws.models import Finding

__all__ = ["RULES", "SOURCE"]

SOURCE: Final = "CAWS 12.0.0, spec.v1 and its semantic rules"

_FORBIDDEN: Final = {
    "change_budget": ("change_budget", "Take it out: budgets come from the policy's risk tiers."),
    "acceptance_criteria": ("acceptance_criteria", "Call it acceptance."),
    "include": ("scope_include", "Call it scope.in."),
    "exclude": ("scope_exclude", "Call it scope.out."),
    "status": ("status", "Call it lifecycle_state: draft, active, closed or archived."),
}

_VIOLATION: Final = "spec.schema.violation"
_OWN_RULES: Final = {
    ("enum", ("mode",)): ("mode.development_removed", f"Choose {', '.join(MODES)}."),
    ("type", ("risk_tier",)): ("risk_tier.type_rejected", "Write 1, 2 or 3, without quotes."),
    ("enum", ("risk_tier",)): ("risk_tier.out_of_range", "Write 1, 2 or 3."),
    ("minItems", ("scope", "in")): ("scope.in_empty", "Name at least one path."),
    ("not", ("scope", "out")): ("scope.out_glob_forbidden", "Name directories only, without * and ?."),
    ("pattern", ("id",)): (
        "id.pattern_violation",
        f"Write it as {ID_PATTERN}, such as FOO-1 or CAWSFIX-31a.",
    ),
}
"""Breaches that have a rule id of their own, by keyword and the path's beginning."""

_WORDS: Final = {
    "additionalProperties": "Unknown field {name!r} is not permitted",
    "required": "Missing required field {name!r}",
    "enum": "Value is none of {value}",
    "type": "Expected {value}",
    "minItems": "Must have at least {value} item(s)",
    "minLength": "Must not be empty",
    "maxLength": "Must not be longer than {value} characters",
    "pattern": "Does not match {value}",
    "format": "Is no date and time with a zone, such as 2026-12-31T23:59:59Z",
    "not": "Holds a glob character (* or ?)",
}


def _shape_and_sense(document: Document) -> Iterator[Finding]:
    found = list(breaches(document.data))
    if found:
        yield from (_told(document, breach) for breach in found)
        return
    for rule in _SEMANTIC:
        yield from rule(document)


def _told(document: Document, breach: Breach) -> Finding:
    code, hint = _rule_of(breach)
    return document.finding(code, breach.path, _words(breach), hint)


def _rule_of(breach: Breach) -> tuple[str, str]:
    """The release's rule id and the mend."""
    keyword, path = breach.keyword, breach.path
    name = path[-1] if path else ""
    if keyword == "additionalProperties" and name in _FORBIDDEN:
        rule, hint = _FORBIDDEN[name]
        return f"spec.schema.forbidden_field.{rule}", hint
    if (keyword, path[:2]) in _OWN_RULES:
        rule, hint = _OWN_RULES[keyword, path[:2]]
        return f"spec.schema.{rule}", hint
    if keyword == "additionalProperties":
        return _VIOLATION, "Take it out: no other keys may stand here."
    return _VIOLATION, f"Add the key {name}." if keyword == "required" else "See docs/caws.md for the shape."


def _words(breach: Breach) -> str:
    value: Any = ", ".join(map(str, breach.value)) if isinstance(breach.value, list) else breach.value
    words = _WORDS.get(breach.keyword, "Breaks " + breach.keyword)
    return words.format(name=breach.path[-1][:60] if breach.path else "", value=value)


def _contracts(document: Document) -> Iterator[Finding]:
    data: Any = document.data
    if data["mode"] != "chore" and data["risk_tier"] in (1, 2) and not data["contracts"]:
        tier = int(data["risk_tier"])
        message = f"Tier {tier} specs require at least one contract."
        hint = "Add a contract, or change risk_tier to 3 or mode to chore."
        code = f"spec.semantic.tier{tier}.contracts_required"
        yield document.finding(code, ("contracts",), message, hint)


def _tier_1(document: Document) -> Iterator[Finding]:
    data: Any = document.data
    if data["risk_tier"] != 1:
        return
    asked = (
        ("observability", ("observability",), data.get("observability")),
        ("rollback", ("rollback",), data.get("rollback")),
        ("security", ("non_functional", "security"), data["non_functional"].get("security")),
    )
    for name, path, value in asked:
        if not value:
            message = f"Tier 1 specs require non-empty {'.'.join(path)}."
            yield document.finding(
                f"spec.semantic.tier1.{name}_required", path, message, "Add at least one entry."
            )


def _experiment(document: Document) -> Iterator[Finding]:
    data: Any = document.data
    if "experimental_mode" in data and data["risk_tier"] != 3:
        code, message = (
            "spec.semantic.experimental_mode.tier_restricted",
            "experimental_mode is only valid on Tier 3 specs.",
        )
        yield document.finding(
            code, ("experimental_mode",), message, "Take it out, or change risk_tier to 3."
        )


def _resolution(document: Document) -> Iterator[Finding]:
    data: Any = document.data
    state, resolved = data["lifecycle_state"], "resolution" in data
    is_closed = state in ("closed", "archived")
    if resolved and not is_closed:
        message = f"resolution is only valid when lifecycle_state is closed or archived (got {state})."
        code, hint = "spec.semantic.resolution.requires_closure", "Take it out, or close the spec."
        yield document.finding(code, ("resolution",), message, hint)
    if is_closed and not resolved:
        message = f"{state} specs must record a resolution."
        code, hint = "spec.semantic.closed.resolution_required", "Choose completed, superseded or abandoned."
        yield document.finding(code, ("resolution",), message, hint)
    if data.get("supersedes") == data["id"]:
        message, hint = "A spec cannot supersede itself.", "Name the other spec."
        yield document.finding("spec.semantic.supersedes.self_reference", ("supersedes",), message, hint)


def _overbroad_out(document: Document) -> Iterator[Finding]:
    """An entry of `scope.out` stands above one that is admitted, which it would refuse."""
    scope: Any = document.data["scope"]
    for index, outside in enumerate(scope.get("out", ())):
        for surface in ("in", "support"):
            for inside in scope.get(surface, ()):
                if _stands_above(_without_slash(outside), _without_slash(inside)):
                    message = f"scope.out entry {outside!r} shadows scope.{surface} entry {inside!r}"
                    hint = "Narrow the entry of scope.out, or take it out."
                    path = ("scope", "out", str(index))
                    yield document.finding("spec.semantic.scope.overbroad_out", path, message, hint)


def _without_slash(path: str) -> str:
    return path[:-1] if len(path) > 1 and path.endswith("/") else path


def _stands_above(prefix: str, path: str) -> bool:
    return path.startswith(prefix + "/")


def _evidence(document: Document) -> Iterator[Finding]:
    data: Any = document.data
    declared = [criterion["id"] for criterion in data["acceptance"]]
    for index, entry in enumerate(data.get("evidence", ())):
        path, named = ("evidence", str(index)), entry["criterion_id"]
        if named not in declared:
            message = f"evidence[{index}].criterion_id {named!r} does not match any declared acceptance[].id."
            code, hint = (
                "spec.semantic.evidence.criterion_id_unknown",
                f"Declared: {', '.join(declared)[:200]}.",
            )
            yield document.finding(code, (*path, "criterion_id"), message, hint)
        if entry["status"] == "waived" and not trimmed(entry.get("waiver_reason", "")):
            message = f"evidence[{index}] has status 'waived' but no waiver_reason."
            code, hint = "spec.semantic.evidence.waiver_reason_required", "Say why it is waived."
            yield document.finding(code, (*path, "waiver_reason"), message, hint)


_SEMANTIC: Final[tuple[Callable[[Document], Iterable[Finding]], ...]] = (
    _contracts,
    _tier_1,
    _experiment,
    _resolution,
    succession.rules,
    _overbroad_out,
    _evidence,
)
RULES: Final = (_shape_and_sense,)
