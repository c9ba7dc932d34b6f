"""Logs, traces and metrics: structlog and the OpenTelemetry SDK, owned by whoever makes them, global to
nobody.

May import `events`, `protocols`, `errors`, `section`. Nothing else in the house touches the SDK or
structlog's configuration.
"""
