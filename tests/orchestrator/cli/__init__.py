"""The orchestrator's commands."""
