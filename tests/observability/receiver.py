"""A collector on loopback: decodes OTLP over HTTP with the official classes, or hangs on purpose."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span


@dataclass
class Receiver:
    """What arrived so far; `endpoint` is what to send to."""

    endpoint: str
    traces: list[ResourceSpans] = field(default_factory=list)
    metrics: list[Metric] = field(default_factory=list)
    logs: list[LogRecord] = field(default_factory=list)

    @property
    def spans(self) -> list[Span]:
        return [span for part in self.traces for scope in part.scope_spans for span in scope.spans]

    def of(self, service: str) -> list[Span]:
        """The spans that this service sent."""
        found = [part for part in self.traces if _attributes(part).get("service.name") == service]
        return [span for part in found for scope in part.scope_spans for span in scope.spans]

    def trace(self, trace_id: str) -> list[Span]:
        """The spans of one trace, by start."""
        found = [span for span in self.spans if span.trace_id.hex() == trace_id]
        return sorted(found, key=lambda span: span.start_time_unix_nano)

    def resource(self) -> dict[str, str]:
        return _attributes(self.traces[0])


def _attributes(part: ResourceSpans) -> dict[str, str]:
    return {pair.key: pair.value.string_value for pair in part.resource.attributes}


@contextmanager
def receiving(*, status: int = 200, hang: bool = False) -> Iterator[Receiver]:
    """A running collector that answers with `status`, or, if it hangs, not before the block is left."""
    released = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if hang:
                released.wait(10)
                return
            if self.path == "/v1/traces":
                received.traces.extend(ExportTraceServiceRequest.FromString(body).resource_spans)
            elif self.path == "/v1/logs":
                for part in ExportLogsServiceRequest.FromString(body).resource_logs:
                    received.logs.extend(log for scope in part.scope_logs for log in scope.log_records)
            else:
                for part in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                    received.metrics.extend(
                        metric for scope in part.scope_metrics for metric in scope.metrics
                    )
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the standard library's name
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    received = Receiver(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield received
    finally:
        released.set()
        server.shutdown()
        thread.join()
        server.server_close()
