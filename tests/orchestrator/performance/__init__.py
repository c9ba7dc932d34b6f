"""Tests of the orchestrator's performance room."""
