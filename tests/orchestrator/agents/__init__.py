"""Tests of the orchestrator's agents room."""
