"""Telemetry of a real process: an application of its own that calls on, talks, streams and logs what no log should break on."""

from __future__ import annotations

import json
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client.parser import text_string_to_metric_families

from tests.health.receiver import Receiver as Neighbour
from tests.health.receiver import receiving as neighbour_receiving
from tests.observability.receiver import Receiver, receiving
from tests.ports import free_port
from tests.processes import ARBITER, clean_environment, probe, until

TOKEN = "right-token"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CALLER = {
    "traceparent": f"00-{TRACE}-{PARENT}-01",
    "tracestate": "vendor=opaque,other=1",
    "baggage": "tenant=acme",
}
BEARER = {"Authorization": f"Bearer {TOKEN}"}

APPLICATION = """
import asyncio, functools, logging, os
import httpx2, structlog
from dependency_injector import providers
from opentelemetry import trace
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route
from arbiter import App, Infrastructure
from arbiter.observability.outgoing import TracingTransport
from arbiter.tracing import ContextThreadPool

log, old = structlog.get_logger("shop"), logging.getLogger("old")
library = trace.get_tracer("library")  # as a library does: at import, from the globals


async def onward(request):
    async with httpx2.AsyncClient(transport=TracingTransport()) as client:
        await client.post(os.environ["NEXT"] + "/items?token=s3cr3t", content=b"{}")
    return PlainTextResponse("sent")


async def talk(request):
    def say(where):
        log.info("said", where=where)

    async def later():
        say("task")

    say("handler")
    old.warning("said in %s", "stdlib")
    await asyncio.to_thread(say, "to_thread")
    with ContextThreadPool(1) as pool:
        await asyncio.get_running_loop().run_in_executor(pool, say, "pool")
    await asyncio.create_task(later())
    return PlainTextResponse("said", background=BackgroundTask(say, "background"))


async def whisper(request):
    log.debug("whispered")
    return PlainTextResponse("")


async def stream(request):
    async def endless():
        while True:
            yield b"more"
            await asyncio.sleep(0.01)

    return StreamingResponse(endless())


class Rude:
    def __str__(self):
        raise RuntimeError("no text for you")


async def hostile(request):
    try:
        password = "hunter2-local"
        raise ValueError("told")
    except ValueError:
        log.exception("hostile", kind="exception")
        old.exception("hostile")
    for kind, value in (("nan", float("nan")), ("object", Rude()), ("bytes", b"\\xff"), ("long", "x" * 1_000_000)):
        log.info("hostile", kind=kind, value=value)
    log.info("hostile %s %d", "only one", kind="arguments")
    old.info("hostile %s %d", "only one")
    log.info("hostile", kind="key", **{"event": "another"})
    return PlainTextResponse("survived")


async def item(request):
    with library.start_as_current_span("library.work"):
        return PlainTextResponse(request.path_params["id"])


class Shop(Infrastructure):
    http = providers.Singleton(Starlette, routes=[
        Route("/onward", onward), Route("/talk", talk), Route("/whisper", whisper), Route("/stream", stream),
        Route("/hostile", hostile), Route("/items/{id}", item),
    ])


def create_app():
    return App(Shop)
"""


