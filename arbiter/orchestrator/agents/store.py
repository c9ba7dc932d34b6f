"""Agents in the database. With `store_rows.py` the only file of this room that knows SQLAlchemy."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from arbiter.orchestrator.agents.averages import added
from arbiter.orchestrator.agents.contents import Added, Changed, Contents
from arbiter.orchestrator.agents.models import (
    AgentRecord,
    AgentStatus,
    BackupReport,
    BackupVersion,
    CapabilityVersion,
    RecordedReport,
    StoredAgent,
)
from arbiter.orchestrator.agents.store_rows import (
    agent_of_row,
    report_of_row,
    row_of_agent,
    row_of_report,
    row_of_version,
    version_of_row,
)
from arbiter.orchestrator.storage.database import Database
from arbiter.orchestrator.storage.news import announce
from arbiter.orchestrator.storage.schema import agent_history, agents, capability_versions
from arbiter.orchestrator.storage.statements import add_row
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
_TOPIC = "agents"
_COUNTING = "agents are counted"


class AgentStore:
    """Keeps agents, their counted outcomes and the versions of their capabilities in `database`.

    What each method does is said in `contents.Store`; all raise StorageError and StorageUnavailable.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def follow(
        self, heard: Callable[[str, datetime | None], None], lost: Callable[[], None]
    ) -> Callable[[], None]:
        """Hear of what other instances change, until what is returned is called."""

        def take(fact: tuple[str, str | None] | None) -> None:
            if fact is None:
                lost()
            else:
                heard(fact[0], None if fact[1] is None else datetime.fromisoformat(fact[1]))

        return self._database.follow(_TOPIC, take, lost)

    async def load(self) -> Sequence[StoredAgent]:
        """All agents."""
        return await self._database.read(_all_agents)

    async def find(self, agent_ids: Collection[str]) -> Sequence[StoredAgent]:
        """Those of these agents that there are."""
        wanted = select(agents).where(agents.c.id.in_(agent_ids))
        return await self._database.read(lambda c: [agent_of_row(row) for row in c.execute(wanted)])

    async def add(
        self, record: StoredAgent, *, by: str, at_most: int | None, then: Callable[[Added], None]
    ) -> Added:
        """Add an agent, unless its id is taken or `at_most` agents exist."""
        row = row_of_agent(record)
        first = CapabilityVersion(
            version=1, changed_at=record.registered_at, changed_by=by, new=record.capabilities
        )
        version = row_of_version(record.id, first)

        def work(connection: Connection) -> Added:
            if at_most is not None and connection.execute(_HOW_MANY).scalar_one() >= at_most:
                return Added.FULL if _locked(connection, record.id) is None else Added.EXISTS
            if not add_row(connection, agents, row):
                return Added.EXISTS
            add_row(connection, capability_versions, version)
            announce(connection, _TOPIC, (record.id, None))
            return Added.ADDED

        # Where agents are counted the count must hold until it is committed.
        return await self._database.write(work, then=then, lock=record.id if at_most is None else _COUNTING)

    async def remove(self, agent_id: str, *, then: Callable[[bool], None]) -> bool:
        """Remove an agent and its past; False when there is no such agent."""
        removing = delete(agents).where(agents.c.id == agent_id).returning(agents.c.registered_at)

        def work(connection: Connection) -> bool:
            registered_at: datetime | None = connection.execute(removing).scalar()
            if registered_at is not None:
                announce(connection, _TOPIC, (agent_id, registered_at.isoformat()))
            return registered_at is not None

        return await self._database.write(work, then=then, lock=agent_id)

    async def count(
        self,
        agent_id: str,
        report: PerformanceReport,
        *,
        key: str,
        at: datetime,
        registered_at: datetime | None,
        then: Changed,
    ) -> StoredAgent | None:
        """Add one outcome to the agent's history and sums; the same non-empty key counts once."""
        row = row_of_report(agent_id, RecordedReport(report=report, key=key, recorded_at=at))

        def work(connection: Connection) -> StoredAgent | None:
            record = _locked(connection, agent_id)
            if record is None or registered_at not in {None, record.registered_at}:
                return None
            if not add_row(connection, agent_history, row):
                return record
            tally = added(record.tally, report)
            return _changed(connection, record, at, {"tally": tally}, tally.model_dump())

        return await self._database.write(work, then=then, lock=agent_id)

    async def touch(
        self,
        agent_id: str,
        *,
        at: datetime,
        status: AgentStatus | None = None,
        queued_tasks: int | None = None,
        beats: bool | None = None,
        then: Changed,
    ) -> StoredAgent | None:
        """Note that the agent was active, and its new status, its queue and that it sends heartbeats where they are given."""
        given = {"status": status, "queued_tasks": queued_tasks, "beats": beats}
        changes = {name: value for name, value in given.items() if value is not None}

        def work(connection: Connection) -> StoredAgent | None:
            record = _locked(connection, agent_id)
            return None if record is None else _changed(connection, record, at, changes, changes)

        return await self._database.write(work, then=then, lock=agent_id)

    async def change_capabilities(
        self, agent_id: str, capabilities: Capabilities, *, by: str, at: datetime, then: Changed
    ) -> StoredAgent | None:
        """Replace the agent's capabilities and keep a version of the change; the same again makes no version."""
        columns = {"capabilities": capabilities.model_dump(mode="json")}
        latest = select(func.max(capability_versions.c.version)).where(
            capability_versions.c.agent_id == agent_id
        )

        def work(connection: Connection) -> StoredAgent | None:
            record = _locked(connection, agent_id)
            if record is None or record.capabilities == capabilities:
                return record
            number = (connection.execute(latest).scalar() or 0) + 1
            version = CapabilityVersion(
                version=number, changed_at=at, changed_by=by, old=record.capabilities, new=capabilities
            )
            add_row(connection, capability_versions, row_of_version(agent_id, version))
            return _changed(connection, record, at, {"capabilities": capabilities}, columns)

        return await self._database.write(work, then=then, lock=agent_id)

    async def history(
        self, agent_id: str, limit: int
    ) -> tuple[Sequence[RecordedReport], Sequence[CapabilityVersion]]:
        """The newest `limit` outcomes, newest first, and all versions of the capabilities, oldest first."""

        def work(connection: Connection) -> tuple[Sequence[RecordedReport], Sequence[CapabilityVersion]]:
            reports = connection.execute(_NEWEST, {"agent_id": agent_id, "limit": limit})
            versions = connection.execute(_VERSIONS, {"agent_id": agent_id})
            return (
                [RecordedReport(**report_of_row(row)) for row in reports],
                [CapabilityVersion(**version_of_row(row)) for row in versions],
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
                [_unversioned(record) for record in _all_agents(connection)],
                [BackupReport.trusted(agent_id=row.agent_id, **report_of_row(row)) for row in reports],
                [BackupVersion(agent_id=row.agent_id, **version_of_row(row)) for row in versions],
            )

        return await self._database.read(work)

    async def replace(
        self, contents: Contents, *, then: Callable[[Sequence[StoredAgent]], None]
    ) -> Sequence[StoredAgent]:
        """Hold `contents` and nothing else, all at once or not at all; returns the agents as they are stored."""

        def work(connection: Connection) -> Sequence[StoredAgent]:
            # Later than whatever an instance may have in memory of the same registration.
            revision = (connection.execute(select(func.max(agents.c.revision))).scalar() or 0) + 1
            announce(connection, _TOPIC, None)
            stored = [StoredAgent(**dict(record), revision=revision) for record in contents.agents]
            connection.execute(delete(agents))  # history and versions go with their agents
            if stored:
                connection.execute(insert(agents), [row_of_agent(record) for record in stored])
            if contents.history:
                rows = [row_of_report(report.agent_id, report) for report in contents.history]
                connection.execute(insert(agent_history), rows)
            if contents.versions:
                rows = [row_of_version(version.agent_id, version) for version in contents.versions]
                connection.execute(insert(capability_versions), rows)
            return stored

        return await self._database.write(work, then=then, lock=_COUNTING)

    async def ping(self) -> None:
        """Raise when the database does not answer."""
        await self._database.check()


def _all_agents(connection: Connection) -> Sequence[StoredAgent]:
    return [agent_of_row(row) for row in connection.execute(select(agents).order_by(agents.c.id))]


def _unversioned(record: StoredAgent) -> AgentRecord:
    return AgentRecord(**{name: getattr(record, name) for name in AgentRecord.model_fields})


def _locked(connection: Connection, agent_id: str) -> StoredAgent | None:
    row = connection.execute(_LOCKED, {"agent_id": agent_id}).first()
    return None if row is None else agent_of_row(row)


def _changed(
    connection: Connection,
    record: StoredAgent,
    at: datetime,
    fields: Mapping[str, object],
    columns: Mapping[str, object],
) -> StoredAgent:
    """The locked agent with a change of it written down."""
    noted = {"last_active_at": at, "revision": record.revision + 1}
    connection.execute(_CHANGED, {"agent_id": record.id, **noted, **columns})
    announce(connection, _TOPIC, (record.id, None))
    return record.model_copy(update={**noted, **fields})
