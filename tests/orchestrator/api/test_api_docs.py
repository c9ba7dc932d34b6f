"""The OpenAPI document is whole, and the page that shows it needs no internet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.orchestrator.kit import Serving

METHODS = {"get", "post", "put", "delete"}


@pytest.fixture
def any_url(sqlite_url: str) -> str:
    """One kind of database will do: nothing here depends on it."""
    return sqlite_url


def operations(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every operation, as path, method and description."""
    for path, item in schema["paths"].items():
        for method in METHODS & set(item):
            yield path, method, item[method]


def references(node: object) -> Iterator[str]:
    """Every `$ref` below `node`."""
    match node:
        case {"$ref": str(target)}:
            yield target
        case dict():
            for value in node.values():
                yield from references(value)
        case list():
            for value in node:
                yield from references(value)


async def test_every_route_of_the_design_is_documented(serving: Serving) -> None:
    """The paths are those of the design and the explanation of a decision, each operation with an id, a tag and a description."""
    async with serving() as served:
        schema = (await served.http.get("/openapi.json")).json()

    assert {f"{method.upper()} {path}" for path, method, _ in operations(schema)} == {
        "POST /v1/agents",
        "GET /v1/agents",
        "GET /v1/agents/{agent_id}",
        "DELETE /v1/agents/{agent_id}",
        "POST /v1/agents/{agent_id}/performance",
        "PUT /v1/agents/{agent_id}/status",
        "PUT /v1/agents/{agent_id}/capabilities",
        "POST /v1/agents/{agent_id}/heartbeat",
        "GET /v1/agents/{agent_id}/history",
        "POST /v1/tasks/route",
        "POST /v1/tasks/{task_id}/outcome",
        "GET /v1/tasks/{task_id}/decision",
        "POST /v1/specs/validate",
        "GET /v1/performance/agents/{agent_id}",
        "GET /v1/performance/agents/{agent_id}/profile",
        "GET /v1/performance/anomalies",
        "POST /v1/performance/events",
        "GET /v1/performance/integrity",
        "GET /v1/performance/summary",
        "GET /v1/performance/training-batches",
        "GET /v1/registry/backup",
        "POST /v1/registry/restore",
    }
    found = [operation for _, _, operation in operations(schema)]
    assert len({operation["operationId"] for operation in found}) == len(found)
    assert all(operation["tags"] and operation["description"] for operation in found)


async def test_every_operation_documents_its_problems(serving: Serving) -> None:
    """Errors are described as problem documents, 422, 500, 503 and 504 everywhere, and FastAPI's own form nowhere."""
    async with serving() as served:
        schema = (await served.http.get("/openapi.json")).json()

    for path, method, operation in operations(schema):
        errors = {status: answer for status, answer in operation["responses"].items() if int(status) >= 400}
        assert {"422", "500", "503", "504"} <= set(errors), (method, path)
        for answer in errors.values():
            assert list(answer["content"]) == ["application/problem+json"], (method, path)
    assert "HTTPValidationError" not in schema["components"]["schemas"]


async def test_every_reference_leads_somewhere(serving: Serving) -> None:
    """A client can be generated: no `$ref` dangles."""
    async with serving() as served:
        schema = (await served.http.get("/openapi.json")).json()

    known = {f"#/components/schemas/{name}" for name in schema["components"]["schemas"]}
    assert set(references(schema)) <= known


async def test_bodies_have_examples(serving: Serving) -> None:
    """Whoever tries an operation that creates or reports something finds a body that works."""
    async with serving() as served:
        schema = (await served.http.get("/openapi.json")).json()

    for path in ("/v1/agents", "/v1/tasks/route", "/v1/tasks/{task_id}/outcome", "/v1/specs/validate"):
        contents = schema["paths"][path]["post"]["requestBody"]["content"]
        assert any(content.get("examples") for content in contents.values()), path


@pytest.mark.parametrize("prefix", ["", "/behind/a/prefix"])
async def test_the_page_works_offline_and_behind_a_prefix(serving: Serving, prefix: str) -> None:
    """/docs and all that it loads come from this service, by relative addresses."""
    async with serving(prefix=prefix) as served:
        page = await served.http.get("/docs")
        addresses = re.findall(r"""(?:href|src)="([^"]+)"|url: '([^']+)'""", page.text)

        assert page.status_code == 200
        assert "//" not in "".join(re.findall(r"""["'][^"']*["']""", page.text))
        assert len(addresses) == 4
        for address in map("".join, addresses):
            assert not address.startswith("/")
            assert (await served.http.get(f"/{address}")).status_code == 200
