"""Up to which position the events are all there.

On PostgreSQL two instances commit in another order than that in which their positions were given out. Whoever reads on
from the last position it saw would then pass over an event that was on its way. So a writer holds a lock, shared with
other writers, from before its first position until its commit; a reader takes it alone for one instant, when nothing
is on its way, and reads no further than the last position given out until then. SQLite has one writer at a time.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, func, select, text

from arbiter.orchestrator.storage.schema import events

__all__ = ["hold", "settled"]

_LOCK: Final = {"number": 0x4152424954455645}  # any fixed number of 64 bits that no other lock has
_SHARE: Final = text("SELECT pg_advisory_xact_lock_shared(:number)")
_ALONE: Final = text("SELECT pg_advisory_xact_lock(:number)")
# a sequence is read as it is, not as it was when this transaction began
_GIVEN_OUT: Final = text(
    "SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence('events', 'position')::regclass), 0)"
)


def hold(connection: Connection) -> None:
    """Let no reader believe, before this transaction is over, that it has seen everything."""
    if connection.dialect.name == "postgresql":
        connection.execute(_SHARE, _LOCK)


def settled(connection: Connection) -> int:
    """The position up to which whatever will ever be there is committed; read what lies there in a transaction after
    this one.
    """
    if connection.dialect.name != "postgresql":
        return connection.execute(select(func.max(events.c.position))).scalar() or 0
    connection.execute(_ALONE, _LOCK)
    return int(connection.execute(_GIVEN_OUT).scalar_one())
