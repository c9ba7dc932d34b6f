"""ARBITER-004, the performance tracker: what happened, kept durably, summed up, exported for learning.

May import `arbiter.operation`, `events`, `protocols`, `errors`, `section`, the vocabulary, pydantic and the
OpenTelemetry API; only `store.py` imports SQLAlchemy and `orchestrator.storage`. Never another component.
"""
