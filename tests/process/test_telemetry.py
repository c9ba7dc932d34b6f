"""One request is one trace, and its id is wherever a person would look for it."""

from __future__ import annotations

import json
from pathlib import Path

import httpx2

from tests.observability.receiver import receiving
from tests.process.test_stop import AGENT, TASK
from tests.processes import Service, running, until

TRACE = "0af7651916cd43dd8448eb211c80319c"
LOGGED = ("observability.log_format=json", "observability.log_level=info")
HEADERS = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}


def lines_of(service: Service, trace_id: str) -> list[dict[str, object]]:
    """The JSON log lines that carry this trace id."""
    lines = [json.loads(line) for line in service.output().splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("trace_id") == trace_id]


def test_a_routed_task_is_one_trace_from_http_to_tracker(tmp_path: Path) -> None:
    """A route is one trace of HTTP, router, registry and tracker that continues the caller's traceparent."""
    with (
        receiving() as otlp,
        running(
            tmp_path, *LOGGED, "observability.exporter=otlp", f"observability.otlp_endpoint={otlp.endpoint}"
        ) as service,
    ):
        httpx2.post(f"{service.url}/v1/agents", json=AGENT).raise_for_status()
        decision = httpx2.post(f"{service.url}/v1/tasks/route", json=TASK, headers=HEADERS).json()
        service.terminate()
        spans = {span.name: span for span in otlp.trace(TRACE)}

    assert decision["trace_id"] == TRACE
    assert {"POST /v1/tasks/route", "router.route", "registry.roster", "tracker.offer"} <= spans.keys()
    assert spans["POST /v1/tasks/route"].parent_span_id.hex() == "b7ad6b7169203331"
    assert spans["router.route"].parent_span_id == spans["POST /v1/tasks/route"].span_id
    assert spans["registry.roster"].parent_span_id == spans["router.route"].span_id
    assert lines_of(service, TRACE)


def test_a_failing_request_carries_its_trace_id_in_body_and_log(tmp_path: Path) -> None:
    """The problem document of a refused request and its log lines hold the id of the caller's trace."""
    with running(tmp_path, *LOGGED) as service:
        answer = httpx2.post(
            f"{service.url}/v1/tasks/route", json={"task_type": "no-such-skill"}, headers=HEADERS
        )
        until(lambda: lines_of(service, TRACE), what="the log line of the request")

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["trace_id"] == TRACE
    assert "no-such-skill" in answer.json()["detail"]


def test_tracing_and_metrics_can_be_switched_off(tmp_path: Path) -> None:
    """With both off there is no trace id anywhere, and nothing to scrape."""
    with running(
        tmp_path, "observability.tracing_enabled=false", "observability.metrics_enabled=false"
    ) as service:
        answer = httpx2.post(f"{service.url}/v1/tasks/route", json={"task_type": "x"}, headers=HEADERS)
        metrics = httpx2.get(f"{service.management}/metrics")

    assert answer.status_code == 422
    assert "trace_id" not in answer.json()
    assert metrics.status_code == 200
    assert metrics.text == ""


def test_metrics_show_what_was_done(tmp_path: Path) -> None:
    """The counters of requests, guarded operations and breakers are scraped from the management port."""
    with running(tmp_path) as service:
        httpx2.post(f"{service.url}/v1/agents", json=AGENT).raise_for_status()
        httpx2.post(f"{service.url}/v1/tasks/route", json=TASK).raise_for_status()
        text = httpx2.get(f"{service.management}/metrics").text

    assert "http_server_request_duration_seconds_count" in text
    assert "arbiter_operation_calls_total{" in text
    assert 'operation="router.route"' in text
    assert "arbiter_circuit_breaker_state" in text


def test_the_circuit_breaker_can_be_switched_off(tmp_path: Path) -> None:
    """Without breakers the service works the same, and lists none as in charge."""
    with running(tmp_path, "resilience.circuit_breaker_enabled=false") as service:
        httpx2.post(f"{service.url}/v1/agents", json=AGENT).raise_for_status()
        breakers = httpx2.get(f"{service.management}/breakers").json()

    assert all(not breaker["enabled"] for breaker in breakers)
