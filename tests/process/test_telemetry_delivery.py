"""Telemetry that cannot be delivered, and the variables that steer it, in a real process."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.observability.receiver import receiving
from tests.process.test_stop import AGENT, TASK
from tests.processes import Service, arbiter, running

SETTINGS = (
    "observability.log_format=json",
    "observability.log_level=info",
    "observability.exporter=auto",
)


@contextmanager
def collector(state: str) -> Iterator[str]:
    """The address of a collector that is refused, hanging or 503."""
    if state == "refused":
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            yield f"http://127.0.0.1:{taken.getsockname()[1]}"
        return
    with receiving(status=503, hang=state == "hanging") as received:
        yield received.endpoint


def lines_of(service: Service, event: str) -> list[dict[str, Any]]:
    """The JSON log lines that say this."""
    lines = [json.loads(line) for line in service.output().splitlines() if line.startswith('{"timestamp"')]
    return [line for line in lines if line["event"] == event]


@pytest.mark.parametrize("state", ["refused", "hanging", "503"])
def test_t03_a_dead_collector_costs_its_budget_and_nothing_else(tmp_path: Path, state: str) -> None:
    """Requests are answered, the stop keeps telemetry's budget, the exit is clean, and the loss is counted."""
    with (
        collector(state) as endpoint,
        running(
            tmp_path,
            *SETTINGS,
            "lifecycle.telemetry_s=1",
            variables={"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_SCHEDULE_DELAY": "100"},
        ) as service,
    ):
        httpx2.post(f"{service.url}/v1/agents", json=AGENT).raise_for_status()
        for _ in range(20):
            httpx2.post(f"{service.url}/v1/tasks/route", json=TASK, timeout=5).raise_for_status()
        shown = httpx2.get(f"{service.management}/info").json()["telemetry"]
        code = service.terminate()

    assert code == 0
    assert shown["spans"]["accepted"] > 20
    assert shown["spans"]["delivered"] == 0
    (last,) = lines_of(service, "telemetry.flushed")
    spans = last["spans"]
    assert last["level"] == "warning"
    assert (last["complete"], spans["delivered"], last["logs"]["delivered"]) == (False, 0, 0)
    assert spans["failed"] + spans["dropped"] + spans["lost"] == spans["accepted"] > 20
    assert last["duration_s"] < 3


def test_t04_a_disabled_sdk_starts_no_thread(tmp_path: Path) -> None:
    """OTEL_SDK_DISABLED=true leaves no exporter's thread, although an endpoint is named."""
    variables = {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    with running(tmp_path, *SETTINGS, variables=variables) as service:
        tasks = Path(f"/proc/{service.process.pid}/task")
        names = {(task / "comm").read_text().strip() for task in tasks.iterdir()}
        answer = httpx2.post(f"{service.url}/v1/agents", json=AGENT)

    assert answer.status_code == 201
    assert not [name for name in names if name.startswith(("Otel", "arbiter.metrics"))]
    assert "trace_id" not in service.output()


def test_t04_variables_beat_settings(tmp_path: Path) -> None:
    """OTEL_SERVICE_NAME, OTEL_TRACES_EXPORTER and a wrong sampler's argument have their effect."""
    variables = {
        "OTEL_SERVICE_NAME": "from-outside",
        "OTEL_TRACES_EXPORTER": "console",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "many",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    with running(
        tmp_path, *SETTINGS, "observability.service_name=from-settings", variables=variables
    ) as service:
        httpx2.post(f"{service.url}/v1/agents", json=AGENT).raise_for_status()
        metrics = httpx2.get(f"{service.management}/metrics").text
        code = service.terminate()

    assert code == 0
    assert 'service_name="from-outside"' in metrics
    assert '"name": "registry.register"' in service.output()
    (warning,) = lines_of(service, "telemetry.invalid_variable")
    assert (warning["level"], warning["variable"]) == ("warning", "OTEL_TRACES_SAMPLER_ARG")


def test_t04_an_unknown_propagator_is_a_start_error() -> None:
    """OTEL_PROPAGATORS=bogus ends the start with code 78 and a sentence that names the known ones."""
    outcome = arbiter("run", variables={"OTEL_PROPAGATORS": "tracecontext,bogus", "ARBITER_ENV": "test"})

    assert outcome.returncode == 78
    assert "OTEL_PROPAGATORS names 'bogus'" in outcome.stderr
    assert "tracecontext" in outcome.stderr.rpartition("Hint:")[2]
    assert "Traceback" not in outcome.stderr
