"""The orchestrator as a real process: start, serve, stop, refuse."""
