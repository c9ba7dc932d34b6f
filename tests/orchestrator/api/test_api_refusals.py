"""Bad input is refused by field and changes nothing; every error is a problem document."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from opentelemetry.sdk.trace import TracerProvider
from structlog.testing import capture_logs

from arbiter.errors import DeadlineExceeded, Rejected, Unavailable
from arbiter.orchestrator.api.refusals import install
from arbiter.orchestrator.storage.errors import StorageError, StorageUnavailable
from tests.orchestrator.kit import Served, Serving, agent, problem_code

JSON = {"Content-Type": "application/json"}
GOOD = {"success": True, "quality_score": 0.9, "latency_ms": 1200}


async def state(served: Served) -> object:
    """Everything that bad input could have changed."""
    backup = (await served.http.get("/v1/registry/backup")).json()
    await served.tracker.flush()
    return {**backup, "taken_at": None}, (await served.http.get("/v1/performance/summary")).json()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "field"),
    [
        ("POST", "/v1/agents", {**agent("x"), "colour": "red"}, 422, "colour"),
        ("POST", "/v1/agents", agent("x\u0007y"), 422, "id"),
        ("POST", "/v1/agents", agent("x" * 256), 422, "id"),
        ("POST", "/v1/agents", agent(".."), 422, "id"),
        ("POST", "/v1/agents", {**agent("x"), "name": "a\u0000b"}, 422, "name"),
        (
            "POST",
            "/v1/agents",
            {**agent("x"), "capabilities": {"task_types": []}},
            422,
            "capabilities.task_types",
        ),
        ("POST", "/v1/agents", {"id": "x"}, 422, "name"),
        ("POST", "/v1/agents", [], 422, "body"),
        ("POST", "/v1/agents", None, 422, "body"),
        ("POST", "/v1/agents?loud=1", agent("x"), 422, "loud"),
        ("POST", "/v1/agents/a/performance", {**GOOD, "latency_ms": -1}, 422, "latency_ms"),
        ("POST", "/v1/agents/a/performance", {**GOOD, "quality_score": 1.5}, 422, "quality_score"),
        ("POST", "/v1/agents/a/performance", {**GOOD, "cost": "much"}, 422, "cost"),
        ("POST", "/v1/agents/a%00b/performance", GOOD, 422, "agent_id"),
        ("POST", "/v1/agents/a/performance", {**GOOD, "success": "yes"}, 422, "success"),
        ("POST", "/v1/agents/a/performance", {**GOOD, "latency_ms": True}, 422, "latency_ms"),
        ("POST", "/v1/agents", {**agent("x"), "max_concurrent_tasks": "3"}, 422, "max_concurrent_tasks"),
        ("POST", "/v1/tasks/route", {"task_type": "code-review", "priority": True}, 422, "priority"),
        ("POST", "/v1/tasks/route", {"task_type": "code-review", "metadata": {"a": []}}, 422, "metadata.a"),
        ("GET", "/v1/performance/integrity?cursor=%00.1", None, 422, "cursor"),
        ("PUT", "/v1/agents/a/status", {"status": "asleep"}, 422, "status"),
        ("GET", "/v1/agents?min_success_rate=1.5", None, 422, "min_success_rate"),
        ("GET", "/v1/agents?langauges=Go", None, 422, "langauges"),
        ("GET", "/v1/agents?limit=0", None, 422, "limit"),
        ("GET", "/v1/agents?cursor=made-up", None, 422, "cursor"),
        ("GET", "/v1/agents/%0A", None, 422, "agent_id"),
        ("DELETE", f"/v1/agents/{'x' * 256}", None, 422, "agent_id"),
        ("POST", "/v1/tasks/route", {"task_type": "code-review", "priority": 11}, 422, "priority"),
        ("POST", "/v1/tasks/route", {"task_type": "code-review", "timeout_ms": 0}, 422, "timeout_ms"),
        ("POST", "/v1/tasks/route", {}, 422, "task_type"),
        ("POST", "/v1/tasks/a%07b/outcome", GOOD, 422, "task_id"),
        ("POST", "/v1/tasks/unknown/outcome", GOOD, 404, "task_id"),
        ("POST", "/v1/registry/restore", {"agents": []}, 422, "taken_at"),
        ("GET", "/v1/performance/training-batches?limit=1e9", None, 422, "limit"),
        ("GET", "/v1/performance/summary?since=now", None, 422, "since"),
    ],
)
async def test_bad_input_names_its_field_and_changes_nothing(
    serving: Serving, method: str, path: str, body: Any, status: int, field: str
) -> None:
    """Each fault gets its 4xx problem with the field's path, and the state is what it was."""
    async with serving() as served:
        await served.register(agent("a"))
        before = await state(served)

        answer = await served.http.request(method, path, json=body, headers=JSON)

        assert answer.status_code == status, answer.text
        assert problem_code(answer)
        assert answer.json()["errors"][0]["field"] == field
        assert await state(served) == before


@pytest.mark.parametrize(
    ("body", "position"),
    [
        (b'{"id": ', 8),
        (b'{"id": "a",}', 11),
        (b"[" * 5000, 1026),
        (b'{"cost": NaN}', 10),
        (b'{"id": "\xff"}', 1),
    ],
)
async def test_malformed_json_gets_400_with_the_position(
    serving: Serving, body: bytes, position: int
) -> None:
    """Text that is no JSON is refused before anything looks at it, and the place is told."""
    async with serving() as served:
        answer = await served.http.post("/v1/agents", content=body, headers=JSON)

        assert (answer.status_code, problem_code(answer)) == (400, "malformed-json")
        assert f"character {position}" in answer.json()["detail"]
        assert answer.json()["errors"][0]["field"] == "body"


