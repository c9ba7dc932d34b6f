"""A decision as a row of its table, and back."""

from __future__ import annotations

from dataclasses import fields

import orjson
from sqlalchemy import RowMapping

from arbiter.orchestrator.routing.contents import Grounds, Record
from arbiter.orchestrator.routing.models import Decision, Outcome, Task
from arbiter.orchestrator.storage.journal import Row
from arbiter.orchestrator.storage.schema import microseconds

__all__ = ["record_of", "row_of"]


def row_of(record: Record) -> Row:
    """The decision as the driver takes it."""
    decision, grounds = record.decision, record.grounds
    return {
        "decision_id": decision.decision_id,
        "task_id": decision.task_id,
        "agent_id": decision.selected_agent,
        "agent_registered_at": microseconds(record.agent_registered_at),
        "task": record.task.model_dump_json(),
        "strategy": decision.strategy,
        "explored": decision.explored,
        "score": grounds.score,
        "seed": grounds.seed,
        "state_sequence": grounds.state_sequence,
        "propensity": grounds.propensity,
        "candidates": grounds.candidates,
        "confidence": decision.confidence,
        "reason": decision.reason,
        "alternatives": orjson.dumps([vars(alternative) for alternative in decision.alternatives]).decode(),
        "decided_at": microseconds(decision.decided_at),
        "lease_expires_at": microseconds(record.lease_expires_at),
        "trace_id": decision.trace_id,
    }


def record_of(row: RowMapping) -> Record:
    """The decision of a row of the table."""
    decision = Decision(
        decision_id=row["decision_id"],
        task_id=row["task_id"],
        selected_agent=row["agent_id"],
        strategy=row["strategy"],
        explored=row["explored"],
        confidence=row["confidence"],
        reason=row["reason"],
        alternatives=row["alternatives"],
        decided_at=row["decided_at"],
        trace_id=row["trace_id"],
    )
    return Record(
        task=Task.model_validate(row["task"]),
        decision=decision,
        agent_registered_at=row["agent_registered_at"],
        grounds=Grounds(**{field.name: row[field.name] for field in fields(Grounds)}),
        lease_expires_at=row["lease_expires_at"],
        outcome=None if row["outcome"] is None else Outcome.model_validate(row["outcome"]),
        outcome_at=row["outcome_at"],
        late=bool(row["late"]),
    )
