"""Waivers: the shapes in use, made one, and what each is worth at a moment.

Recognised are (a) the schema of release 3.4.0 (`applies_to`, `reason_code`, approvers with handles), (b) the shape of its
command line and of release 8 (`title`, `reason`, approvers as text or `approved_by`), which release 12 kept, and (c) map
files (`active-waivers.yaml`), by id, also with `gate`, `owner` and `expiry` as the schema of the template has them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from arbiter.orchestrator.caws.document import Document, read
from arbiter.orchestrator.caws.javascript import Plain
from arbiter.orchestrator.caws.models import Finding, NotAMapping, Severity, Standing
from arbiter.orchestrator.caws.places import in_file, unreadable

__all__ = ["GATES", "Waiver", "standing", "waivers_from"]

GATES: Final = (
    "budget_limit",
    "scope_boundary",
    "coverage_threshold",
    "mutation_threshold",
    "test_results",
    "security_scan",
    "contract_compliance",
)
"""Gates that a waiver can lift. Completeness is none: without a whole spec there is nothing to hold a change to."""

_UNJUDGED: Final = frozenset({"spec_completeness", "accessibility_check", "performance_budget", "god_object"})
_ALIASES: Final = {
    "budget": "budget_limit",
    "file_count": "budget_limit",
    "loc_count": "budget_limit",
    "scope": "scope_boundary",
    "coverage": "coverage_threshold",
    "mutation": "mutation_threshold",
    "tests": "test_results",
    "security": "security_scan",
    "contracts": "contract_compliance",
    "a11y": "accessibility_check",
    "perf": "performance_budget",
}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?")


@dataclass(frozen=True, slots=True)
class Waiver:
    """One waiver, whatever shape it was written in.

    Attributes:
        id: such as WV-0001.
        file: where it is written.
        place: line and column there.
        gates: what it may lift, by the policy's names.
        status: active, proposed, revoked, ...
        expires_at: the moment from which it is worth nothing; None where none is stated, which makes it malformed.
        approvers: who approved it.
        max_files: files that it adds to the budget.
        max_loc: lines that it adds.
        applies_to: ids of the specs that it is for; empty where it names none.
        paths: entries that a waiver of scope is for; empty means every path.
        reason: why it was granted.
        faults: what makes it malformed.
    """

    id: str
    file: str
    place: tuple[int, int]
    gates: tuple[str, ...]
    status: str
    expires_at: datetime | None
    approvers: tuple[str, ...]
    max_files: int = 0
    max_loc: int = 0
    applies_to: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    reason: str = ""
    faults: tuple[str, ...] = ()

    def finding(self, code: str, message: str, hint: str, severity: Severity = Severity.ERROR) -> Finding:
        """A finding about this waiver."""
        line, column = self.place
        return Finding(
            code=code,
            severity=severity,
            path="",
            line=line,
            column=column,
            message=message,
            hint=hint,
            file=self.file,
        )


def standing(waiver: Waiver, spec_id: str, approvers: int, now: datetime) -> tuple[Standing, str]:
    """What the waiver is worth for a spec at a moment, and why.

    Args:
        waiver: the waiver.
        spec_id: the id of the spec that wants it.
        approvers: how many the policy asks for.
        now: the moment; from `expires_at` on the waiver is worth nothing.
    """
    expires = waiver.expires_at
    worth, reason = Standing.VALID, waiver.reason
    if waiver.faults or expires is None:
        worth, reason = Standing.MALFORMED, "; ".join(waiver.faults) or "it has no expires_at"
    elif waiver.applies_to and spec_id not in waiver.applies_to:
        worth = Standing.MISPLACED
        reason = f"it is for {', '.join(waiver.applies_to)[:100]}, not for {spec_id[:100]}"
    elif waiver.status in ("revoked", "rejected"):
        worth, reason = Standing.REVOKED, f"its status is {waiver.status}"
    elif waiver.status == "expired" or expires <= now:
        worth, reason = Standing.EXPIRED, f"it expired at {expires.isoformat()}"
    elif waiver.status not in ("active", "approved"):
        worth, reason = Standing.UNAPPROVED, f"its status is {waiver.status[:40]}"
    elif len(waiver.approvers) < approvers:
        worth = Standing.UNAPPROVED
        reason = f"{len(waiver.approvers)} approver(s), and the policy asks for {approvers}"
    return worth, reason


def waivers_from(source: bytes | str, name: str) -> tuple[tuple[Waiver, ...], tuple[Finding, ...]]:
    """The waivers in a file, one or a map of them, and what is wrong with the file itself.

    Args:
        source: the file's content, YAML or JSON.
        name: what findings call the file.
    """
    try:
        document = read(source)
    except NotAMapping as error:
        return (), (unreadable("waiver-unreadable", name, error),)
    found = tuple(_Reader(document, name).waivers())
    return found, tuple(in_file(fault, name) for fault in document.faults)


class _Reader:
    """Takes waivers out of a document."""

    def __init__(self, document: Document, name: str) -> None:
        self._document, self._name = document, name

    def waivers(self) -> Iterator[Waiver]:
        data = self._document.data
        if not data.keys().isdisjoint(("gates", "gate", "id")):
            yield self._waiver(data, (), str(data.get("id", "")))
            return
        path, listed = (("waivers",), data["waivers"]) if "waivers" in data else ((), data)
        entries = enumerate(listed) if isinstance(listed, list) else _mapping(listed).items()
        for key, written in entries:
            if isinstance(written, dict):
                yield self._waiver(written, (*path, str(key)), str(written.get("id", key)))

    def _waiver(self, written: dict[str, Plain], path: tuple[str, ...], waiver_id: str) -> Waiver:
        faults: list[str] = []
        expires = _moment(written.get("expires_at", written.get("expiry")))
        if expires is None:
            faults.append("expires_at is no date and time")
        gates = _gates(written.get("gates", written.get("gate")), faults)
        scope = _mapping(written.get("scope"))
        return Waiver(
            id=waiver_id[:100],
            file=self._name,
            place=self._document.place(path),
            gates=gates,
            status=_said(written, "status") or "active",
            expires_at=expires,
            approvers=_approvers(written),
            max_files=_delta(written, "max_files", faults),
            max_loc=_delta(written, "max_loc", faults),
            applies_to=(
                *_texts(written.get("applies_to")),
                *_texts(scope.get("spec_id")),
                *_texts(written.get("projects")),
            ),
            paths=_texts(scope.get("paths")),
            reason=(_said(written, "title") or _said(written, "reason_code") or _said(written, "reason"))[
                :200
            ],
            faults=tuple(faults),
        )


def _approvers(written: dict[str, Plain]) -> tuple[str, ...]:
    """Each once: one person twice is one approver."""
    listed = written.get("approvers")
    if not isinstance(listed, list) or not listed:
        listed = [written.get("approved_by", written.get("approver"))]
        listed = listed[0] if isinstance(listed[0], list) else listed
    names = (entry.get("handle") if isinstance(entry, dict) else entry for entry in listed)
    return tuple(
        dict.fromkeys(name.strip()[:100] for name in names if isinstance(name, str) and name.strip())
    )


def _delta(written: dict[str, Plain], name: str, faults: list[str]) -> int:
    value = _mapping(written.get("delta")).get(name)
    if value is None:
        return 0
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    faults.append(f"delta.{name} is no whole number from 0")
    return 0


def _gates(value: Plain, faults: list[str]) -> tuple[str, ...]:
    gates = tuple(dict.fromkeys(_ALIASES.get(gate, gate) for gate in _texts(value)))
    if not gates:
        faults.append("it names no gates")
    elif not any(gate in GATES or gate in _UNJUDGED for gate in gates):
        faults.append(f"none of its gates is known ({', '.join(gates)[:80]})")
    return gates


def _moment(value: Plain) -> datetime | None:
    """A date is midnight at its beginning, and what has no zone is UTC, as in JavaScript's `new Date`."""
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    try:
        return found.astimezone(UTC)
    except OverflowError:
        return found.replace(tzinfo=UTC)


def _said(written: dict[str, Plain], name: str) -> str:
    value = written.get(name)
    return value.strip() if isinstance(value, str) else ""


def _mapping(value: Plain) -> dict[str, Plain]:
    return value if isinstance(value, dict) else {}


def _texts(value: Plain) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [value]
    return tuple(entry for entry in listed if isinstance(entry, str) and entry)