async def test_a_body_that_is_not_declared_as_json_gets_415(serving: Serving) -> None:
    """What `curl -d` sends by default is refused with the header that is needed."""
    async with serving() as served:
        answer = await served.http.post(
            "/v1/agents", content=b"{}", headers={"Content-Type": "application/x-www-form-urlencoded"}
        )

        assert (answer.status_code, problem_code(answer)) == (415, "unsupported-media-type")
        assert "application/json" in answer.json()["hint"]


async def test_the_list_of_faults_is_bounded(serving: Serving) -> None:
    """Thousands of faults do not make an answer of megabytes."""
    async with serving() as served:
        body = {**agent("x"), **{f"field-{number}": 1 for number in range(5000)}}

        answer = await served.http.post("/v1/agents", json=body)

        assert answer.status_code == 422
        assert len(answer.content) < 10_000
        assert "more)" in answer.json()["detail"]


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/agents/", "/v1/agents/a/b", "/v1/agents/a%2Fb", "/docs/assets/no.js"]
)
async def test_an_unknown_path_gets_a_problem(serving: Serving, path: str) -> None:
    """404 without redirects, as a problem document."""
    async with serving() as served:
        answer = await served.http.get(path)

        assert (answer.status_code, problem_code(answer)) == (404, "route-not-found")


async def test_a_wrong_method_is_told_the_right_ones(serving: Serving) -> None:
    """405 names all methods of the path, though they belong to several routes."""
    async with serving() as served:
        answer = await served.http.patch("/v1/agents/a")

        assert (answer.status_code, problem_code(answer)) == (405, "method-not-allowed")
        assert answer.headers["allow"] == "DELETE, GET"


@pytest.mark.parametrize("path", ["/v1/agents/a", "/v1/performance/summary", "/v1/registry/backup"])
async def test_no_operation_takes_a_query_that_it_does_not_know(serving: Serving, path: str) -> None:
    """A misspelt parameter is an error, never passed over."""
    async with serving() as served:
        answer = await served.http.get(f"{path}?verbose=1")

        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "verbose")


def raising(error: Exception) -> httpx2.AsyncClient:
    """A client of an API whose only route raises `error`."""
    app = FastAPI()
    install(app)

    @app.get("/x")
    async def fail() -> None:
        """Raises."""
        raise error

    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://arbiter.test")


@pytest.mark.parametrize(
    ("error", "status", "code", "retry_after"),
    [
        (Rejected("registry.query", 12.2), 503, "rejected", "13"),
        (Rejected("registry.query"), 503, "rejected", "1"),
        (Unavailable("Not now.", retry_after_s=0.1), 503, "unavailable", "1"),
        (DeadlineExceeded("router.route", 5), 504, "deadline-exceeded", None),
        (StorageUnavailable("connection to 10.0.0.1 refused"), 503, "storage-unavailable", "1"),
        (StorageError("no such column"), 500, "internal", None),
    ],
)
async def test_what_is_not_the_callers_fault_is_told_as_such(
    error: Exception, status: int, code: str, retry_after: str | None
) -> None:
    """Rejections and a database that is away are 503 with Retry-After in whole seconds; a passed deadline is 504."""
    async with raising(error) as http:
        answer = await http.get("/x")

    assert (answer.status_code, problem_code(answer)) == (status, code)
    assert answer.headers.get("retry-after") == retry_after
    assert "10.0.0.1" not in answer.text


async def test_the_unforeseen_is_logged_and_not_shown() -> None:
    """An unexpected exception is 500 without its words; the log has it once, with the traceback."""
    async with raising(RuntimeError("password is hunter2")) as http:
        with capture_logs() as logged:
            answer = await http.get("/x")

    assert (answer.status_code, problem_code(answer)) == (500, "internal")
    assert "hunter2" not in answer.text
    (entry,) = logged
    assert (entry["log_level"], entry["route"], entry["method"]) == ("error", "/x", "GET")
    assert isinstance(entry["exc_info"], RuntimeError)


async def test_a_problem_carries_the_trace_id(serving: Serving) -> None:
    """Inside a trace, the id in the error body is that of the current span."""
    tracer = TracerProvider().get_tracer("test")
    async with serving() as served:
        with tracer.start_as_current_span("request") as span:
            answer = await served.http.get("/v1/agents/nobody")

    assert answer.json()["trace_id"] == f"{span.get_span_context().trace_id:032x}"


SILENT = """
import asyncio, httpx2
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from arbiter.orchestrator.api.app import create_api
seen, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(seen))
trace.set_tracer_provider(provider)
app = create_api(registry=None, router=None, validator=None, tracker=None, version="0")
async def main():
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://t") as http:
        assert (await http.get("/openapi.json")).status_code == 200
        assert (await http.get("/v1/agents?x=1")).status_code == 422
asyncio.run(main())
assert seen.get_finished_spans() == (), seen.get_finished_spans()
"""


def test_the_api_leaves_tracing_to_us() -> None:
    """FastAPI's own spans are off, also where a global tracer is set and the environment asks for them."""
    environment = {**os.environ, "FASTAPI_OTEL_AUTO_CONFIGURE": "true"}

    outcome = subprocess.run(
        [sys.executable, "-c", SILENT], env=environment, capture_output=True, text=True, check=False
    )

    assert outcome.returncode == 0, outcome.stderr
