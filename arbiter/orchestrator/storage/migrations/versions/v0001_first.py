"""The first schema: agents, events, decisions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "agents",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("model_family", sa.Text, nullable=False),
        sa.Column("capabilities", sa.JSON, nullable=False),
        sa.Column("max_concurrent_tasks", sa.Integer),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("registered_at", sa.BigInteger, nullable=False),
        sa.Column("last_active_at", sa.BigInteger, nullable=False),
        sa.Column("task_count", sa.BigInteger, nullable=False),
        sa.Column("successes", sa.BigInteger, nullable=False),
        sa.Column("quality_sum", sa.Double, nullable=False),
        sa.Column("latency_sum_ms", sa.Double, nullable=False),
    )
    op.create_table(
        "agent_history",
        sa.Column("position", _SERIAL, primary_key=True),
        sa.Column("agent_id", sa.Text, sa.ForeignKey("agents.id", ondelete="CASCADE"), nullable=False),
        sa.Column("key", sa.Text),
        sa.Column("success", sa.Boolean, nullable=False),
        sa.Column("quality_score", sa.Double, nullable=False),
        sa.Column("latency_ms", sa.Double, nullable=False),
        sa.Column("tokens_used", sa.BigInteger),
        sa.Column("cost", sa.Double),
        sa.Column("task_type", sa.Text),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("agent_id", "key", name="agent_history_once"),
    )
    op.create_index("agent_history_newest", "agent_history", ["agent_id", "position"])
    op.create_table(
        "capability_versions",
        sa.Column("agent_id", sa.Text, sa.ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.Column("old", sa.JSON(none_as_null=True)),
        sa.Column("new", sa.JSON, nullable=False),
    )
    op.create_table(
        "events",
        sa.Column("position", _SERIAL, primary_key=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("timestamp", sa.BigInteger, nullable=False),
        sa.Column("agent_id", sa.Text),
        sa.Column("task_id", sa.Text),
        sa.Column("task_type", sa.Text),
        sa.Column("success", sa.Boolean),
        sa.Column("quality_score", sa.Double),
        sa.Column("latency_ms", sa.Double),
        sa.Column("cost", sa.Double),
        sa.Column("tokens_used", sa.BigInteger),
        sa.Column("metadata", sa.JSON, nullable=False),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
        sa.Column("chain", sa.Text, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("previous_hash", sa.Text, nullable=False),
        sa.Column("integrity_hash", sa.Text, nullable=False),
        sa.UniqueConstraint("chain", "sequence", name="events_chain"),
    )
    op.create_index("events_of_agent", "events", ["agent_id", "type"])
    op.create_index("events_by_age", "events", ["recorded_at"])
    op.create_table(
        "decisions",
        sa.Column("decision_id", sa.Text, primary_key=True),
        sa.Column("task_id", sa.Text, nullable=False, unique=True),
        sa.Column("agent_id", sa.Text, nullable=False),
        sa.Column("agent_registered_at", sa.BigInteger, nullable=False),
        sa.Column("task", sa.JSON, nullable=False),
        sa.Column("strategy", sa.Text, nullable=False),
        sa.Column("explored", sa.Boolean, nullable=False),
        sa.Column("score", sa.Double, nullable=False),
        sa.Column("confidence", sa.Double, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("alternatives", sa.JSON, nullable=False),
        sa.Column("decided_at", sa.BigInteger, nullable=False),
        sa.Column("lease_expires_at", sa.BigInteger, nullable=False),
        sa.Column("trace_id", sa.Text, nullable=False),
        sa.Column("outcome", sa.JSON(none_as_null=True)),
        sa.Column("outcome_at", sa.BigInteger),
        sa.Column("late", sa.Boolean),
    )
    op.create_index("decisions_by_lease", "decisions", ["lease_expires_at"])
    op.create_table(
        "arms",
        sa.Column("agent_id", sa.Text, primary_key=True),
        sa.Column("task_type", sa.Text, primary_key=True),
        sa.Column("agent_registered_at", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("pulls", sa.BigInteger, nullable=False),
        sa.Column("successes", sa.BigInteger, nullable=False),
        sa.Column("quality_sum", sa.Double, nullable=False),
        sa.Column("latency_sum_ms", sa.Double, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
