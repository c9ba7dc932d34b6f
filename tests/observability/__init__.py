"""Logs, traces and metrics: what is written, sent and counted."""
