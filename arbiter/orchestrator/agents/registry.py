"""The agent registry (ARBITER-001): a full copy of all agents in memory for queries, the store for what must last.

A change goes to the store first. When it is durable the store calls back with what it holds now, and the memory takes
that over; a failed change reaches neither. The store does the arithmetic of averages, one change at a time, so that
concurrent updates of one agent all count.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from opentelemetry import trace

from arbiter.errors import LifecycleStateError
from arbiter.operation import operation
from arbiter.orchestrator.agents.consistency import ensure_consistent
from arbiter.orchestrator.agents.contents import Added, Contents, Store
from arbiter.orchestrator.agents.entry import Entry
from arbiter.orchestrator.agents.errors import AgentExists, AgentNotFound, AgentReplaced, RegistryFull
from arbiter.orchestrator.agents.figures import Figures
from arbiter.orchestrator.agents.following import Following
from arbiter.orchestrator.agents.index import Change, Index
from arbiter.orchestrator.agents.models import (
    Agent,
    AgentDraft,
    AgentHistory,
    AgentQuery,
    AgentStatus,
    Backup,
    QueryPage,
    StoredAgent,
)
from arbiter.orchestrator.agents.ranker import Ranker
from arbiter.orchestrator.agents.roster import Roster
from arbiter.orchestrator.agents.settings import RegistrySettings
from arbiter.orchestrator.agents.signs_of_life import SignsOfLife
from arbiter.orchestrator.vocabulary import Capabilities, PerformanceReport
from arbiter.protocols import CheckResult, Clock, Live, Measurement, Status

__all__ = ["AgentRegistry"]

_UNHEARD_OF: Final = 64
"""So close to the limit agents are counted in the store: other instances may have registered some meanwhile."""


class AgentRegistry:
    """Who can do what, how well they did it, how much they carry now.

    Args:
        store: where agents are kept.
        settings: the `[registry]` section, read at each use.
        clock: for times of registration and activity, and for the age of remembered rankings.
    """

    def __init__(self, store: Store, settings: Live[RegistrySettings], clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._ranker = Ranker(settings, clock)
        self._loaded: Index | None = None
        self._following = Following(store, clock)
        self._signs_of_life = SignsOfLife(settings, clock)
        self._registering = 0
        self._figures = Figures()

    async def start(self) -> None:
        """Load all agents. Nobody carries anything: whoever holds leases reserves them again."""
        self._ranker.forget()
        self._following.begin()
        self._loaded = Index(await self._store.load())
        self._following.keep(self._loaded)
        self._signs_of_life.begin(self._loaded)

    async def stop(self) -> None:
        """Forget the memory; everything is in the store."""
        await self._signs_of_life.end()
        await self._following.end()
        self._loaded = None

    async def check(self) -> CheckResult:
        """Whether the agents are loaded and the store answers."""
        held = len(self._index)
        await self._store.ping()
        return CheckResult(Status.PASS, f"{held} agents loaded, the store answers")

    async def register(self, draft: AgentDraft, *, by: str = "") -> Agent:
        """Add an agent; it stands at the prior, available, without load. `by` says who asked for it.

        Raises:
            AgentExists: the id is taken.
            RegistryFull: there are `max_agents` already.
        """
        index, limit, now = self._index, self._settings.current.max_agents, self._clock.now()
        record = StoredAgent(**dict(draft), registered_at=now, last_active_at=now)
        _annotate(agent_id=draft.id, task_types=len(draft.capabilities.task_types))

        def then(added: Added) -> None:
            if added is Added.ADDED:
                index.put(record)

        self._registering += 1
        try:
            is_near = len(index) + self._registering + _UNHEARD_OF >= limit
            added = await self._store.add(record, by=by, at_most=limit if is_near else None, then=then)
        finally:
            self._registering -= 1
        match added:
            case Added.EXISTS:
                raise AgentExists(draft.id)
            case Added.FULL:
                raise RegistryFull(limit)
        self._figures.count("registrations")
        return self._entry(draft.id).agent

    async def get(self, agent_id: str) -> Agent:
        """The agent as it stands now; raises AgentNotFound."""
        if agent_id not in self._index:
            await self._following.look(agent_id)
        return self._entry(agent_id).agent

    @operation(fallback="_query_remembered")
    async def query(self, query: AgentQuery) -> QueryPage:
        """The agents that meet every condition, best first (see `matching`); raises CursorInvalid.

        A page begins after the last agent of the page before it: agents whose score changed meanwhile may be passed
        over or met again, others not. While its circuit is open, or when a query fails, what is remembered of the same
        question answers, as it stood then.
        """
        index, began = self._index, self._clock.monotonic()
        page = self._ranker.page(index, query)
        self._figures.queried(self._clock.monotonic() - began)
        _annotate(candidates=len(index), matched=len(page.agents))
        return page

    async def _query_remembered(self, query: AgentQuery, *, errors: tuple[Exception, ...]) -> QueryPage:
        page = self._ranker.remembered(query)
        if page is None:  # nothing is known, and an empty answer would be a wrong one
            raise errors[0]
        _annotate(remembered=len(page.agents))
        return page

    async def roster(self, query: AgentQuery) -> Roster:
        """Everyone who can do what is asked and takes work, however loaded, as a live view: what a router looks at.

        The query's thresholds and its page have no say in it.
        """
        self._figures.count("queries")
        return Roster(self._index, query)

    async def unregister(self, agent_id: str) -> None:
        """Remove the agent and its history; raises AgentNotFound."""
        index = self._index
        if not await self._store.remove(agent_id, then=lambda _: index.remove(agent_id)):
            raise self._not_found(agent_id)

    async def update_performance(
        self,
        agent_id: str,
        report: PerformanceReport,
        *,
        key: str = "",
        registered_at: datetime | None = None,
    ) -> Agent:
        """Count one outcome into the agent's averages (see `averages`).

        The averages are those of the present registration: an outcome of an earlier one counts for nobody.

        Args:
            agent_id: whose outcome it is.
            report: how it went.
            key: names the outcome, usually the task's id; the same non-empty key counts once for one agent, and
                changes nothing when it comes again.
            registered_at: of the agent that is meant; without it, whichever has the id now.

        Raises:
            AgentNotFound: no such agent.
            AgentReplaced: the id belongs to another registration now.
        """
        changing = Change(self._index)
        await self._store.count(
            agent_id, report, key=key, at=self._clock.now(), registered_at=registered_at, then=changing
        )
        if changing.agent is None and registered_at is not None and agent_id in self._index:
            raise AgentReplaced(agent_id)
        self._figures.count("updates")
        return self._changed(agent_id, changing)

    async def set_status(self, agent_id: str, status: AgentStatus) -> Agent:
        """Say what the agent may be asked for; raises AgentNotFound."""
        changing = Change(self._index)
        await self._store.touch(agent_id, at=self._clock.now(), status=status, then=changing)
        return self._changed(agent_id, changing)

    async def set_capabilities(self, agent_id: str, capabilities: Capabilities, *, by: str = "") -> Agent:
        """Replace what the agent can do; `by` says who asked for it. Every change is kept. Raises AgentNotFound."""
        changing, now = Change(self._index), self._clock.now()
        await self._store.change_capabilities(agent_id, capabilities, by=by, at=now, then=changing)
        return self._changed(agent_id, changing)

    async def heartbeat(self, agent_id: str, *, queued_tasks: int | None = None) -> Agent:
        """Note that the agent lives, and how many tasks wait at it where it says so; raises AgentNotFound."""
        changing = Change(self._index)
        now = self._clock.now()
        await self._store.touch(agent_id, at=now, queued_tasks=queued_tasks, beats=True, then=changing)
        return self._changed(agent_id, changing)

    async def history(self, agent_id: str, *, limit: int = 100) -> AgentHistory:
        """The agent's newest `limit` outcomes and every change of its capabilities; raises AgentNotFound."""
        self._entry(agent_id)
        reports, versions = await self._store.history(agent_id, limit)
        return AgentHistory(agent_id=agent_id, performance=tuple(reports), capabilities=tuple(versions))

    @operation(guarded=False)
    def reserve(
        self, agent_id: str, *, registered_at: datetime | None = None, elsewhere: bool = False
    ) -> bool:
        """Let the agent carry one task more.

        Load lives in memory only and is derived from leases: who reserves keeps the lease, and reserves again after
        a restart.

        Args:
            agent_id: who is to carry it.
            registered_at: of the agent that is meant; without it, whichever has the id now.
            elsewhere: another instance has reserved it, so that it is carried in any case.

        Returns:
            False when it cannot: its own limit is set and reached, or it is not registered (any more).
        """
        return self._index.reserve(agent_id, registered_at, elsewhere=elsewhere)

    @operation(guarded=False)
    def release(self, agent_id: str, *, registered_at: datetime | None = None) -> None:
        """Let the agent carry one task less, never fewer than none; an agent that is gone is passed over.

        A new registration under the same id carries nothing of the earlier one: see `reserve` for `registered_at`.
        """
        self._index.release(agent_id, registered_at)

    async def backup(self) -> Backup:
        """The whole registry at one moment, to the last sum; changes go on meanwhile."""
        contents = await self._store.export()
        return contents.backup(self._clock.now())

    async def restore(self, backup: Backup) -> int:
        """Replace everything by `backup`, all at once or not at all; agents that stay keep their load.

        An agent stays where the backup has the same registration of it; any other one of its id carries nothing.

        Returns:
            How many agents there are now.

        Raises:
            BackupInvalid: it contradicts itself.
            RegistryFull: it holds more agents than `max_agents`.
        """
        index, limit = self._index, self._settings.current.max_agents
        ensure_consistent(backup)
        if len(backup.agents) > limit:
            raise RegistryFull(limit)
        await self._store.replace(Contents.of(backup), then=index.replace)
        self._signs_of_life.look(index)  # who was silent when the backup was taken has not spoken since
        return len(backup.agents)

    def measurements(self) -> Iterable[Measurement]:
        """Agents and their load, queries and how many of them found their ranking remembered."""
        return self._figures.measurements(list(self._loaded or ()), self._ranker)

    @property
    def _index(self) -> Index:
        if self._loaded is None:
            raise LifecycleStateError(
                "The agent registry is not started.", hint="Start it, or the container that holds it."
            )
        return self._loaded

    def _entry(self, agent_id: str) -> Entry:
        entry = self._index.get(agent_id)
        if entry is None:
            raise self._not_found(agent_id)
        return entry

    def _changed(self, agent_id: str, changing: Change) -> Agent:
        if changing.agent is None:
            raise self._not_found(agent_id)
        _annotate(agent_id=agent_id)
        return changing.agent

    def _not_found(self, agent_id: str) -> AgentNotFound:
        return AgentNotFound(agent_id, self._index.ids())


def _annotate(**attributes: str | int) -> None:
    span = trace.get_current_span()
    if span.is_recording():
        for name, value in attributes.items():
            span.set_attribute(f"arbiter.registry.{name}", value)
