"""The server's HTTP metrics by own counting: a histogram's record costs a list index instead of an
instrument's call.

Names, attributes and buckets are those of OpenTelemetry's stable HTTP semantic conventions.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from arbiter.protocols import Measurement

__all__ = ["HttpMetrics", "Outcome", "Requests"]

_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_FIRST = _BOUNDS[0]
_MOST_SERIES = 2000
_METHOD, _SCHEME = "http.request.method", "url.scheme"
_STATUS, _ROUTE, _ERROR = "http.response.status_code", "http.route", "error.type"
_OVERFLOW = (("otel.metric.overflow", "true"),)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})

Outcome = tuple[int, str, str]
"""Status, route and error type; 0 and "" where there is none."""


class HttpMetrics:
    """`http.server.request.duration` and `http.server.active_requests`; a `MetricSource`.

    Written by the loop that serves, read by exporters' threads. Past 2,000 combinations of attributes, new
    ones are counted together under `otel.metric.overflow`.

    Attributes:
        requests: what `of` gave out, by method and scheme.
        series: how many combinations there are.
    """

    def __init__(self) -> None:
        self.requests: dict[tuple[str, str], Requests] = {}
        self._overflow = _Series()
        self.series = 0

    def of(self, method: str, scheme: str) -> Requests:
        """The counts of one method and scheme, of which there are few: methods that HTTP does not know are one."""
        key = method, scheme
        found = self.requests.get(key)
        return self._new(method, scheme) if found is None else found

    def _new(self, method: str, scheme: str) -> Requests:
        key = method if method in _METHODS else "_OTHER", scheme
        return self.requests.setdefault(key, Requests(self, *key))

    def new_series(self) -> _Series | None:
        """One more, or None where there are as many as there may be."""
        if self.series >= _MOST_SERIES - 1:
            return None
        self.series += 1
        return _Series()

    def overflow(self) -> _Series:
        """What counts the rest."""
        return self._overflow

    def measurements(self) -> Iterable[Measurement]:
        """The present numbers."""
        for requests in list(self.requests.values()):
            yield Measurement(
                "http.server.active_requests",
                "gauge",
                requests.active,
                "Requests being answered now.",
                "{request}",
                ((_METHOD, requests.method), (_SCHEME, requests.scheme)),
            )
            for outcome, series in list(requests.series.items()):
                yield _duration(series, _attributes(requests, outcome))
        if any(self._overflow.counts):
            yield _duration(self._overflow, _OVERFLOW)


class Requests:
    """Counts of one method and scheme.

    Attributes:
        active: requests being answered now.
        series: durations by outcome.
    """

    __slots__ = ("_home", "active", "method", "scheme", "series")

    def __init__(self, home: HttpMetrics, method: str, scheme: str) -> None:
        self._home, self.method, self.scheme = home, method, scheme
        self.active = 0
        self.series: dict[Outcome, _Series] = {}

    def record(self, outcome: Outcome, seconds: float) -> None:
        """Count one request that took so long."""
        series = self.series.get(outcome)
        if series is None:
            series = self._new(outcome)
        # Most answers are quick, and a search through floats costs more than all else here.
        series.counts[0 if seconds <= _FIRST else bisect_left(_BOUNDS, seconds)] += 1
        series.total_s += seconds

    def _new(self, outcome: Outcome) -> _Series:
        series = self._home.new_series()
        if series is None:
            return self._home.overflow()
        self.series[outcome] = series
        return series


class _Series:
    __slots__ = ("counts", "total_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(_BOUNDS) + 1)
        self.total_s = 0.0


def _attributes(requests: Requests, outcome: Outcome) -> tuple[tuple[str, str], ...]:
    status, route, error_type = outcome
    pairs = (
        (_METHOD, requests.method),
        (_SCHEME, requests.scheme),
        (_STATUS, str(status or "")),
        (_ROUTE, route),
        (_ERROR, error_type),
    )
    return tuple((name, value) for name, value in pairs if value)


def _duration(series: _Series, attributes: tuple[tuple[str, str], ...]) -> Measurement:
    return Measurement(
        "http.server.request.duration",
        "histogram",
        series.total_s,
        "Duration of HTTP server requests.",
        "s",
        attributes,
        _BOUNDS,
        tuple(series.counts),
    )
