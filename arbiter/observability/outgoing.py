"""Calls to others: a client span, and the trace, its state and the baggage in the request's headers.

    client = httpx2.AsyncClient(transport=TracingTransport())

For any other way to send a request, `outgoing` gives the headers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx2
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer

from arbiter.observability.propagation import propagator_of
from arbiter.observability.redaction import redacted_query
from arbiter.tracing import span

__all__ = ["Outgoing", "TracingTransport", "outgoing"]


class Outgoing:
    """One call that is being made.

    Attributes:
        headers: what the request must carry besides its own headers.
    """

    def __init__(self, made: Span, headers: dict[str, str]) -> None:
        self._span, self.headers = made, headers

    def answered(self, status: int) -> None:
        """Say what came back; from the caller's side 4xx and 5xx are errors."""
        self._span.set_attribute("http.response.status_code", status)
        if status >= 400:
            self._span.set_attribute("error.type", str(status))
            self._span.set_status(StatusCode.ERROR)


@contextmanager
def outgoing(
    method: str, url: str, *, tracer: Tracer | None = None, propagator: TextMapPropagator | None = None
) -> Iterator[Outgoing]:
    """A client span around one HTTP call; what the call raises is recorded on it.

    Args:
        method: GET, POST ...
        url: the whole address; user, password and the query's values are left out of the span.
        tracer: makes the span; that of the current span where None.
        propagator: writes the headers; the one that OTEL_PROPAGATORS asks for where None.
    """
    with span(method, _attributes(method, url), tracer=tracer, kind=SpanKind.CLIENT) as made:
        headers: dict[str, str] = {}
        (propagator or propagator_of(os.environ)).inject(headers)  # pyright: ignore[reportArgumentType]  its setter takes any mutable mapping
        try:
            yield Outgoing(made, headers)
        except Exception as error:
            made.set_attribute("error.type", type(error).__qualname__)
            raise


class TracingTransport(httpx2.AsyncBaseTransport):
    """Lets every request of an httpx2 client belong to the trace that it is made in.

    Args:
        inner: what really sends; httpx2's own transport where None.
        tracer: makes the spans, as `outgoing`.
        propagator: writes the headers, as `outgoing`.
    """

    def __init__(
        self,
        inner: httpx2.AsyncBaseTransport | None = None,
        *,
        tracer: Tracer | None = None,
        propagator: TextMapPropagator | None = None,
    ) -> None:
        self._inner = inner or httpx2.AsyncHTTPTransport()
        self._tracer, self._propagator = tracer, propagator or propagator_of(os.environ)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request."""
        url = str(request.url)
        with outgoing(request.method, url, tracer=self._tracer, propagator=self._propagator) as call:
            request.headers.update(call.headers)
            response = await self._inner.handle_async_request(request)
            call.answered(response.status_code)
            return response

    async def aclose(self) -> None:
        """Close what really sends."""
        await self._inner.aclose()


def _attributes(method: str, url: str) -> dict[str, str | int]:
    parts = urlsplit(url)
    host, query = parts.hostname or "", redacted_query(parts.query)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    netloc = host if parts.port is None else f"{host}:{parts.port}"
    return {
        "http.request.method": method,
        "url.full": parts._replace(netloc=netloc, query=query, fragment="").geturl(),
        "server.address": host,
        "server.port": port,
    }
