"""Tests of the orchestrator's storage room."""
