"""Guarded calls: breaker, deadline, bulkhead, fallback, span and counts, in one seam around each operation.

May import `operation`, `events`, `protocols`, `errors`, `section`, `clock`, pybreaker (here alone), pydantic and the
OpenTelemetry API. Meets the other pillars through protocols and events only.
"""
