"""Checks, thresholds, gates, reports and the heartbeat."""
