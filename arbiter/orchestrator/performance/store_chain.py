"""The stored chain of integrity hashes, read in portions and held against itself (see `chain`)."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BigInteger, Connection, Row, cast, func, select, tuple_

from arbiter.orchestrator.performance.chain import Link, Place, first_break
from arbiter.orchestrator.performance.models import ChainReport, PerformanceEvent
from arbiter.orchestrator.storage.schema import event_totals, events

__all__ = ["event_of", "verified"]

_FIELDS: Final = tuple(PerformanceEvent.model_fields)
_IN_ORDER: Final = (events.c.chain, events.c.sequence)
# One statement sees one moment; two would, on PostgreSQL, see what was stored between them.
_COUNTED: Final = select(
    cast(func.coalesce(func.sum(event_totals.c.events), 0), BigInteger)
).scalar_subquery()
_MISSING: Final = select(_COUNTED - select(func.count()).select_from(events).scalar_subquery())


def verified(connection: Connection, after: Place | None, limit: int) -> tuple[ChainReport, Place | None]:
    """Look at up to `limit` links behind `after`.

    Returns:
        What was found, and the place of the last link that was looked at; None where there was none.
    """
    before = None if after is None else _link_at(connection, after)
    links = _links_after(connection, after, limit)
    broken = first_break(links, before)
    if broken is not None:
        links = links[: links.index(broken)]
    is_end = broken is None and len(links) < limit
    begun = {one.chain for one in links} - {after.chain if after is not None else ""}
    report = ChainReport(
        events=len(links),
        chains=len(begun),
        broken_at=broken.event.id if broken is not None else None,
        missing=connection.execute(_MISSING).scalar_one() if is_end else 0,
    )
    return report, Place(links[-1].chain, links[-1].sequence) if links else None


def event_of(row: Row[Any]) -> PerformanceEvent:
    """The event of a row of the table."""
    return PerformanceEvent(**{name: getattr(row, name) for name in _FIELDS})


def _link_at(connection: Connection, place: Place) -> Link | None:
    # None after retention has deleted it: what is left is then verified from its own first event on
    row = connection.execute(
        select(events).where(events.c.chain == place.chain, events.c.sequence == place.sequence)
    ).first()
    return None if row is None else _link(row)


def _links_after(connection: Connection, place: Place | None, limit: int) -> list[Link]:
    statement = select(events).order_by(*_IN_ORDER).limit(limit)
    if place is not None:
        statement = statement.where(tuple_(*_IN_ORDER) > (place.chain, place.sequence))
    return [_link(row) for row in connection.execute(statement)]


def _link(row: Row[Any]) -> Link:
    return Link(event_of(row), row.chain, row.sequence, row.previous_hash, row.integrity_hash)
