"""Agents in the database. The only file of this room that knows SQLAlchemy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update

from arbiter.orchestrator.agents.averages import added
from arbiter.orchestrator.agents.contents import Added, Changed, Contents
from arbiter.orchestrator.agents.models import (
    AgentRecord,
    AgentStatus,
    BackupReport,
    BackupVersion,
    CapabilityVersion,
    RecordedReport,
    Tally,
)
from arbiter.orchestrator.storage.database import Database
from arbiter.orchestrator.storage.schema import agent_history, agents, capability_versions
from arbiter.orchestrator.storage.statements import insert_or_ignore
from arbiter.orchestrator.vocabulary import Capabilities, PerformanceReport

__all__ = ["AgentStore"]

# FOR UPDATE makes counting right when several instances share one PostgreSQL; SQLite has one writer and leaves it out.
_LOCKED = select(agents).where(agents.c.id == bindparam("agent_id")).with_for_update()
_HOW_MANY = select(func.count()).select_from(agents)
_CHANGED = update(agents).where(agents.c.id == bindparam("agent_id"))
_NEWEST = (
    select(agent_history)
    .where(agent_history.c.agent_id == bindparam("agent_id"))
    .order_by(agent_history.c.position.desc())
    .limit(bindparam("limit"))
)
_VERSIONS = (
    select(capability_versions)
    .where(capability_versions.c.agent_id == bindparam("agent_id"))
    .order_by(capability_versions.c.version)
)
_REPORT_FIELDS = tuple(PerformanceReport.model_fields)
_VERSION_FIELDS = tuple(CapabilityVersion.model_fields)


class AgentStore:
    """Keeps agents, their counted outcomes and the versions of their capabilities in `database`.

    What each method does is said in `contents.Store`; all raise StorageError and StorageUnavailable.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self) -> Sequence[AgentRecord]:
        """All agents."""
        return await self._database.read(_all_agents)

    async def add(self, record: AgentRecord, *, at_most: int, then: Callable[[Added], None]) -> Added:
        """Add an agent, unless its id is taken or `at_most` agents exist."""

        def work(connection: Connection) -> Added:
            if connection.execute(_HOW_MANY).scalar_one() >= at_most:
                return Added.FULL if _locked(connection, record.id) is None else Added.EXISTS
            if connection.execute(insert_or_ignore(connection, agents), _row_of_agent(record)).rowcount == 0:
                return Added.EXISTS
            first = CapabilityVersion(version=1, changed_at=record.registered_at, new=record.capabilities)
            connection.execute(insert(capability_versions), _row_of_version(record.id, first))
            return Added.ADDED

        return await self._database.write(work, then=then)

    async def remove(self, agent_id: str, *, then: Callable[[bool], None]) -> bool:
        """Remove an agent and its past; False when there is no such agent."""

        def work(connection: Connection) -> bool:
            return connection.execute(delete(agents).where(agents.c.id == agent_id)).rowcount > 0

        return await self._database.write(work, then=then)

    async def count(
        self,
        agent_id: str,
        report: PerformanceReport,
        *,
        key: str,
        at: datetime,
        registered_at: datetime | None,
        then: Changed,
    ) -> AgentRecord | None:
        """Add one outcome to the agent's history and sums; the same non-empty key counts once."""

        def work(connection: Connection) -> AgentRecord | None:
            record = _locked(connection, agent_id)
            if record is None or registered_at not in {None, record.registered_at}:
                return None
            row = _row_of_report(agent_id, RecordedReport(report=report, key=key, recorded_at=at))
            if connection.execute(insert_or_ignore(connection, agent_history), row).rowcount == 0:
                return record
            tally = added(record.tally, report)
            connection.execute(_CHANGED, {"agent_id": agent_id, "last_active_at": at, **tally.model_dump()})
            return record.model_copy(update={"tally": tally, "last_active_at": at})

        return await self._database.write(work, then=then)

    async def touch(
        self, agent_id: str, *, at: datetime, status: AgentStatus | None, then: Changed
    ) -> AgentRecord | None:
        """Note that the agent was active, and its new status where there is one."""

        def work(connection: Connection) -> AgentRecord | None:
            record = _locked(connection, agent_id)
            if record is None:
                return None
            changes = {"last_active_at": at, "status": status or record.status}
            connection.execute(_CHANGED, {"agent_id": agent_id, **changes})
            return record.model_copy(update=changes)

        return await self._database.write(work, then=then)

    async def change_capabilities(
        self, agent_id: str, capabilities: Capabilities, *, by: str, at: datetime, then: Changed
    ) -> AgentRecord | None:
        """Replace the agent's capabilities and keep a version of the change; the same again makes no version."""

        def work(connection: Connection) -> AgentRecord | None:
            record = _locked(connection, agent_id)
            if record is None or record.capabilities == capabilities:
                return record
            changes = {"last_active_at": at, "capabilities": capabilities.model_dump(mode="json")}
            connection.execute(_CHANGED, {"agent_id": agent_id, **changes})
            latest = select(func.max(capability_versions.c.version)).where(
                capability_versions.c.agent_id == agent_id
            )
            number = (connection.execute(latest).scalar() or 0) + 1
            version = CapabilityVersion(
                version=number, changed_at=at, changed_by=by, old=record.capabilities, new=capabilities
            )
            connection.execute(insert(capability_versions), _row_of_version(agent_id, version))
            return record.model_copy(update={"last_active_at": at, "capabilities": capabilities})

        return await self._database.write(work, then=then)

    async def history(
        self, agent_id: str, limit: int
    ) -> tuple[Sequence[RecordedReport], Sequence[CapabilityVersion]]:
        """The newest `limit` outcomes, newest first, and all versions of the capabilities, oldest first."""

        def work(connection: Connection) -> tuple[Sequence[RecordedReport], Sequence[CapabilityVersion]]:
            reports = connection.execute(_NEWEST, {"agent_id": agent_id, "limit": limit})
            versions = connection.execute(_VERSIONS, {"agent_id": agent_id})
            return (
                [RecordedReport(**_report_of_row(row)) for row in reports],
                [CapabilityVersion(**_version_of_row(row)) for row in versions],
            )

        return await self._database.read(work)

    async def export(self) -> Contents:
        """Everything, as of one moment: one read transaction."""

        def work(connection: Connection) -> Contents:
            reports = connection.execute(select(agent_history).order_by(agent_history.c.position))
            versions = connection.execute(
                select(capability_versions).order_by(
                    capability_versions.c.agent_id, capability_versions.c.version
                )
            )
            return Contents(
                _all_agents(connection),
                [BackupReport(agent_id=row.agent_id, **_report_of_row(row)) for row in reports],
                [BackupVersion(agent_id=row.agent_id, **_version_of_row(row)) for row in versions],
            )

        return await self._database.read(work)

    async def replace(self, contents: Contents, *, then: Callable[[None], None]) -> None:
        """Hold `contents` and nothing else, all at once or not at all."""

        def work(connection: Connection) -> None:
            connection.execute(delete(agents))  # history and versions go with their agents
            if contents.agents:
                connection.execute(insert(agents), [_row_of_agent(record) for record in contents.agents])
            if contents.history:
                rows = [_row_of_report(report.agent_id, report) for report in contents.history]
                connection.execute(insert(agent_history), rows)
            if contents.versions:
                rows = [_row_of_version(version.agent_id, version) for version in contents.versions]
                connection.execute(insert(capability_versions), rows)

        await self._database.write(work, then=then)

    async def ping(self) -> None:
        """Raise when the database does not answer."""
        await self._database.check()


