"""The tables of all components, as SQLAlchemy Core describes them. A new database gets them from here, an older one from
the migrations; a test compares the two, so that each table's columns stand in the order in which the migrations add them.

No foreign key crosses from one component's tables to another's: an event and a decision outlive the agent they name.
What is one database's own (rows without a number, an index of some rows) stands in the migrations and in their
`creation.py`: a table that names a dialect imports all of it at every start.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
)

__all__ = [
    "Moment",
    "Serial",
    "agent_history",
    "agents",
    "arms",
    "capability_versions",
    "decisions",
    "decisions_open",
    "event_latencies",
    "event_totals",
    "events",
    "metadata",
    "microseconds",
]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Moment(TypeDecorator[datetime]):
    """An aware datetime, kept as whole microseconds since 1970 in UTC: exact, sortable and alike in every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """To microseconds."""
        return None if value is None else microseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """From microseconds."""
        return None if value is None else _EPOCH + timedelta(microseconds=value)


def microseconds(value: datetime) -> int:
    """What a `Moment` column holds for `value`: whole microseconds since 1970."""
    return (value - _EPOCH) // _MICROSECOND


# SQLite numbers rows by itself only where the key is called INTEGER.
Serial = BigInteger().with_variant(Integer, "sqlite")
"""The type of a key that the database counts up."""

metadata = MetaData()

agents = Table(
    "agents",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("model_family", Text, nullable=False),
    Column("capabilities", JSON, nullable=False),
    Column("max_concurrent_tasks", Integer),
    Column("status", Text, nullable=False),
    Column("registered_at", Moment, nullable=False),
    Column("last_active_at", Moment, nullable=False),
    Column("task_count", BigInteger, nullable=False),
    Column("successes", BigInteger, nullable=False),
    Column("quality_sum", Double, nullable=False),
    Column("latency_sum_ms", Double, nullable=False),
    Column("queued_tasks", Integer, nullable=False, server_default="0"),
    Column("revision", BigInteger, nullable=False, server_default="1"),
    Column("beats", Boolean, nullable=False, server_default=false()),
)

agent_history = Table(
    "agent_history",
    metadata,
    Column("position", Serial, primary_key=True),
    Column("agent_id", Text, ForeignKey("agents.id", ondelete="CASCADE"), nullable=False),
    Column(
        "key", Text
    ),  # null where the report came without one; nulls are all different to a unique constraint
    Column("success", Boolean, nullable=False),
    Column("quality_score", Double, nullable=False),
    Column("latency_ms", Double, nullable=False),
    Column("tokens_used", BigInteger),
    Column("cost", Double),
    Column("task_type", Text),
    Column("recorded_at", Moment, nullable=False),
    UniqueConstraint("agent_id", "key", name="agent_history_once"),
    Index("agent_history_newest", "agent_id", "position"),
)

capability_versions = Table(
    "capability_versions",
    metadata,
    Column("agent_id", Text, ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("changed_at", Moment, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("old", JSON(none_as_null=True)),
    Column("new", JSON, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("position", Serial, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("type", Text, nullable=False),
    Column("timestamp", Moment, nullable=False),
    Column("agent_id", Text),
    Column("task_id", Text),
    Column("task_type", Text),
    Column("success", Boolean),
    Column("quality_score", Double),
    Column("latency_ms", Double),
    Column("cost", Double),
    Column("tokens_used", BigInteger),
    Column("metadata", JSON, nullable=False),
    Column("recorded_at", Moment, nullable=False),
    Column("chain", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("previous_hash", Text, nullable=False),
    Column("integrity_hash", Text, nullable=False),
    UniqueConstraint("chain", "sequence", name="events_chain"),
    Index("events_of_agent", "agent_id", "type", "timestamp"),
    Index("events_by_age", "recorded_at"),
)

event_totals = Table(
    "event_totals",
    metadata,
    Column("agent_id", Text, primary_key=True),  # empty for the events that name no agent
    Column("type", Text, primary_key=True),
    Column("events", BigInteger, nullable=False),
    Column("judged", BigInteger, nullable=False),
    Column("succeeded", BigInteger, nullable=False),
    Column("rated", BigInteger, nullable=False),
    Column("quality_sum", Double, nullable=False),
    Column("timed", BigInteger, nullable=False),
    Column("latency_sum_ms", Double, nullable=False),
    Column("cost", Double, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("first_at", Moment, nullable=False),
    Column("last_at", Moment, nullable=False),
)

event_latencies = Table(
    "event_latencies",
    metadata,
    Column("agent_id", Text, primary_key=True),  # empty for no agent, "*" for all of them together
    Column("bucket", Integer, primary_key=True, autoincrement=False),
    Column("count", BigInteger, nullable=False),
)

decisions = Table(
    "decisions",
    metadata,
    Column("decision_id", Text, primary_key=True),
    Column("task_id", Text, nullable=False, unique=True),
    Column("agent_id", Text, nullable=False),
    Column("agent_registered_at", Moment, nullable=False),
    Column("task", JSON, nullable=False),
    Column("strategy", Text, nullable=False),
    Column("explored", Boolean, nullable=False),
    Column("score", Double, nullable=False),
    Column("confidence", Double, nullable=False),
    Column("reason", Text, nullable=False),
    Column("alternatives", JSON, nullable=False),
    Column("decided_at", Moment, nullable=False),
    Column("lease_expires_at", Moment, nullable=False),
    Column("trace_id", Text, nullable=False),
    Column("outcome", JSON(none_as_null=True)),
    Column("outcome_at", Moment),
    Column("late", Boolean),
    Column("seed", BigInteger, nullable=False, server_default="0"),
    Column("state_sequence", BigInteger, nullable=False, server_default="0"),
    Column("propensity", Double, nullable=False, server_default="0"),
    Column("candidates", Integer, nullable=False, server_default="0"),
)
# The open leases of an agent are counted by it, wherever decisions are made; what has an outcome is left out of it.
decisions_open = Index("decisions_open", decisions.c.agent_id, decisions.c.lease_expires_at)

arms = Table(
    "arms",
    metadata,
    Column("agent_id", Text, primary_key=True),
    Column("task_type", Text, primary_key=True),
    Column("agent_registered_at", Moment, primary_key=True),
    Column("pulls", BigInteger, nullable=False),
    Column("successes", BigInteger, nullable=False),
    Column("quality_sum", Double, nullable=False),
    Column("latency_sum_ms", Double, nullable=False),
    Column("updated_at", Moment, nullable=False),
    # Sums in which older outcomes may count for less (`routing.discount`); pulls and successes are plain counts.
    Column("weight", Double, nullable=False, server_default="0"),
    Column("reward", Double, nullable=False, server_default="0"),
    Column("latency_ms", Double, nullable=False, server_default="0"),
    Column("cost", Double, nullable=False, server_default="0"),
    Column("costed", Double, nullable=False, server_default="0"),
)
