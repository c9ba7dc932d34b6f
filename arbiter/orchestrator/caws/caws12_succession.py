"""Release 12's rules on `successors`: what a spec hands on, and to whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from arbiter.orchestrator.caws.document import Document
from arbiter.orchestrator.caws.javascript import trimmed
from arbiter.orchestrator.caws.models import Finding

__all__ = ["rules"]


def rules(document: Document) -> Iterator[Finding]:
    """Each entry says enough, and points at another spec, which no other entry points at."""
    data: Any = document.data
    seen: dict[str, int] = {}
    for index, entry in enumerate(data.get("successors", ())):
        path, target = ("successors", str(index)), entry["target_spec_id"]
        yield from _said_enough(document, path, entry)
        yield from _points_elsewhere(document, path, entry, data["id"])
        if target in seen:
            message = f"Successor {target!r} is declared more than once (entries {seen[target]} and {index})."
            yield _finding(
                document,
                "duplicate_target",
                (*path, "target_spec_id"),
                message,
                "Make one entry of the two.",
            )
        else:
            seen[target] = index


def _said_enough(document: Document, path: tuple[str, ...], entry: dict[str, str]) -> Iterator[Finding]:
    target, decision, rationale = entry["target_spec_id"], entry["disposition"], entry.get("rationale")
    if decision == "declined" and (rationale is None or not trimmed(rationale)):
        message = f"Successor {target!r} has disposition 'declined' but no rationale."
        hint = "Say why no successor is needed."
        yield _finding(document, "declined_rationale_required", (*path, "rationale"), message, hint)
    if decision == "absorbed" and "absorbed_by" not in entry:
        message = f"Successor {target!r} has disposition 'absorbed' but no absorbed_by."
        hint = "Name the spec that took the work on."
        yield _finding(document, "absorbed_by_required", (*path, "absorbed_by"), message, hint)
    if rationale is not None and not trimmed(rationale):
        message = f"Successor {target!r} has a whitespace-only rationale."
        yield _finding(
            document, "rationale_empty", (*path, "rationale"), message, "Write it, or take it out."
        )


def _points_elsewhere(
    document: Document, path: tuple[str, ...], entry: dict[str, str], spec_id: str
) -> Iterator[Finding]:
    target, taker = entry["target_spec_id"], entry.get("absorbed_by")
    hint = "Name another spec."
    if target == spec_id:
        message = "A spec cannot be its own successor."
        yield _finding(document, "self_reference", (*path, "target_spec_id"), message, hint)
    if taker == spec_id:
        message = "A spec cannot absorb its own successor obligation."
        yield _finding(document, "absorbed_by_self_reference", (*path, "absorbed_by"), message, hint)
    if taker == target:
        message = f"Successor {target!r} is absorbed by itself, which asserts nothing."
        yield _finding(document, "absorbed_by_equals_target", (*path, "absorbed_by"), message, hint)


def _finding(document: Document, rule: str, path: tuple[str, ...], message: str, hint: str) -> Finding:
    return document.finding(f"spec.semantic.successor.{rule}", path, message, hint)