def _all_agents(connection: Connection) -> Sequence[AgentRecord]:
    return [_agent_of_row(row) for row in connection.execute(select(agents).order_by(agents.c.id))]


def _locked(connection: Connection, agent_id: str) -> AgentRecord | None:
    row = connection.execute(_LOCKED, {"agent_id": agent_id}).first()
    return None if row is None else _agent_of_row(row)


def _row_of_agent(record: AgentRecord) -> dict[str, Any]:
    row = record.model_dump(exclude={"capabilities", "tally"})
    return {**row, "capabilities": record.capabilities.model_dump(mode="json"), **record.tally.model_dump()}


def _agent_of_row(row: Row[Any]) -> AgentRecord:
    fields = dict(row._mapping)
    tally = Tally(**{name: fields.pop(name) for name in Tally.model_fields})
    return AgentRecord(**fields, tally=tally)


def _row_of_report(agent_id: str, recorded: RecordedReport) -> dict[str, Any]:
    return {
        **recorded.report.model_dump(),
        "agent_id": agent_id,
        "key": recorded.key or None,
        "recorded_at": recorded.recorded_at,
    }


def _report_of_row(row: Row[Any]) -> dict[str, Any]:
    report = PerformanceReport(**{name: getattr(row, name) for name in _REPORT_FIELDS})
    return {"report": report, "key": row.key or "", "recorded_at": row.recorded_at}


def _row_of_version(agent_id: str, version: CapabilityVersion) -> dict[str, Any]:
    return {
        "agent_id": agent_id,
        "version": version.version,
        "changed_at": version.changed_at,
        "changed_by": version.changed_by,
        "old": None if version.old is None else version.old.model_dump(mode="json"),
        "new": version.new.model_dump(mode="json"),
    }


def _version_of_row(row: Row[Any]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _VERSION_FIELDS}
