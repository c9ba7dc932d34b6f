"""How long a circuit stays open: exponential back-off with a cap and jitter, a function, or what the server asks for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import Random
from typing import Any

import structlog

from arbiter.resilience.policy import Policy

__all__ = ["Interval", "OpenInterval", "asked_for_s", "open_interval_s"]

log = structlog.get_logger(__name__)

Interval = Callable[[int], float]
"""Gives the open interval in seconds for the attempt, 0 for the first since the circuit was last closed."""


class OpenInterval:
    """The open interval of one circuit, which grows from one opening to the next.

    The parts are drawn when a circuit opens, and put together when they are asked for, so that new settings reach a
    circuit that is open already.

    Args:
        name: the circuit's name, for the log.
        rng: draws the jitter.
        function: gives the interval in place of the policy's back-off and jitter.
    """

    __slots__ = ("_attempt", "_floor_s", "_function", "_given_s", "_name", "_rng", "_spread")

    def __init__(self, name: str, rng: Random, function: Interval | None = None) -> None:
        self._name, self._rng, self._function = name, rng, function
        self._attempt = 0
        self._spread = 0.0
        self._given_s: float | None = None
        self._floor_s = 0.0

    @property
    def attempt(self) -> int:
        """Failed half-open periods since the circuit was last closed."""
        return self._attempt

    def resume(self, attempt: int) -> None:
        """Count on from `attempt`, which another instance has come to."""
        self._attempt = attempt

    def forget(self) -> None:
        """The circuit closed: the next interval is the first."""
        self._attempt, self._floor_s = 0, 0.0

    def draw(self, failure: BaseException | None, now: datetime, *, is_again: bool) -> None:
        """The circuit opens because of `failure`, at that time of day; again, if the trials failed."""
        self._attempt = self._attempt + 1 if is_again else 0
        self._spread = self._rng.uniform(-1, 1)
        self._given_s = self._ask()
        if failure is not None:
            self._floor_s = max(self._floor_s, asked_for_s(failure, now))

    def seconds(self, policy: Policy) -> float:
        """The function's interval, or else back-off and jitter; no less than what the server asked for since the
        circuit was last closed, and never above the policy's cap.
        """
        own = self._given_s
        if own is None:
            own = open_interval_s(policy, self._attempt, self._spread)
        return min(max(own, self._floor_s), policy.open_interval_max_s)

    def _ask(self) -> float | None:
        if self._function is None:
            return None
        try:
            seconds = float(self._function(self._attempt))
        except Exception:  # a faulty function must not keep the circuit from opening
            log.exception("breaker.open_interval_failed", breaker=self._name, attempt=self._attempt)
            return None
        return seconds if seconds >= 0 else None  # NaN is not


def open_interval_s(policy: Policy, attempt: int, spread: float) -> float:
    """The open interval in seconds.

    Args:
        policy: first interval, cap, multiplier and jitter.
        attempt: failed half-open periods since the circuit was last closed; 0 for the first interval.
        spread: the draw of the jitter, -1 to 1.

    Returns:
        `interval * multiplier ** attempt`, at most the cap, plus or minus the jitter, at most the cap again.
    """
    grown = _grown_s(policy, attempt)
    return min(grown * (1 + policy.jitter * spread), policy.open_interval_max_s)


def asked_for_s(failure: object, now: datetime) -> float:
    """How long the server asks to be left alone, in seconds; 0 where `failure` does not say.

    Args:
        failure: an exception or an unwanted result. Read are its `retry_after_s`, and a `Retry-After` among its
            `headers` or those of its `response`: seconds or a date (RFC 9110, 10.2.3).
        now: the time of day, for a date.
    """
    seconds = getattr(failure, "retry_after_s", None)
    if seconds is None:
        seconds = _header_s(failure, now)
    is_usable = isinstance(seconds, (int, float)) and math.isfinite(seconds)
    return max(0.0, float(seconds)) if is_usable and seconds is not None else 0.0


def _header_s(failure: object, now: datetime) -> float | None:
    headers: Any = getattr(getattr(failure, "response", failure), "headers", None)
    if not isinstance(headers, Mapping):
        return None
    value = str(headers.get("retry-after") or headers.get("Retry-After") or "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now.timestamp()


def _grown_s(policy: Policy, attempt: int) -> float:
    first, most, by = policy.open_interval_s, policy.open_interval_max_s, policy.backoff_multiplier
    if by <= 1 or first <= 0:
        return first
    # Compared as logarithms, since 2.0 ** 5000 overflows.
    if attempt * math.log(by) >= math.log(most / first):
        return most
    return first * by**attempt
