"""What outsiders see of a service at work: a collector, Prometheus."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from scripts.metrics import PAGE, document
from tests.observability.receiver import Receiver, receiving
from tests.process.test_stop import AGENT, TASK
from tests.processes import answer_of, arbiter, running, until
from tests.servers import ServerMissing, prometheus, promtool

T = TypeVar("T")

LOGGED = ("observability.log_format=json", "observability.log_level=info")
TASKS = 12


@contextmanager
def required(server: AbstractContextManager[T]) -> Iterator[T]:
    """The server, or a skip with the reason; a failure where the gate requires it."""
    try:
        entered = server.__enter__()
    except ServerMissing as missing:
        if os.environ.get("ARBITER_REQUIRE_SERVERS"):
            raise
        pytest.skip(str(missing))
    try:
        yield entered
    finally:
        server.__exit__(None, None, None)


def lineage(span: Span, spans: Mapping[bytes, Span]) -> list[str]:
    """The names from the root of the trace down to the span."""
    parent = spans.get(span.parent_span_id)
    return [*(lineage(parent, spans) if parent else ()), span.name]


def last_line(text: str) -> dict[str, Any]:
    """The line in which telemetry says how it went."""
    lines = [json.loads(line) for line in text.splitlines() if line.startswith('{"timestamp"')]
    found: dict[str, Any] = next(line for line in lines if line["event"] == "telemetry.flushed")
    return found


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Receiver, str]:
    """A collector that a whole demo was sent to, and what the service wrote."""
    folder = tmp_path_factory.mktemp("demo")
    with (
        receiving() as collector,
        running(
            folder,
            *LOGGED,
            "observability.exporter=otlp",
            "observability.access_log=true",
            "routing.acknowledge=commit",  # told from the journal, a decision is no span of the database's
            f"observability.otlp_endpoint={collector.endpoint}",
        ) as service,
    ):
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}
        outcome = arbiter("demo", "--tasks", str(TASKS), "--url", service.url, "--json", variables=variables)
        assert outcome.returncode == 0, outcome.stderr
        assert service.terminate() == 0
        output = service.output()
    return collector, output


def test_everything_of_the_demo_arrives_at_the_collector(demo: tuple[Receiver, str]) -> None:
    """What the service says was accepted is what the collector got: spans and lines to the last, metrics whole."""
    collector, output = demo
    told = last_line(output)

    assert told["complete"], told
    assert told["spans"]["delivered"] == told["spans"]["accepted"] == len(collector.of("arbiter"))
    assert told["logs"]["delivered"] == told["logs"]["accepted"] == len(collector.logs)
    assert told["metrics"]["delivered"] > 0
    metrics = {metric.name: metric for metric in collector.metrics}
    decided = sum(point.as_int for point in metrics["arbiter.router.decisions"].sum.data_points)
    assert decided == TASKS
    requests = metrics["http.server.request.duration"].histogram.data_points
    routes = {pair.value.string_value for point in requests for pair in point.attributes}
    assert {"/v1/tasks/route", "/v1/tasks/{task_id}/outcome"} <= routes
    lines = [line for line in collector.logs if line.body.string_value == "http.request"]
    assert {line.trace_id for line in lines} <= {span.trace_id for span in collector.spans}
    assert len(lines) == sum(span.kind == Span.SPAN_KIND_SERVER for span in collector.spans)
    assert [span.name for span in collector.of("arbiter-demo")].count("demo.task") == TASKS


def test_the_trace_of_a_task_is_a_tree_from_client_to_database(demo: tuple[Receiver, str]) -> None:
    """Each span of a task has its parent in the trace; the root is the client's task, a leaf the database."""
    collector, _ = demo
    root = next(span for span in collector.spans if span.name == "demo.task")
    spans = {span.span_id: span for span in collector.trace(root.trace_id.hex())}

    assert root.parent_span_id not in spans
    assert all(span.parent_span_id in spans for span in spans.values() if span is not root)
    paths = [lineage(span, spans) for span in spans.values()]
    routed = ["demo.task", "POST", "POST /v1/tasks/route", "router.route"]
    assert any(path[:4] == routed and path[-1] == "database.write" for path in paths)
    reported = ["demo.task", "POST", "POST /v1/tasks/{task_id}/outcome", "router.report_outcome"]
    assert any(path[:4] == reported and path[-1] == "database.write" for path in paths)
    assert all(
        root.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        for span in spans.values()
    )


def test_a_decision_says_what_it_was_made_of(demo: tuple[Receiver, str]) -> None:
    """The span of a decision names task type, candidates, strategy, exploration and score; a judgement its verdict."""
    collector, _ = demo
    spans = {span.name: {pair.key for pair in span.attributes} for span in collector.spans}

    about = {"task_type", "candidates", "strategy", "explored", "score", "agent_id"}
    assert {f"arbiter.router.{name}" for name in about} <= spans["router.route"]
    assert {f"arbiter.caws.{name}" for name in ("ruleset", "verdict", "findings")} <= spans[
        "validator.validate"
    ]
    assert {"db.system.name", "arbiter.database.waited_ms"} <= spans["database.write"]


def test_prometheus_scrapes_the_service_and_finds_nothing_wrong(tmp_path: Path) -> None:
    """Promtool has nothing to say about the page, and a Prometheus server has the numbers of the service."""
    with running(tmp_path) as service:
        httpx2.post(f"{service.url}/v1/agents", json=AGENT).raise_for_status()
        httpx2.post(f"{service.url}/v1/tasks/route", json=TASK).raise_for_status()
        page = httpx2.get(f"{service.management}/metrics").content
        with required(prometheus(service.management.removeprefix("http://"))) as server:

            def asked(query: str) -> list[Any]:
                answer = answer_of(f"{server}/api/v1/query", params={"query": query})
                return list(answer.json()["data"]["result"]) if answer.is_success else []

            until(lambda: probe_ready(server) and asked("arbiter_router_decisions_total"), what="a scrape")
            up, decisions = asked('up{job="arbiter"}'), asked("sum(arbiter_router_decisions_total)")
            median = asked(
                "histogram_quantile(0.5, sum by (le) (http_server_request_duration_seconds_bucket))"
            )
        found = promtool("check", "metrics", text=page)

    assert up[0]["value"][1] == "1"
    assert decisions[0]["value"][1] == "1"
    assert float(median[0]["value"][1]) > 0
    assert (found.returncode, found.stdout + found.stderr) == (0, b"")


def probe_ready(server: str) -> bool:
    """Whether Prometheus answers."""
    try:
        return answer_of(f"{server}/-/ready", timeout_s=2).is_success
    except httpx2.HTTPError:
        return False


def test_the_page_of_metrics_is_current() -> None:
    """docs/metrics.md is what a running application says; `python -m scripts.metrics` renews it."""
    assert PAGE.read_text(encoding="utf-8") == document()
