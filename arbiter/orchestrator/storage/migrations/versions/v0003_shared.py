"""What several instances share of agents, decisions and arms, and what a decision is explained by."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_OPEN = sa.text("outcome_at IS NULL")


def upgrade() -> None:
    """Add the columns, and count open leases by an index of their own."""
    _add("agents", sa.Integer, "queued_tasks")
    _add("agents", sa.BigInteger, "revision", default="1")
    op.add_column("agents", sa.Column("beats", sa.Boolean, nullable=False, server_default=sa.false()))
    _add("decisions", sa.BigInteger, "seed", "state_sequence")
    _add("decisions", sa.Double, "propensity")
    _add("decisions", sa.Integer, "candidates")
    _add("arms", sa.Double, "weight", "reward", "latency_ms", "cost", "costed")
    op.execute("UPDATE arms SET weight = pulls, reward = successes, latency_ms = latency_sum_ms")
    op.drop_index("decisions_by_lease", "decisions")
    op.create_index(
        "decisions_open",
        "decisions",
        ["agent_id", "lease_expires_at"],
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    )


def _add(table: str, kind: type[sa.types.TypeEngine[Any]], *names: str, default: str = "0") -> None:
    for name in names:
        op.add_column(table, sa.Column(name, kind, nullable=False, server_default=default))
