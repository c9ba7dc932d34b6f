"""What the events of each agent add up to, kept as they come: totals, and latencies counted in buckets."""

from __future__ import annotations

import math
from collections import Counter

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_GROWTH = 1.01 / 0.99

TOTALS = """
    INSERT INTO event_totals
    SELECT coalesce(agent_id, ''), type, count(*), count(success), count(CASE WHEN success THEN 1 END),
           count(quality_score), coalesce(sum(quality_score), 0), count(latency_ms), coalesce(sum(latency_ms), 0),
           coalesce(sum(cost), 0), coalesce(sum(tokens_used), 0), min(timestamp), max(timestamp)
    FROM events GROUP BY coalesce(agent_id, ''), type
"""


def upgrade() -> None:
    """Make the tables, and fill them from the events there are."""
    op.drop_index("events_of_agent", "events")
    op.create_index("events_of_agent", "events", ["agent_id", "type", "timestamp"])
    op.create_table(
        "event_totals",
        sa.Column("agent_id", sa.Text, primary_key=True),
        sa.Column("type", sa.Text, primary_key=True),
        *(
            sa.Column(name, sa.BigInteger, nullable=False)
            for name in ("events", "judged", "succeeded", "rated")
        ),
        sa.Column("quality_sum", sa.Double, nullable=False),
        sa.Column("timed", sa.BigInteger, nullable=False),
        sa.Column("latency_sum_ms", sa.Double, nullable=False),
        sa.Column("cost", sa.Double, nullable=False),
        sa.Column("tokens", sa.BigInteger, nullable=False),
        sa.Column("first_at", sa.BigInteger, nullable=False),
        sa.Column("last_at", sa.BigInteger, nullable=False),
    )
    op.execute(TOTALS)
    op.create_table(
        "event_latencies",
        sa.Column("agent_id", sa.Text, primary_key=True),
        sa.Column("bucket", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    count_latencies(op.get_bind())


def count_latencies(connection: sa.Connection) -> None:
    """Fill the buckets from the completed executions there are."""
    counts: Counter[tuple[str, int]] = Counter()
    timed = sa.text(
        "SELECT coalesce(agent_id, '') AS agent, latency_ms FROM events "
        "WHERE type = 'task_execution_complete' AND latency_ms IS NOT NULL"
    )
    for agent, latency_ms in connection.execute(timed.execution_options(stream_results=True)):
        slot = -346 if latency_ms < 0.001 else math.ceil(math.log(latency_ms) / math.log(_GROWTH))
        counts.update([(agent, slot), ("*", slot)])
    if counts:
        connection.execute(
            sa.text("INSERT INTO event_latencies (agent_id, bucket, count) VALUES (:agent, :bucket, :count)"),
            [{"agent": agent, "bucket": slot, "count": n} for (agent, slot), n in counts.items()],
        )
