"""The server's HTTP metrics by own counting: a histogram's record costs a list index instead of an
instrument's call.

Names, attributes and buckets are those of OpenTelemetry's stable HTTP semantic conventions.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from arbiter.protocols import Measurement

__all__ = ["HttpMetrics"]

_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_MOST_SERIES = 2000
_ATTRIBUTES = (
    "http.request.method",
    "url.scheme",
    "http.response.status_code",
    "http.route",
    "error.type",
)
_OVERFLOW = (("otel.metric.overflow", "true"),)

Key = tuple[str, str, str, str, str]


class HttpMetrics:
    """`http.server.request.duration` and `http.server.active_requests`; a `MetricSource`.

    Written by the loop that serves, read by exporters' threads. Past 2,000 combinations of attributes, new
    ones are counted together under `otel.metric.overflow`.
    """

    def __init__(self) -> None:
        self._series: dict[tuple[str, ...], _Series] = {}
        self._active: dict[tuple[str, str], int] = {}

    def begin(self, method: str, scheme: str) -> None:
        """One more request is being answered."""
        key = method, scheme
        self._active[key] = self._active.get(key, 0) + 1

    def end(self, method: str, scheme: str) -> None:
        """One fewer."""
        self._active[method, scheme] -= 1

    def record(self, key: Key, seconds: float) -> None:
        """Count one request.

        Args:
            key: method, scheme, status, route and error type; "" where there is none.
            seconds: how long the answer took.
        """
        series = self._series.get(key)
        if series is None:
            series = self._new_series(key)
        series.counts[bisect_left(_BOUNDS, seconds)] += 1
        series.total_s += seconds

    def measurements(self) -> Iterable[Measurement]:
        """The present numbers."""
        for (method, scheme), count in list(self._active.items()):
            yield Measurement(
                "http.server.active_requests",
                "gauge",
                count,
                "Requests being answered now.",
                "{request}",
                (("http.request.method", method), ("url.scheme", scheme)),
            )
        for key, series in list(self._series.items()):
            attributes = tuple((name, value) for name, value in zip(_ATTRIBUTES, key, strict=False) if value)
            yield Measurement(
                "http.server.request.duration",
                "histogram",
                series.total_s,
                "Duration of HTTP server requests.",
                "s",
                attributes or _OVERFLOW,
                _BOUNDS,
                tuple(series.counts),
            )

    def _new_series(self, key: Key) -> _Series:
        place: tuple[str, ...] = key if len(self._series) < _MOST_SERIES - 1 else ()
        return self._series.setdefault(place, _Series())


class _Series:
    __slots__ = ("counts", "total_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(_BOUNDS) + 1)
        self.total_s = 0.0
