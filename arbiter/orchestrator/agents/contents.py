"""What the registry needs of whoever keeps its agents. `AgentStore` keeps them in a database; a test may bring a dict.

Every change takes `then`, which is called on the caller's loop once the change is durable, in the order in which
changes became durable, also when the caller was cancelled meanwhile: so memory and store never disagree.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from arbiter.orchestrator.agents.models import (
    AgentRecord,
    AgentStatus,
    Backup,
    BackupReport,
    BackupVersion,
    CapabilityVersion,
    RecordedReport,
    StoredAgent,
)
from arbiter.orchestrator.vocabulary import Capabilities, PerformanceReport

__all__ = ["Added", "Changed", "Contents", "Store"]

Changed = Callable[[StoredAgent | None], None]
"""Called with the agent as it is stored now, or None when there is no such agent."""


class Added(enum.Enum):
    """What became of an agent that was to be added."""

    ADDED = enum.auto()
    EXISTS = enum.auto()
    FULL = enum.auto()


@dataclass(frozen=True, slots=True)
class Contents:
    """Everything that a store holds, at one moment."""

    agents: Sequence[AgentRecord] = ()
    history: Sequence[BackupReport] = ()
    versions: Sequence[BackupVersion] = ()

    @classmethod
    def of(cls, backup: Backup) -> Contents:
        """What a store holds that `backup` was restored to."""
        return cls(backup.agents, backup.history, backup.capability_versions)

    def backup(self, taken_at: datetime) -> Backup:
        """The backup that was taken of it."""
        return Backup(
            taken_at=taken_at,
            agents=tuple(self.agents),
            history=tuple(self.history),
            capability_versions=tuple(self.versions),
        )


class Store(Protocol):
    """Keeps agents, their counted outcomes and the versions of their capabilities."""

    def follow(
        self, heard: Callable[[str, datetime | None], None], lost: Callable[[], None]
    ) -> Callable[[], None]:
        """Hear of what other instances change, until what is returned is called. Both are called on this loop.

        Args:
            heard: with the id of an agent that came or changed; or of one that went, and when that had been registered.
            lost: when any agent may have changed.
        """
        ...

    async def load(self) -> Sequence[StoredAgent]:
        """All agents."""
        ...

    async def find(self, agent_ids: Collection[str]) -> Sequence[StoredAgent]:
        """Those of these agents that there are."""
        ...

    async def add(
        self, record: StoredAgent, *, by: str, at_most: int | None, then: Callable[[Added], None]
    ) -> Added:
        """Add an agent, and version 1 of its capabilities, unless its id is taken or `at_most` agents exist.

        They are counted only where `at_most` is given.
        """
        ...

    async def remove(self, agent_id: str, *, then: Callable[[bool], None]) -> bool:
        """Remove an agent and its past; False when there is no such agent."""
        ...

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
        """Add one outcome to the agent's history and sums, unless it has an outcome of the same non-empty key.

        With `registered_at`, only the agent that was registered then is meant; None where it is another one now.
        """
        ...

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
        ...

    async def change_capabilities(
        self, agent_id: str, capabilities: Capabilities, *, by: str, at: datetime, then: Changed
    ) -> StoredAgent | None:
        """Replace the agent's capabilities and keep a version of the change; the same again makes no version."""
        ...

    async def history(
        self, agent_id: str, limit: int
    ) -> tuple[Sequence[RecordedReport], Sequence[CapabilityVersion]]:
        """The newest `limit` outcomes, newest first, and all versions of the capabilities, oldest first."""
        ...

    async def export(self) -> Contents:
        """Everything, as of one moment."""
        ...

    async def replace(
        self, contents: Contents, *, then: Callable[[Sequence[StoredAgent]], None]
    ) -> Sequence[StoredAgent]:
        """Hold `contents` and nothing else, all at once or not at all; returns the agents as they are stored."""
        ...

    async def ping(self) -> None:
        """Raise when the store does not answer."""
        ...
