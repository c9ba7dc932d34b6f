"""ARBITER-001, the agent registry: who can do what, how well they did it, how much they carry now.

May import `arbiter.operation`, `events`, `protocols`, `errors`, `section`, the vocabulary, pydantic and the
OpenTelemetry API; only `store.py` imports SQLAlchemy and `orchestrator.storage`. Never another component.
"""
