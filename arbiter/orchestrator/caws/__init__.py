"""CAWS (ARBITER-003): does a working spec hold what its rule set asks for?

May import `arbiter.errors`, `events`, `protocols`, `operation`, `section`, the orchestrator's vocabulary, pydantic and
PyYAML. Never another component.
"""
