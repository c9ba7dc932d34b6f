"""What is given beside a spec: a policy, waivers, the change, reports, files; and the moment to judge at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from arbiter.orchestrator.caws.change import Change
from arbiter.orchestrator.caws.contracts import Files

__all__ = ["Attachment", "Evidence"]


@dataclass(frozen=True, slots=True)
class Attachment:
    """One file that was given: what findings call it, and its content."""

    name: str
    content: bytes | str


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that a spec is held against besides its rules. Nothing given means that only the spec is judged.

    Attributes:
        policy: the project's policy file; the release's own stands in where it is missing.
        waivers: files of waivers; None where waivers were not looked for.
        change: what the change touches.
        reports: of other tools, in any order.
        files: where the contracts are looked up.
        required: gates that fail where there is nothing to judge them by.
        now: the moment that expiry is held against; the clock's where it is None.
    """

    policy: Attachment | None = None
    waivers: tuple[Attachment, ...] | None = None
    change: Change | None = None
    reports: tuple[Attachment, ...] = ()
    files: Files | None = None
    required: frozenset[str] = frozenset()
    now: datetime | None = None
