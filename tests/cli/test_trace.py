"""`arbiter trace`: a trace as a tree, from what a service wrote."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.processes import arbiter

TRACE, OTHER = "a" * 32, "b" * 32


def span(
    name: str, span_id: str, parent: str = "", *, trace: str = TRACE, ms: int = 10, **more: Any
) -> bytes:
    """A line of the console exporter."""
    found: dict[str, Any] = {
        "name": name,
        "kind": "SpanKind.INTERNAL",
        "context": {"trace_id": f"0x{trace}", "span_id": f"0x{span_id}", "trace_state": "[]"},
        "parent_id": f"0x{parent}" if parent else None,
        "start_time": f"2026-01-01T00:00:00.{int(span_id):06d}Z",
        "end_time": f"2026-01-01T00:00:00.{int(span_id) + 1000 * ms:06d}Z",
        "status": {"status_code": "UNSET"},
        "attributes": {},
        "events": [],
        "links": [],
    }
    return orjson.dumps(found | more)


def line(event: str, span_id: str, **fields: Any) -> bytes:
    """A line of the log."""
    return orjson.dumps({"level": "warning", "event": event, "trace_id": TRACE, "span_id": span_id, **fields})


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """What a service wrote: two traces, one of them linked to the other, and things that are neither."""
    error: Mapping[str, Any] = {"status": {"status_code": "ERROR"}, "events": [{"name": "exception"}]}
    link = {"context": {"trace_id": f"0x{TRACE}", "span_id": "0x1"}}
    lines = [
        span("database.write", "3", "2", ms=70, attributes={"db.system.name": "sqlite"}),
        b"Traceback (most recent call last):",
        b"[1, 2]",
        line("stock.low", "2", left=3),
        span("stock.reserve", "2", "1", ms=80, **error),
        span(
            "POST /orders",
            "1",
            "99",
            ms=90,
            kind="SpanKind.SERVER",
            attributes={"client.address": "::1", "http.route": "/orders"},
        ),
        span("lifecycle start", "5", trace="c" * 32, ms=600),
        span("tracker.flush", "4", trace=OTHER, ms=5, links=[link]),
    ]
    path = tmp_path / "service.log"
    path.write_bytes(b"\n".join(lines))
    return path


def asked(*arguments: str, log: Path) -> subprocess.CompletedProcess[str]:
    """The command's answer."""
    return arbiter("trace", *arguments, "--from", str(log))


def test_a_trace_is_shown_as_a_tree(log: Path) -> None:
    """Spans stand below their parents with attributes, events and log lines; later work is below, linked."""
    shown = asked("aaaa", log=log).stdout.splitlines()

    assert [part.strip() for part in shown] == [
        "90.0 ms  POST /orders",
        "http.route=/orders",
        "80.0 ms    stock.reserve  ERROR",
        "* exception",
        "> warning stock.low left=3",
        "70.0 ms      database.write  <- most of the time",
        "db.system.name=sqlite",
        "",
        "and later, on behalf of this and maybe other requests:",
        "5.0 ms  tracker.flush",
    ]


def test_a_trace_is_found_without_knowing_it(log: Path) -> None:
    """Without an id the slowest requests are listed, and with --slowest the first of them is shown; JSON has everything."""
    listed = asked(log=log).stdout.splitlines()
    (root, later) = orjson.loads(asked("--slowest", "--json", log=log).stdout)

    assert [row.split()[2] for row in listed] == [TRACE]
    assert (root["name"], root["own_ms"], root["attributes"]["client.address"]) == (
        "POST /orders",
        10.0,
        "::1",
    )
    assert root["below"][0]["lines"][0]["event"] == "stock.low"
    assert later["links"] == [TRACE]


def test_what_is_not_there_is_said(tmp_path: Path, log: Path) -> None:
    """An unknown trace and a file that cannot be read are errors with a hint."""
    unknown, unread = asked("dddd", log=log), asked("cccc", log=tmp_path / "none")

    assert (unknown.returncode, unread.returncode) == (1, 1)
    assert "OTEL_TRACES_EXPORTER=console" in unknown.stderr
    assert "cannot be read: No such file" in unread.stderr