@dataclass
class Life:
    """The running application and those around it."""

    folder: Path
    url: str
    management: str
    collector: Receiver
    neighbour: Neighbour

    def log(self) -> str:
        """Everything that it wrote so far."""
        return (self.folder / "log").read_text(encoding="utf-8")

    def entries(self) -> list[dict[str, Any]]:
        """Everything that it wrote but for what the start says to people, which is indented."""
        written = [line for line in self.log().splitlines() if line and not line.startswith("  ")]
        return [json.loads(line) for line in written]

    def lines(self, event: str) -> list[dict[str, Any]]:
        """The log lines that say this."""
        return [line for line in self.entries() if line["event"] == event]

    def spans(self, name: str) -> list[Span]:
        """The spans of this name, as soon as there is one."""
        until(lambda: any(span.name == name for span in self.collector.spans), what=f"the span {name}")
        return [span for span in self.collector.spans if span.name == name]


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """One life of one process, with a collector and a neighbour; it must end cleanly."""
    folder = tmp_path_factory.mktemp("life")
    (folder / "shop.py").write_text(APPLICATION)
    (folder / "settings.toml").write_text('[default.observability]\nlog_level = "info"\n')
    port, management = free_port(), free_port()
    with receiving() as collector, neighbour_receiving() as neighbour, (folder / "log").open("wb") as log:
        chosen = (
            f"server.port={port}", f"management.port={management}", f"management.token={TOKEN}",
            "observability.log_format=json", "observability.exporter=otlp", "observability.global_providers=true",
            f"observability.otlp_endpoint={collector.endpoint}",
        )  # fmt: skip
        variables = {"ARBITER_ENV": "test", "NEXT": neighbour.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}
        process = subprocess.Popen(
            [*ARBITER, "run", "--app", "shop:create_app", *(w for one in chosen for w in ("--set", one))],
            cwd=folder,
            env=clean_environment(**variables),
            stdout=log,
            stderr=log,
        )
        found = Life(
            folder, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{management}", collector, neighbour
        )
        try:
            until(lambda: probe(f"{found.management}/readyz") == 200, what=f"ready; {found.log()}")
            yield found
            process.terminate()
            assert process.wait(20) == 0, found.log()
        finally:
            process.kill()
            process.wait(10)


def test_t01_trace_state_and_baggage_go_through(life: Life) -> None:
    """The server's span is the caller's child, and the next service gets the same trace, state and baggage."""
    httpx2.get(f"{life.url}/onward", headers=CALLER).raise_for_status()

    (server,) = life.spans("GET /onward")
    (call,) = life.spans("POST")
    (got,) = life.neighbour.posts
    assert (server.trace_id.hex(), server.parent_span_id.hex()) == (TRACE, PARENT)
    assert call.parent_span_id == server.span_id
    assert got.headers["traceparent"] == f"00-{TRACE}-{call.span_id.hex()}-01"
    assert (got.headers["tracestate"], got.headers["baggage"]) == (CALLER["tracestate"], CALLER["baggage"])
    assert "s3cr3t" not in str(call.attributes)


def test_t01_a_malformed_header_begins_a_new_trace(life: Life) -> None:
    """A traceparent that is none is passed over without an error."""
    answer = httpx2.get(
        f"{life.url}/items/1", headers={"traceparent": "00-xyz", "tracestate": "=", "baggage": "%"}
    )

    assert answer.status_code == 200
    assert life.spans("GET /items/{id}")[-1].parent_span_id == b""


def test_t02_every_line_of_a_request_has_its_trace(life: Life) -> None:
    """The handler's lines, those of threads, the pool, a task, a background task and stdlib have the span's ids."""
    httpx2.get(f"{life.url}/talk").raise_for_status()

    (server,) = life.spans("GET /talk")
    until(lambda: len(life.lines("said")) == 5, what="the last line")
    lines = [*life.lines("said"), *life.lines("said in stdlib")]
    assert {line.get("where", "stdlib") for line in lines} == {
        "handler", "stdlib", "to_thread", "pool", "task", "background",
    }  # fmt: skip
    assert {(line["trace_id"], line["span_id"]) for line in lines} == {
        (server.trace_id.hex(), server.span_id.hex())
    }


def test_t02_everything_that_is_written_is_json(life: Life) -> None:
    """Whatever the process writes, the server's own lines included, is one JSON object a line."""
    keys = {"timestamp", "level", "event", "logger", "service", "environment"}

    assert all(keys <= line.keys() for line in life.entries())


