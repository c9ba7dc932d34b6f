"""Whether and when a failed call is made again: jittered back-off, and a budget so that retries cannot become a storm."""

from __future__ import annotations

from typing import Final

from arbiter.resilience.policy import Policy

__all__ = ["REFILL_PER_S", "RESERVE", "Budget", "check_retryable", "wait_s"]

RESERVE: Final = 10.0
"""Retries that may be made at once before any call has paid for them."""

REFILL_PER_S: Final = 1.0
"""Retries a second that need no calls to pay for them, so that a quiet operation has its retries, too."""


def wait_s(policy: Policy, attempt: int, draw: float) -> float:
    """How long to wait after the failed `attempt`, in seconds.

    stamina's back-off (`stamina._core`, 26.1): `min(max, initial * base ** (attempt - 1) + jitter)`.

    Args:
        policy: initial wait, multiplier, jitter and cap.
        attempt: the attempt that failed, from 1.
        draw: the draw of the jitter, 0 to 1.
    """
    grown = policy.retry_initial_s * policy.retry_multiplier ** (attempt - 1)
    return min(policy.retry_max_s, grown + policy.retry_jitter_s * draw)


class Budget:
    """A token bucket: each call pays in a share of a retry, each retry takes one out.

    As Finagle's RetryBudget (20 % of the calls and a floor per second): however many calls fail, the dependency sees
    at most that much more of them. Nothing is done when a call succeeds: what was paid in is worked out when a retry
    asks.

    Args:
        calls: calls made so far.
        now: monotonic seconds.
    """

    __slots__ = ("_at", "_calls", "tokens")

    def __init__(self, calls: int, now: float) -> None:
        self.tokens = RESERVE
        self._calls, self._at = calls, now

    def take(self, share: float, calls: int, now: float) -> bool:
        """Take one retry out, if there is one; `share` is what each call pays in."""
        paid = (calls - self._calls) * share + (now - self._at) * REFILL_PER_S
        self._calls, self._at = calls, now
        self.tokens = min(RESERVE, self.tokens + paid)
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


def check_retryable(where: str, kind: str) -> None:
    """Raise TypeError unless a method of that kind can be retried."""
    if kind == "sync":
        raise TypeError(f"{where} is a plain method: waiting for a retry would block its caller's thread")
    if kind == "stream":
        raise TypeError(f"{where} is an async generator, which cannot be begun again once it has yielded")
