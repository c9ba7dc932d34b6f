"""Whether a backup agrees with itself: what a restore asks before it changes anything."""

from __future__ import annotations

from collections.abc import Iterable

from arbiter.orchestrator.agents.errors import BackupInvalid
from arbiter.orchestrator.agents.models import Backup

__all__ = ["ensure_consistent"]


def ensure_consistent(backup: Backup) -> None:
    """Raise BackupInvalid, naming the first field that repeats an earlier one or names an agent that is not there."""
    known: set[str] = set()
    for number, record in enumerate(backup.agents):
        if record.id in known:
            raise BackupInvalid(f"agents.{number}.id", f"repeats {record.id}")
        known.add(record.id)
    _ensure_distinct("history", known, [(item.agent_id, item.key) for item in backup.history])
    versions = [(item.agent_id, str(item.version)) for item in backup.capability_versions]
    _ensure_distinct("capability_versions", known, versions)


def _ensure_distinct(field: str, known: set[str], pairs: Iterable[tuple[str, str]]) -> None:
    seen: set[tuple[str, str]] = set()
    for number, (agent_id, key) in enumerate(pairs):
        if agent_id not in known:
            raise BackupInvalid(
                f"{field}.{number}.agent_id", f"names {agent_id}, which is not among the agents"
            )
        if key and (agent_id, key) in seen:
            raise BackupInvalid(f"{field}.{number}", f"repeats {key} of {agent_id}")
        seen.add((agent_id, key))
