"""Agents, outcomes and versions of capabilities as rows of the database, and back."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Row

from arbiter.orchestrator.agents.models import CapabilityVersion, RecordedReport, StoredAgent, Tally
from arbiter.orchestrator.vocabulary import PerformanceReport

__all__ = [
    "agent_of_row",
    "report_of_row",
    "row_of_agent",
    "row_of_report",
    "row_of_version",
    "version_of_row",
]

_REPORT_FIELDS: Final = tuple(PerformanceReport.model_fields)
_VERSION_FIELDS: Final = tuple(CapabilityVersion.model_fields)


def row_of_agent(record: StoredAgent) -> dict[str, Any]:
    """The row of an agent, its capabilities as JSON and its sums in columns of their own."""
    row = record.model_dump(exclude={"capabilities", "tally"})
    return {**row, "capabilities": record.capabilities.model_dump(mode="json"), **record.tally.model_dump()}


def agent_of_row(row: Row[Any]) -> StoredAgent:
    """The agent of a row."""
    fields = dict(row._mapping)
    tally = Tally(**{name: fields.pop(name) for name in Tally.model_fields})
    return StoredAgent(**fields, tally=tally)


def row_of_report(agent_id: str, recorded: RecordedReport) -> dict[str, Any]:
    """The row of one counted outcome; no key is NULL, which is equal to no other."""
    return {
        **recorded.report.__dict__,
        "agent_id": agent_id,
        "key": recorded.key or None,
        "recorded_at": recorded.recorded_at,
    }


def report_of_row(row: Row[Any]) -> dict[str, Any]:
    """The fields of a counted outcome, with or without its agent."""
    # a backup has hundreds of thousands of them, each of which was looked at when it came
    report = PerformanceReport.trusted(**{name: getattr(row, name) for name in _REPORT_FIELDS})
    return {"report": report, "key": row.key or "", "recorded_at": row.recorded_at}


def row_of_version(agent_id: str, version: CapabilityVersion) -> dict[str, Any]:
    """The row of one version of an agent's capabilities."""
    return {
        "agent_id": agent_id,
        "version": version.version,
        "changed_at": version.changed_at,
        "changed_by": version.changed_by,
        "old": None if version.old is None else version.old.model_dump(mode="json"),
        "new": version.new.model_dump(mode="json"),
    }


def version_of_row(row: Row[Any]) -> dict[str, Any]:
    """The fields of a version, with or without its agent."""
    return {name: getattr(row, name) for name in _VERSION_FIELDS}
