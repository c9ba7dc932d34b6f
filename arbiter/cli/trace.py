"""`arbiter trace`: one request as a tree of spans and log lines, from what a service wrote.

Reads JSON lines: the log (`observability.log_format = "json"`) and, between them, the spans that the exporter `console` writes.
A collector shows the same with more comfort; this needs nothing but the file.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
from cyclopts import Parameter

from arbiter.cli.console import out_console, print_json
from arbiter.cli.options import Json
from arbiter.errors import Invalid, NotFound

__all__ = ["Span", "read", "show_trace"]

_UNSAID = frozenset(
    {"timestamp", "level", "event", "logger", "trace_id", "span_id", "trace_flags", "service", "environment"}
    | {"config_generation", "exception"}
)
"""Fields of a log line that its place in the tree says, or that need room of their own."""

_USUAL = ("network.", "server.", "client.", "user_agent.", "url.scheme")
"""Attributes that say nothing about where time went; with --json they are there."""


@dataclass
class Span:
    """One span, with the spans and lines that belong below it; times are milliseconds."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    began: datetime
    duration_ms: float
    is_request: bool
    is_error: bool
    attributes: Mapping[str, Any]
    events: tuple[str, ...]
    links: tuple[str, ...]
    below: list[Span] = field(default_factory=list)
    lines: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def own_ms(self) -> float:
        """What it took apart from the spans below it; these may overlap, so that it is the least."""
        return max(0.0, self.duration_ms - sum(span.duration_ms for span in self.below))


def show_trace(
    trace_id: Annotated[
        str, Parameter(help="The trace, or its first digits; the slowest requests are listed without it.")
    ] = "",
    *,
    file: Annotated[
        Path, Parameter(name="--from", help="What the service wrote; - is standard input.")
    ] = Path("-"),
    slowest: Annotated[bool, Parameter(negative="", help="The trace whose request took longest.")] = False,
    json: Json = False,
) -> int:
    """Show where the time of one request went: its spans as a tree, with the log lines of each.

    The service must have written its spans: OTEL_TRACES_EXPORTER=console, which goes to standard error as the log does.

    Examples:
        arbiter trace --from arbiter.log
        arbiter trace --slowest --from arbiter.log
        arbiter trace 0af7651916cd43dd8448eb211c80319c --from arbiter.log
    """
    with nullcontext(sys.stdin.buffer) if str(file) == "-" else _opened(file) as lines:
        roots = sorted(read(lines), key=lambda root: root.duration_ms, reverse=True)
    requests = [root for root in roots if root.is_request] or roots
    if slowest and requests:
        trace_id = requests[0].trace_id
    wanted = trace_id.lower()
    found = [root for root in roots if root.trace_id.startswith(wanted)] if wanted else requests[:10]
    if not found:
        raise NotFound(
            f"No span of {f'the trace {trace_id}' if wanted else 'any trace'} stands in {file}.",
            hint="Were spans written (OTEL_TRACES_EXPORTER=console), and is the request over for five seconds?",
        )
    later = [root for root in roots if wanted and any(link.startswith(wanted) for link in root.links)]
    if json:
        print_json([_told(root) for root in (*found, *later)])
    elif wanted:
        _draw(found, later)
    else:
        _print(f"{root.duration_ms:10.1f} ms  {root.trace_id}  {root.name}" for root in found)
    return 0


def read(lines: Iterable[bytes]) -> list[Span]:
    """The first spans of each trace, in the order of their beginning; what is neither span nor log line is passed over."""
    spans: dict[str, Span] = {}
    said: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for line in lines:
        try:
            found = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if not isinstance(found, dict):
            continue
        if isinstance(found.get("context"), dict) and "start_time" in found:
            span = _span(found)
            spans[span.span_id] = span
        elif span_id := found.get("span_id"):
            said[span_id].append(found)
    roots: list[Span] = []
    for span in sorted(spans.values(), key=lambda span: span.began):
        span.lines = said[span.span_id]
        parent = spans.get(span.parent_id)
        (roots if parent is None else parent.below).append(span)
    return roots


def _opened(file: Path) -> Any:
    try:
        return file.open("rb")
    except OSError as error:
        raise Invalid(
            f"{file} cannot be read: {error.strerror}.", hint="Name what the service wrote: --from FILE."
        ) from error


def _span(found: Mapping[str, Any]) -> Span:
    began, ended = datetime.fromisoformat(found["start_time"]), datetime.fromisoformat(found["end_time"])
    return Span(
        found["name"],
        found["context"]["trace_id"].removeprefix("0x"),
        found["context"]["span_id"].removeprefix("0x"),
        (found.get("parent_id") or "").removeprefix("0x"),
        began,
        (ended - began).total_seconds() * 1000,
        found["kind"] == "SpanKind.SERVER",
        found["status"]["status_code"] == "ERROR",
        found["attributes"],
        tuple(event["name"] for event in found["events"]),
        tuple(link["context"]["trace_id"].removeprefix("0x") for link in found["links"]),
    )


def _all(span: Span) -> Iterator[Span]:
    yield span
    for one in span.below:
        yield from _all(one)


def _draw(found: Sequence[Span], later: Sequence[Span]) -> None:
    worst = max((span for root in found for span in _all(root)), key=lambda span: span.own_ms)
    _print(row for root in found for row in _drawn(root, worst))
    if later:
        _print(("", "and later, on behalf of this and maybe other requests:"))
        _print(row for root in later for row in _drawn(root, None))


def _drawn(span: Span, worst: Span | None, depth: int = 0) -> Iterator[str]:
    """The rows of a span: itself, its log lines, the spans below it."""
    mark = "  <- most of the time" if span is worst else ""
    error, indent = ("  ERROR" if span.is_error else ""), "  " * depth
    yield f"{span.duration_ms:10.1f} ms  {indent}{span.name}{error}{mark}"
    told = [
        f"{key.removeprefix('arbiter.')}={value}"
        for key, value in span.attributes.items()
        if not key.startswith(_USUAL)
    ]
    if told:
        yield f"{'':15}{indent}  {' '.join(told)}"
    for event in span.events:
        yield f"{'':15}{indent}  * {event}"
    for line in span.lines:
        fields = " ".join(f"{key}={value}" for key, value in line.items() if key not in _UNSAID)
        yield f"{'':15}{indent}  > {line['level']} {line['event']} {fields}"
    for one in span.below:
        yield from _drawn(one, worst, depth + 1)


def _told(span: Span) -> dict[str, Any]:
    return {
        "name": span.name,
        "trace_id": span.trace_id,
        "span_id": span.span_id,
        "began": span.began,
        "duration_ms": round(span.duration_ms, 3),
        "own_ms": round(span.own_ms, 3),
        "error": span.is_error,
        "attributes": span.attributes,
        "events": span.events,
        "links": span.links,
        "lines": span.lines,
        "below": [_told(one) for one in span.below],
    }


def _print(rows: Iterable[str]) -> None:
    console = out_console()
    for row in rows:
        console.print(row, soft_wrap=True, markup=False)
