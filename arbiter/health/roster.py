"""Which checks there are: what was registered by hand, and what components brought with them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from arbiter.checks import CheckMark, Marked
from arbiter.health.faults import CheckExists, GroupMemberUnknown
from arbiter.health.monitor import Reading
from arbiter.health.running import Runner

__all__ = ["Entry", "Roster"]


@dataclass(slots=True, eq=False)
class Entry:
    """A check that is run; only `reading` changes, as a whole, so that any thread may read it.

    Attributes:
        name: what reports call it.
        runner: runs it.
        mark: critical or not, groups, its own interval and time-out.
        place: where it comes from, for people.
        owner: the provider whose component brought it; "" where it was registered by hand.
        reading: what is known of it.
        running: the run that is going, shared by all who ask for one.
    """

    name: str
    runner: Runner
    mark: CheckMark
    place: str
    owner: str = ""
    reading: Reading = field(default_factory=Reading)
    running: asyncio.Task[None] | None = None


class Roster:
    """The entries by name. Safe for threads: readers take the mapping as it is, writers replace it."""

    def __init__(self) -> None:
        self.entries: Mapping[str, Entry] = {}
        self._clashes: dict[str, CheckExists] = {}
        self._lock = threading.Lock()

    def register(self, entry: Entry) -> None:
        """Add what was registered by hand.

        Raises:
            CheckExists: the name is taken.
        """
        with self._lock:
            if known := self.entries.get(entry.name):
                raise CheckExists(entry.name, (known.place, entry.place))
            self.entries = {**self.entries, entry.name: entry}

    def adopt(self, found: Marked, entry: Entry) -> bool:
        """Add what a component brought; whether it is the one that is run from now on.

        The same provider's earlier one is replaced. One that was registered by hand under a component's own name was
        meant to stand in its place; every other clash is kept for `validate`, since whoever adopts cannot raise.
        """
        with self._lock:
            known = self.entries.get(entry.name)
            if known is not None and known.owner != entry.owner:
                if known.owner or found.mark.name:
                    self._clashes[entry.name] = CheckExists(entry.name, (known.place, entry.place))
                return False
            self.entries = {**self.entries, entry.name: entry}
        return True

    def validate(self, groups: Mapping[str, Collection[str]]) -> None:
        """Whether every name means one check.

        Args:
            groups: the settings' groups with the names of their members.

        Raises:
            CheckExists: two components brought checks of one name.
            GroupMemberUnknown: a group names a check that is not there.
        """
        for clash in self._clashes.values():
            raise clash
        for group, members in groups.items():
            for member in members:
                if member not in self.entries:
                    raise GroupMemberUnknown(group, member, self.entries.keys())

    def members(self, group: str, groups: Mapping[str, Collection[str]]) -> tuple[Entry, ...]:
        """The check of this name, and those that belong to a group of this name; none where there is neither."""
        named = groups.get(group, ())
        return tuple(
            entry
            for entry in self.entries.values()
            if entry.name == group or group in entry.mark.groups or entry.name in named
        )

    def group_names(self, groups: Mapping[str, Collection[str]]) -> set[str]:
        """Everything that `members` has an answer for."""
        own = (name for entry in self.entries.values() for name in (entry.name, *entry.mark.groups))
        return {*own, *groups}
