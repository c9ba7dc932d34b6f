"""What the stored events add up to, kept beside them in the same transaction, so that a summary costs a few rows.

Of each agent and kind there are counts and sums, of each agent the latencies of its completed executions, counted in
buckets (see `sketch`). An index of latencies instead costs three times the write: every event lands on another page.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import Any, Final

from sqlalchemy import Connection, delete, func, select, update

from arbiter.orchestrator.performance.models import EventType, Summary
from arbiter.orchestrator.performance.sketch import percentile
from arbiter.orchestrator.performance.sums import Key, Sums, Total, totals_of
from arbiter.orchestrator.storage.bulk import add_up
from arbiter.orchestrator.storage.schema import event_latencies, event_totals, events, microseconds

__all__ = ["SUMMED", "add", "summary", "take_off"]

SUMMED: Final = (
    events.c.agent_id,
    events.c.type,
    events.c.success,
    events.c.quality_score,
    events.c.latency_ms,
    events.c.cost,
    events.c.tokens_used,
    events.c.timestamp,
)
"""The columns of an event that totals are made of."""

_SUMS: Final = (
    "events", "judged", "succeeded", "rated", "quality_sum", "timed", "latency_sum_ms", "cost", "tokens",
)  # fmt: skip

_sums_of: Final = attrgetter(*_SUMS)
_by_key: Final = itemgetter(0)

_ALL: Final = "*"
"""Stands for all agents together; no agent can be called so."""

_EXACT: Final = 1000
"""Up to so many executions are looked at one by one."""


def add(connection: Connection, added: Mapping[Key, Total]) -> None:
    """Add what new events come to."""
    rows = [
        (agent_id, str(kind), *_sums_of(one), microseconds(one.first_at), microseconds(one.last_at))
        for (agent_id, kind), one in sorted(added.items(), key=_by_key)
    ]
    add_up(connection, event_totals, rows, least=("first_at",), greatest=("last_at",))
    add_up(connection, event_latencies, _latencies(added, 1))


def take_off(connection: Connection, gone: Sequence[Any]) -> None:
    """Take the deleted events, rows of `SUMMED`, off the totals again."""
    taken = totals_of(gone)
    add_up(connection, event_latencies, _latencies(taken, -1))
    connection.execute(delete(event_latencies).where(event_latencies.c["count"] <= 0))
    for (agent_id, kind), one in sorted(taken.items(), key=_by_key):
        total = (event_totals.c.agent_id == agent_id, event_totals.c.type == kind)
        less = zip(_SUMS, _sums_of(one), strict=True)
        left = {name: event_totals.c[name] - value for name, value in less}
        connection.execute(update(event_totals).where(*total).values(left))
        # the sums are right already; what is left begins later than before
        whose = events.c.agent_id == agent_id if agent_id else events.c.agent_id.is_(None)
        of_kind = (whose, events.c.type == kind)
        first, last = select(func.min(events.c.timestamp)), select(func.max(events.c.timestamp))
        bounds = {
            "first_at": first.where(*of_kind).scalar_subquery(),
            "last_at": last.where(*of_kind).scalar_subquery(),
        }
        connection.execute(delete(event_totals).where(*total, event_totals.c.events <= 0))
        connection.execute(update(event_totals).where(*total).values(bounds))


def summary(connection: Connection, agent_id: str | None) -> Summary:
    """What one agent's events, or all events, add up to."""
    chosen = select(event_totals)
    if agent_id is not None:
        chosen = chosen.where(event_totals.c.agent_id == agent_id)
    rows = connection.execute(chosen).all()
    done = [row for row in rows if row.type == EventType.TASK_EXECUTION_COMPLETE]
    by_type: dict[str, int] = {}
    for row in sorted(rows, key=lambda row: str(row.type)):
        by_type[row.type] = by_type.get(row.type, 0) + row.events
    succeeded, timed = sum(row.succeeded for row in done), sum(row.timed for row in done)
    return Summary(
        events=sum(by_type.values()),
        by_type=by_type,
        completed=sum(row.events for row in done),
        succeeded=succeeded,
        success_rate=_mean(succeeded, sum(row.judged for row in done)),
        average_quality=_mean(math.fsum(row.quality_sum for row in done), sum(row.rated for row in done)),
        average_latency_ms=_mean(math.fsum(row.latency_sum_ms for row in done), timed),
        p95_latency_ms=_percentile(connection, agent_id, timed) if timed else None,
        total_cost=math.fsum(row.cost for row in rows),
        total_tokens=sum(row.tokens for row in rows),
        first_at=min((row.first_at for row in rows), default=None),
        last_at=max((row.last_at for row in rows), default=None),
    )


def _mean(total: float, count: int) -> float | None:
    return total / count if count else None


def _percentile(connection: Connection, agent_id: str | None, count: int) -> float | None:
    if agent_id is not None and count <= _EXACT:
        latencies = select(events.c.latency_ms).where(
            events.c.agent_id == agent_id,
            events.c.type == EventType.TASK_EXECUTION_COMPLETE,
            events.c.latency_ms.is_not(None),
        )
        found: list[float] = sorted(connection.execute(latencies).scalars())
        return found[math.ceil(0.95 * count) - 1]
    buckets = select(event_latencies.c.bucket, event_latencies.c["count"])
    whose = event_latencies.c.agent_id == (_ALL if agent_id is None else agent_id)
    return percentile(dict(connection.execute(buckets.where(whose)).all()), 0.95)


def _latencies(summed: Mapping[Key, Total], sign: int) -> list[tuple[str, int, int]]:
    found: list[tuple[str, int, int]] = []
    overall = Sums()
    for (agent_id, kind), one in summed.items():
        if kind == EventType.TASK_EXECUTION_COMPLETE:
            found += [(agent_id, bucket, sign * count) for bucket, count in one.latencies.items()]
            overall.add(one)
    found += [(_ALL, bucket, sign * count) for bucket, count in overall.latencies.items()]
    return sorted(found)
