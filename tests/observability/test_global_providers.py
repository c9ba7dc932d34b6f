"""OpenTelemetry's globals, which can be set once in a process: hence a process of their own."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
from opentelemetry import baggage, metrics, propagate, trace
from arbiter.observability.global_providers import make_global
from arbiter.observability.settings import ObservabilitySettings
from arbiter.observability.telemetry import Telemetry
from arbiter.testing.live import Fixed

library = trace.get_tracer("library")  # before: as a library does when it is imported
first, second = (Telemetry(Fixed(ObservabilitySettings(exporter="memory")), environ={}) for _ in range(2))
make_global(first)
make_global(second)
with library.start_as_current_span("theirs"):
    metrics.get_meter("library").create_counter("their.calls").add(2)
    headers = {}
    propagate.inject(headers, baggage.set_baggage("tenant", "acme"))
print([span.name for span in first.memory.spans.spans], [span.name for span in second.memory.spans.spans])
print([one.value for one in first.memory.metrics.read() if one.name == "their.calls"], sorted(headers))
"""


def test_libraries_report_to_whoever_asked_first() -> None:
    """The first application that asks for the globals has them, the second is warned and goes on without."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True
    )

    spans, numbers = done.stdout.splitlines()[-2:]
    assert spans == "['theirs'] []"
    assert numbers == "[2] ['baggage', 'traceparent']"
    assert "telemetry.globals_taken" in done.stdout + done.stderr
