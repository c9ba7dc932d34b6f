"""Following other instances: what they changed of agents is read again, and the index brought into line with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog

from arbiter.orchestrator.agents.contents import Store
from arbiter.orchestrator.agents.index import Index
from arbiter.protocols import Clock

__all__ = ["Following"]

log = structlog.get_logger(__name__)

_AGAIN_AFTER_S: Final = 1.0
_AT_ONCE: Final = 500
"""So many agents are read by one statement."""


class Following:
    """Keeps an index in line with what other instances change. Without other instances it never does anything.

    Args:
        store: that the instances share.
        clock: to try again by, when the store does not answer.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._index: Index | None = None
        self._changed: set[str] = set()
        self._everything = False
        self._gone: set[tuple[str, datetime]] = set()
        self._reading: asyncio.Task[None] | None = None
        self._end: Callable[[], None] = lambda: None

    def begin(self) -> None:
        """Listen; what is heard waits until there is an index."""
        self._end = self._store.follow(self._heard, self._lost)

    def keep(self, index: Index) -> None:
        """Bring this index into line from now on."""
        self._index = index
        self._read()

    async def end(self) -> None:
        """Listen no more."""
        self._end()
        self._end, self._index = lambda: None, None
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
            self._reading = None

    async def look(self, agent_id: str) -> None:
        """Read one agent, which another instance may have registered a moment ago."""
        if self._index is not None:
            await self._read_some({agent_id}, self._index)

    def _heard(self, agent_id: str, gone: datetime | None) -> None:
        if gone is None:
            self._changed.add(agent_id)
            self._read()
            return
        self._gone.add((agent_id, gone))
        if self._index is not None:
            self._index.remove(agent_id, gone)

    def _lost(self) -> None:
        self._everything = True
        self._read()

    def _read(self) -> None:
        if self._index is not None and self._reading is None and (self._changed or self._everything):
            self._reading = asyncio.create_task(self._catch_up(self._index), name="arbiter-registry-follow")

    async def _catch_up(self, index: Index) -> None:
        try:
            while self._changed or self._everything:
                try:
                    await self._catch_up_once(index)
                except Exception as error:  # noqa: BLE001  whatever it was, the index must get there in the end
                    log.warning(
                        "agents that other instances changed could not be read yet", reason=str(error)
                    )
                    await self._clock.sleep(_AGAIN_AFTER_S)
        finally:
            self._reading = None

    async def _catch_up_once(self, index: Index) -> None:
        # What went before a read begins cannot be in it; what goes while it is under way may be.
        self._gone.clear()
        if self._everything:
            self._everything = False
            try:
                await self._read_all(index)
            except BaseException:
                self._everything = True
                raise
            return
        wanted = set(sorted(self._changed)[:_AT_ONCE])
        self._changed -= wanted
        try:
            await self._read_some(wanted, index)
        except BaseException:
            self._changed |= wanted
            raise

    async def _read_some(self, agent_ids: set[str], index: Index) -> None:
        for record in await self._store.find(agent_ids):
            held = index.get(record.id)
            is_past = held is not None and held.registered_at > record.registered_at
            if not is_past and (record.id, record.registered_at) not in self._gone:
                index.put(record)

    async def _read_all(self, index: Index) -> None:
        before = index.changes.version
        records = await self._store.load()
        # What this instance changed meanwhile is newer than what was read.
        changed = index.changes.since(before)
        if changed is None:
            self._everything = True
            return
        index.replace(records, keeping=changed)
