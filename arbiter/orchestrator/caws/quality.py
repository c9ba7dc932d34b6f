"""The rules `arbiter`: the quality rules that component 003's own rule engine names, SCOPE-001 to NONFUNC-001.

An additional set: each finding carries the severity that the rule has there, and only `high` fails a spec. Nothing is taken
for granted about a value's type, so a mapping where a list belongs is a finding and never an exception.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from arbiter.orchestrator.caws.document import Document
from arbiter.orchestrator.caws.javascript import Plain
from arbiter.orchestrator.caws.models import Finding, Severity

__all__ = ["RULES", "SOURCE"]

SOURCE: Final = "quality rules of ARBITER-003"

_EVERYTHING: Final = frozenset({"/", "/*", "./", ".", "./*", "*", "**", "**/*", "/**"})
_NEVER_SOURCE: Final = ("node_modules", ".git", "dist", "build")
_SENSITIVE: Final = ("auth", "billing", "security", "database")
_SLOS: Final = ("1m", "5m", "15m", "1h", "4h", "24h")
_CONTRACT_TYPES: Final = ("openapi", "swagger", "graphql", "protobuf", "avro", "thrift")
_VAGUE = re.compile(r"\b(works|functions|is good|is correct)\b", re.IGNORECASE)
_SPECIFIC_A11Y = re.compile(
    r"wcag|aria|keyboard|contrast|screen.?reader|focus|axe|caption|alt.?text|zoom|\d", re.IGNORECASE
)


def _scope(document: Document) -> Iterator[Finding]:
    inside, path = _texts(_inner(document, "scope", "in")), ("scope", "in")
    if not inside:
        yield _say(document, "SCOPE-001", path, "scope.in is empty", "Name the paths that change.", "high")
    for index, entry in enumerate(inside):
        if entry.strip() in _EVERYTHING:
            message, hint = f"scope.in names everything ({entry!r})", "Name the directories that change."
            yield _say(document, "SCOPE-001", (*path, str(index)), message, hint, "high")
    for index, entry in enumerate(_texts(_inner(document, "scope", "out"))):
        named = next((name for name in _NEVER_SOURCE if name in entry.split("/")), None)
        if named is not None:
            message = f"scope.out names {named}, which is never part of a change"
            hint = "Take it out; name what a reader could think belongs to the change."
            yield _say(document, "SCOPE-001", ("scope", "out", str(index)), message, hint, "medium")


def _blast(document: Document) -> Iterator[Finding]:
    modules, path = _texts(_inner(document, "blast_radius", "modules")), ("blast_radius", "modules")
    if not modules:
        message, hint = "blast_radius.modules is empty", "Name the modules that the change can break."
        yield _say(document, "BLAST-001", path, message, hint, "high")
    if _inner(document, "blast_radius", "data_migration") is None:
        message, hint = "blast_radius does not say whether data is migrated", "Add data_migration: false."
        yield _say(document, "BLAST-001", ("blast_radius", "data_migration"), message, hint, "medium")
    said = " ".join(_texts(document.data.get("invariants"))).lower()
    if "justification" in said or "approved" in said:
        return
    for index, module in enumerate(modules):
        kind = next((word for word in _SENSITIVE if word in module.lower()), None)
        if kind is not None and kind not in said and module.lower() not in said:
            message = f"no invariant protects the sensitive module {module[:60]!r}"
            hint = f"Add an invariant that names {kind}, or a justification."
            yield _say(document, "BLAST-001", (*path, str(index)), message, hint, "medium")


def _rollback(document: Document) -> Iterator[Finding]:
    steps, is_tier_1 = _texts(document.data.get("rollback")), _tier(document) == 1
    if is_tier_1 and not steps:
        message, hint = "a change of tier 1 has no rollback", "List the steps back."
        yield _say(document, "ROLLBACK-001", ("rollback",), message, hint, "high")
    if document.data.get("operational_rollback_slo") not in _SLOS:
        message = f"operational_rollback_slo is none of {', '.join(_SLOS)}"
        yield _say(
            document, "ROLLBACK-001", ("operational_rollback_slo",), message, "Choose one of them.", "medium"
        )
    if steps and not any(re.search("test|verif|validat", step, re.IGNORECASE) for step in steps):
        message, hint = "no step of the rollback tests that it worked", "Add a step that verifies the state."
        yield _say(document, "ROLLBACK-001", ("rollback",), message, hint, "low")


def _acceptance(document: Document) -> Iterator[Finding]:
    criteria = document.data.get("acceptance")
    if not isinstance(criteria, list) or not criteria:
        message, hint = "there is no acceptance criterion", "Add one as id, given, when, then."
        yield _say(document, "ACCEPTANCE-001", ("acceptance",), message, hint, "high")
        return
    seen = Counter(_scalar(c.get("id")) for c in criteria if isinstance(c, dict) and "id" in c)
    for index, criterion in enumerate(criteria):
        path = ("acceptance", str(index))
        parts = criterion if isinstance(criterion, dict) else {}
        lacking = [name for name in ("id", "given", "when", "then") if not parts.get(name)]
        if lacking:
            message = f"the criterion lacks {', '.join(lacking)}"
            yield _say(document, "ACCEPTANCE-001", path, message, "Write given, when, then.", "high")
        if "id" in parts and (times := seen[_scalar(parts["id"])]) > 1:
            message = f"the id {_scalar(parts['id'])[:60]} stands {times} times"
            yield _say(document, "ACCEPTANCE-001", (*path, "id"), message, "Number them.", "medium")
        if _VAGUE.search(_scalar(parts.get("then"))):
            message, hint = "the outcome is vague", "Say what can be seen or measured."
            yield _say(document, "ACCEPTANCE-001", (*path, "then"), message, hint, "low")


def _contract(document: Document) -> Iterator[Finding]:
    contracts = document.data.get("contracts")
    listed = contracts if isinstance(contracts, list) else []
    if not listed and _tier(document) in (1, 2):
        message, hint = "a change of tier 1 or 2 has no contract", "Name the contract's type and path."
        yield _say(document, "CONTRACT-001", ("contracts",), message, hint, "high")
    for index, contract in enumerate(listed):
        path = ("contracts", str(index))
        parts = contract if isinstance(contract, dict) else {}
        lacking = [name for name in ("type", "path") if not parts.get(name)]
        if lacking:
            message = f"the contract lacks {', '.join(lacking)}"
            yield _say(document, "CONTRACT-001", path, message, "Add it.", "high")
        kind = parts.get("type")
        if kind and (not isinstance(kind, str) or kind.lower() not in _CONTRACT_TYPES):
            message = f"contract type {_scalar(kind)[:40]!r} is none of {', '.join(_CONTRACT_TYPES)}"
            yield _say(document, "CONTRACT-001", (*path, "type"), message, "Choose one of them.", "medium")


def _observability(document: Document) -> Iterator[Finding]:
    said = document.data.get("observability")
    if not said:
        if _tier(document) == 1:
            message, hint = "a change of tier 1 has no observability", "Say what is logged and measured."
            yield _say(document, "OBSERVABILITY-001", ("observability",), message, hint, "high")
        return
    parts = said if isinstance(said, dict) else {}
    lacking = [name for name in ("logs", "metrics", "alerts") if not parts.get(name)]
    if lacking:
        message = f"observability says nothing of {', '.join(lacking)}"
        yield _say(document, "OBSERVABILITY-001", ("observability",), message, "Add it.", "medium")


def _non_functional(document: Document) -> Iterator[Finding]:
    security = re.sub("[ _]", "-", " ".join(_texts(_inner(document, "non_functional", "security"))).lower())
    asked = ("input-validation", "authentication", "authorization")
    lacking = [name for name in asked if name not in security]
    if _tier(document) == 1 and lacking:
        message = f"security of a change of tier 1 lacks {', '.join(lacking)}"
        path = ("non_functional", "security")
        yield _say(document, "NONFUNC-001", path, message, "Say what is asked of each.", "high")
    perf = _inner(document, "non_functional", "perf")
    for name, least in (("api_p95_ms", 10), ("lcp_ms", 100)):
        value = perf.get(name) if isinstance(perf, dict) else None
        if isinstance(value, int | float) and not isinstance(value, bool) and value < least:
            message, hint = f"{name} below {least} is not realistic", "State what can be reached."
            yield _say(document, "NONFUNC-001", ("non_functional", "perf", name), message, hint, "medium")
    for index, need in enumerate(_texts(_inner(document, "non_functional", "a11y"))):
        if not _SPECIFIC_A11Y.search(need):
            message, hint = "the need of accessibility is not specific", "Name the guideline or the measure."
            yield _say(document, "NONFUNC-001", ("non_functional", "a11y", str(index)), message, hint, "low")


def _say(
    document: Document, code: str, path: tuple[str, ...], message: str, hint: str, severity: str
) -> Finding:
    return document.finding(code, path, message, hint, Severity(severity))


def _inner(document: Document, outer: str, name: str) -> Plain:
    within = document.data.get(outer)
    return within.get(name) if isinstance(within, dict) else None


def _texts(value: Plain) -> list[str]:
    """The scalars of a list or mapping as text, keys included; one text alone counts as a list of it."""
    match value:
        case list():
            entries: list[Plain] = value
        case dict():
            entries = [*value.keys(), *value.values()]
        case _:
            entries = [] if value is None or value == "" else [value]
    return [str(entry) for entry in entries if isinstance(entry, str | int | float)]


def _scalar(value: Plain) -> str:
    return str(value) if isinstance(value, str | int | float) else type(value).__name__


def _tier(document: Document) -> int:
    tier = _scalar(document.data.get("risk_tier"))
    return int(tier) if tier in ("1", "2", "3") else 0


RULES: Final = (_scope, _blast, _rollback, _acceptance, _contract, _observability, _non_functional)
