"""The chain of integrity hashes: each event's hash covers the one before it, so that no event can be changed, dropped
or put in between without every later hash telling.

Each start of the program begins a chain of its own. The hash of an event is SHA-256, in hexadecimal, over the
canonical JSON (keys sorted, no blanks) of its chain's id, its sequence number from 1, the hash before it (64 zeros
for the first) and all of its fields. What is deleted by age is the oldest part of a chain; what is left is verified
from its own first event on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import orjson

from arbiter.orchestrator.performance.models import PerformanceEvent

__all__ = ["GENESIS", "Head", "Link", "Place", "first_break", "link"]

GENESIS: Final = "0" * 64
"""What stands for the hash before the first."""


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain, to which the next event is linked."""

    chain: str
    sequence: int = 0
    integrity_hash: str = GENESIS


@dataclass(frozen=True, slots=True)
class Place:
    """Where in which chain a link stands."""

    chain: str
    sequence: int


class Link(NamedTuple):
    """An event at its place in a chain."""

    event: PerformanceEvent
    chain: str
    sequence: int
    previous_hash: str
    integrity_hash: str

    @property
    def head(self) -> Head:
        """The end of a chain that ends here."""
        return Head(self.chain, self.sequence, self.integrity_hash)


def link(head: Head, events: Iterable[PerformanceEvent]) -> Iterator[Link]:
    """Link `events` to `head`, in their order."""
    chain, previous = head.chain, head.integrity_hash
    for sequence, event in enumerate(events, head.sequence + 1):
        digest = _hash(event, chain, sequence, previous)
        yield Link(event, chain, sequence, previous, digest)
        previous = digest


def first_break(links: Iterable[Link], before: Link | None = None) -> Link | None:
    """The first of `links` that does not follow from the one before it, or whose event is not what was hashed.

    Args:
        links: in the order of (chain, sequence).
        before: the link before the first of them, where it was looked at already.
    """
    for one in links:
        if one.integrity_hash != _hash(one.event, one.chain, one.sequence, one.previous_hash):
            return one
        follows = before is not None and before.chain == one.chain
        if (
            follows
            and before
            and (before.sequence + 1, before.integrity_hash) != (one.sequence, one.previous_hash)
        ):
            return one
        before = one
    return None


def _hash(event: PerformanceEvent, chain: str, sequence: int, previous: str) -> str:
    # the fields as they are: a model's dump of flat values would copy them and come to the same bytes
    content = {"chain": chain, "sequence": sequence, "previous": previous, "event": event.__dict__}
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
