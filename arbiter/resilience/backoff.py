"""How long a circuit stays open: exponential back-off with a cap and jitter."""

from __future__ import annotations

import math

from arbiter.resilience.settings import Policy

__all__ = ["open_interval_s"]


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


def _grown_s(policy: Policy, attempt: int) -> float:
    first, most, by = policy.open_interval_s, policy.open_interval_max_s, policy.backoff_multiplier
    if by <= 1 or first <= 0:
        return first
    # Compared as logarithms, since 2.0 ** 5000 overflows.
    if attempt * math.log(by) >= math.log(most / first):
        return most
    return first * by**attempt
