"""Both ports against their own OpenAPI documents: what they do not document, they do not answer."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from tests.processes import Service, running, until

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
)
BOUNDED = settings(
    max_examples=6,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
BEARER = {"Authorization": "Bearer fuzz"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The orchestrator, with one token for everything."""
    tokens = (
        "server.tokens.fuzz.token=fuzz",
        'server.tokens.fuzz.scopes=["*"]',
        "management.token=fuzz",
        "registry.max_agents=100000",
    )
    with running(tmp_path_factory.mktemp("fuzz"), *tokens) as running_service:
        yield running_service
        assert running_service.terminate() == 0


@pytest.mark.parametrize("port", ["main", "management"])
def test_a_fuzzer_finds_no_undocumented_answer(service: Service, port: str) -> None:
    """Every operation, fed with valid and invalid input, answers with a status, type and shape that the document has."""
    base = service.url if port == "main" else service.management
    schema = schemathesis.openapi.from_url(f"{base}/openapi.json", headers=BEARER)
    seen = 0

    for operation in _operations(schema):
        strategy = operation.as_strategy() | operation.as_strategy(
            generation_mode=schemathesis.GenerationMode.NEGATIVE
        )
        seen += _fuzz(operation, strategy)

    assert seen >= 15
    assert service.process.poll() is None
    assert "Traceback" not in service.output()


def _operations(schema: Any) -> list[Any]:
    return [result.ok() for result in schema.get_all_operations()]


def _fuzz(operation: Any, strategy: Any) -> int:
    @BOUNDED
    @given(case=strategy)
    def attack(case: Any) -> None:
        case.call_and_validate(headers=BEARER, checks=list(CHECKS), timeout=20)

    attack()
    return 1


def test_strangers_get_401_and_nothing_else(service: Service, tmp_path: Path) -> None:
    """Without its token, no operation of the main port does anything."""
    schema = schemathesis.openapi.from_url(f"{service.url}/openapi.json")

    for operation in _operations(schema):
        case = operation.Case(path_parameters={"agent_id": "a", "task_id": "a"})
        assert case.call(timeout=20).status_code == 401, case.formatted_path


HEADERS = [
    b"Authorization: Bearer \xff\xfe\xfd",
    b"Authorization: Bearer",
    b"Authorization: " + b"A" * 8000,
    b"Authorization: Basic \x80",
    b"Host: \xff\xff",
    b"Host: [::1",
    b"Host: a, b",
    b"Content-Type: \xf0\x28\x8c\x28",
    b"Content-Type: multipart/form-data; boundary=" + b"x" * 5000,
    b"Content-Type: application/json; charset=utf-7",
    b"Accept: \xff, text/plain;q=nan",
    b"Accept-Encoding: " + b"br, " * 1000,
    b"Traceparent: 00-" + b"\xff" * 32,
    b"Traceparent: ff-ffffffffffffffffffffffffffffffff-ffffffffffffffff-ff",
    b"Tracestate: " + b"a=b," * 1000,
    b"Baggage: " + b"%FF=%00;;;," * 300,
    b"X-Forwarded-For: ' OR 1=1 --",
    b"Cookie: " + b"a=\x01;" * 100,
    b"Range: bytes=-1-0",
    b"If-None-Match: \xff",
    b"Expect: 100-continue",
    b"Upgrade: websocket\r\nConnection: Upgrade",
    b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAA",
    b"Transfer-Encoding: gzip, chunked",
    b"Origin: null",
]
PATHS = {
    "main": (b"/v1/agents", b"/v1/agents/%ff%fe", b"/v1/agents/..%2f..%2fetc", b"/v1/agents?limit=%00&limit=-1",
             b"/v1/performance/agents/%F0%28%8C%28", b"/docs/assets/..%2f..%2fapp.py", b"/health/%ff", b"//", b"/%00",
             b"/readyz?verbose=%ff"),
    "management": (b"/info", b"/health/%ff%fe", b"/health/..%2f", b"/loggers/%ff", b"/loggers/a%0d%0ab",
                   b"/refresh?dry_run=%ff", b"/config?%00", b"/events", b"//info", b"/%2e%2e/info", b"/metrics", b"/graph"),
}  # fmt: skip
BODIES = [
    b"",
    b"{",
    b"\xff\xfe",
    b"[" * 20000,
    b'{"a":' * 5000,
    b"null",
    b'"\\ud800"',
    b"1" * 5000,
    b"{}\x00",
]


@pytest.mark.parametrize("port", ["main", "management"])
def test_no_header_path_or_body_makes_it_answer_with_500(service: Service, port: str) -> None:
    """Hostile headers, paths and bodies in every combination with GET, POST and PUT: never a 5xx, never a hang."""
    address = _address(service.url if port == "main" else service.management)
    _end_maintenance(service)  # a fuzzer may have begun it, and 503 of a probe is then the right answer
    requests = [
        _request(method, path, header, body)
        for number, (method, path) in enumerate(itertools.product((b"GET", b"POST", b"PUT"), PATHS[port]))
        for header, body in (
            *((header, b"") for header in HEADERS),
            *((HEADERS[number % len(HEADERS)], body) for body in BODIES),
        )
    ]

    told = [_told(address, request) for request in requests]

    bad = [(request[:120], answer) for request, answer in zip(requests, told, strict=True) if answer >= 500]
    assert bad == []
    assert service.process.poll() is None


def _end_maintenance(service: Service) -> None:
    httpx2.put(f"{service.management}/maintenance", json={"on": False}, headers=BEARER).raise_for_status()
    until(service.is_ready, what="readiness")


def _request(method: bytes, path: bytes, header: bytes, body: bytes) -> bytes:
    head = [b"%s %s HTTP/1.1" % (method, path), b"Host: localhost", b"Content-Type: application/json", header]
    return b"\r\n".join([*head, b"Content-Length: %d" % len(body), b"Connection: close", b"", body])


def _told(address: tuple[str, int], request: bytes) -> int:
    """The status of the answer; 0 where the connection was closed without one."""
    with socket.create_connection(address, timeout=20) as connection:
        try:
            connection.sendall(request)
            head = connection.recv(64)
        except ConnectionError:
            return 0
    return int(head.split(b" ")[1]) if head.startswith(b"HTTP/1") else 0


def _address(url: str) -> tuple[str, int]:
    host, _, port = url.removeprefix("http://").rpartition(":")
    return host, int(port)


@pytest.mark.soak
def test_ten_thousand_idle_connections_change_nothing(tmp_path: Path) -> None:
    """With 10,000 connections that say nothing both ports answer as before; they are let go in time, and leave nothing."""
    with running(tmp_path, "server.header_timeout_s=60") as service:
        fds = Path(f"/proc/{service.process.pid}/fd")
        before, idle = len(list(fds.iterdir())), list[socket.socket]()
        try:
            for number in range(10_000):
                idle.append(socket.create_connection(_address(service.url), timeout=20))
                if number % 1000 == 0:
                    assert service.is_ready()
            for url in (f"{service.url}/v1/agents", f"{service.management}/readyz"):
                assert httpx2.get(url, timeout=5).status_code == 200
        finally:
            for connection in idle:
                connection.close()
        until(lambda: len(list(fds.iterdir())) <= before + 5, limit_s=30, what="every descriptor closed")
        assert service.terminate() == 0