def test_t05_names_are_those_of_the_conventions(life: Life) -> None:
    """Route and not path, no query's value, 14 buckets in seconds, no probes, and a page that Prometheus's parser reads."""
    httpx2.get(f"{life.url}/items/7?token=s3cr3t").raise_for_status()
    assert httpx2.get(f"{life.url}/livez").status_code == 200

    until(lambda: any("REDACTED" in str(span) for span in life.spans("GET /items/{id}")), what="the span")
    page = httpx2.get(f"{life.management}/metrics").text
    families = {family.name: family for family in text_string_to_metric_families(page)}
    duration = families["http_server_request_duration_seconds"]
    route = [sample for sample in duration.samples if sample.labels.get("http_route") == "/items/{id}"]
    bounds = {sample.labels["le"] for sample in route if sample.name.endswith("_bucket")}
    assert len(bounds - {"+Inf"}) == 14
    assert {"0.005", "0.075", "10.0"} <= bounds
    assert "s3cr3t" not in str(life.collector.spans) + life.log() + page
    assert "/livez" not in str(life.collector.spans) + life.log() + page


def test_t07_a_level_changes_while_running(life: Life) -> None:
    """A logger that was used writes debug lines after POST /loggers, no more after null, and again after a reload."""

    def whispered() -> int:
        httpx2.get(f"{life.url}/whisper").raise_for_status()
        return len(life.lines("whispered"))

    def ask(path: str, body: dict[str, Any]) -> None:
        httpx2.post(f"{life.management}{path}", json=body, headers=BEARER).raise_for_status()

    counts = [whispered()]
    ask("/loggers/shop", {"level": "DEBUG"})
    counts.append(whispered())
    ask("/loggers/shop", {"level": None})
    counts.append(whispered())
    (life.folder / "settings.toml").write_text('[default.observability]\nlog_level = "debug"\n')
    ask("/refresh", {})
    counts.append(whispered())

    assert counts == [0, 1, 1, 2]


def test_t08_whatever_is_logged_is_one_line_and_no_error(life: Life) -> None:
    """NaN, objects, bytes, a megabyte, wrong arguments, a field `event`, an exception: one line each, without locals."""
    answer = httpx2.get(f"{life.url}/hostile")

    (server,) = life.spans("GET /hostile")
    mine = [line for line in life.entries() if line.get("trace_id") == server.trace_id.hex()]
    assert answer.text == "survived"
    assert len([line for line in mine if line["event"].startswith("hostile")]) == 9
    assert "hunter2-local" not in life.log()


def test_t09_an_abandoned_stream_ends_its_span_once(life: Life) -> None:
    """When the client goes in the middle of a stream, its span ends once and the next request is a trace of its own."""
    host, port = life.url.removeprefix("http://").split(":")
    with closing(socket.create_connection((host, int(port)), timeout=10)) as client:
        client.sendall(b"GET /stream HTTP/1.1\r\nHost: shop\r\n\r\n")
        received = b""
        while b"more" not in received:
            received += client.recv(4096)

    (abandoned,) = life.spans("GET /stream")
    httpx2.get(f"{life.url}/items/after-it").raise_for_status()

    def next_ones() -> list[Span]:
        return [span for span in life.spans("GET /items/{id}") if "/items/after-it" in str(span.attributes)]

    until(next_ones, what="the next request's span")
    (after,) = next_ones()
    assert len(life.spans("GET /stream")) == 1
    assert after.parent_span_id == b""
    assert after.trace_id != abandoned.trace_id
    assert re.search("detach", life.log(), re.IGNORECASE) is None


def test_a_library_that_asks_the_globals_belongs_to_the_trace(life: Life) -> None:
    """With `global_providers` a tracer that was taken at import makes children of the application's spans."""
    httpx2.get(f"{life.url}/items/3").raise_for_status()

    theirs = life.spans("library.work")[-1]
    until(
        lambda: theirs.parent_span_id in {span.span_id for span in life.spans("GET /items/{id}")},
        what="the parent",
    )
