"""Routing (ARBITER-002): which agent gets a task, and what its outcome teaches.

May import `arbiter.errors`, `events`, `protocols`, `operation`, `section`, the orchestrator's vocabulary, pydantic and
the OpenTelemetry API; `store.py` alone also SQLAlchemy and `storage`. Never another component: what routing needs of
the registry and the tracker it states as Protocols in `ports.py`, and the composition root introduces them.
"""
