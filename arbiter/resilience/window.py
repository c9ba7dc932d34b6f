"""What the latest calls of a circuit say: their failure rate and slow-call rate, over a number of calls or a time.

Both windows add in constant time. The time window keeps ten slices, so it holds between nine and ten tenths of its
length: a call never counts for longer than it should.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import Final

from arbiter.resilience.policy import COUNT, TIME, Policy

__all__ = ["CountWindow", "TimeWindow", "Window", "fitting"]

_SLICES: Final = 10


class Window(ABC):
    """Counts of the calls in a window, which belong to one breaker and are changed under its lock.

    Attributes:
        calls: how many calls it holds.
        failures: how many of them failed.
        slow: how many of them took longer than the policy's `slow_call_s`.
    """

    __slots__ = ("calls", "failures", "slow")

    def __init__(self) -> None:
        self.calls = self.failures = self.slow = 0

    @abstractmethod
    def add(self, now: float, *, failed: bool, slow: bool) -> None:
        """Take in a call that ended at `now`, in monotonic seconds."""

    def look(self, now: float) -> None:  # noqa: B027  a window that counts calls has nothing that grows old
        """Let go of what is too old at `now`."""

    def clear(self) -> None:
        """Forget everything."""
        self.calls = self.failures = self.slow = 0

    def failure_rate_percent(self, policy: Policy) -> float | None:
        """Failures of a hundred calls; None while there are too few calls to say."""
        return None if self.calls < policy.minimum_calls else self.failures * 100 / self.calls

    def slow_rate_percent(self, policy: Policy) -> float | None:
        """Slow calls of a hundred; None while there are too few calls to say, or nothing counts as slow."""
        if policy.slow_call_s is None or self.calls < policy.minimum_calls:
            return None
        return self.slow * 100 / self.calls

    def exceeds(self, policy: Policy) -> bool:
        """Whether one of the rates has reached its threshold."""
        if self.calls < policy.minimum_calls:
            return False
        if self.failures * 100 >= policy.failure_rate_percent * self.calls:
            return True
        return policy.slow_call_s is not None and self.slow * 100 >= policy.slow_rate_percent * self.calls


class CountWindow(Window):
    """The latest `size` calls."""

    __slots__ = ("_ends", "size")

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self._ends: deque[tuple[bool, bool]] = deque()

    def add(self, now: float, *, failed: bool, slow: bool) -> None:  # noqa: ARG002  one shape for both windows
        """Take in a call, in place of the oldest where the window is full."""
        if self.calls == self.size:
            failed_then, slow_then = self._ends.popleft()
            self.failures -= failed_then
            self.slow -= slow_then
        else:
            self.calls += 1
        self._ends.append((failed, slow))
        self.failures += failed
        self.slow += slow

    def clear(self) -> None:
        """Forget everything."""
        super().clear()
        self._ends.clear()

    def resized(self, size: int) -> CountWindow:
        """A window of another size, with the latest of these calls."""
        other = CountWindow(size)
        for failed, slow in tuple(self._ends)[-size:]:
            other.add(0.0, failed=failed, slow=slow)
        return other


class TimeWindow(Window):
    """The calls of the last `length_s` seconds."""

    __slots__ = ("_slices", "length_s")

    def __init__(self, length_s: float) -> None:
        super().__init__()
        self.length_s = length_s
        self._slices: deque[list[int]] = deque()

    def add(self, now: float, *, failed: bool, slow: bool) -> None:
        """Take in a call that ended at `now`."""
        self.look(now)
        number = self._number(now)
        if not self._slices or self._slices[-1][0] != number:
            self._slices.append([number, 0, 0, 0])
        latest = self._slices[-1]
        latest[1] += 1
        latest[2] += failed
        latest[3] += slow
        self.calls += 1
        self.failures += failed
        self.slow += slow

    def look(self, now: float) -> None:
        """Let go of the slices that are too old at `now`."""
        oldest = self._number(now) - _SLICES
        while self._slices and self._slices[0][0] <= oldest:
            _, calls, failures, slow = self._slices.popleft()
            self.calls -= calls
            self.failures -= failures
            self.slow -= slow

    def clear(self) -> None:
        """Forget everything."""
        super().clear()
        self._slices.clear()

    def _number(self, now: float) -> int:
        return int(now * _SLICES // self.length_s)


def fitting(policy: Policy, present: Window | None) -> Window | None:
    """The window that `policy` asks for: the present one where it fits, with its calls kept as far as they can be."""
    if policy.window == COUNT:
        if not isinstance(present, CountWindow):
            return CountWindow(policy.window_calls)
        return present if present.size == policy.window_calls else present.resized(policy.window_calls)
    if policy.window == TIME:
        if isinstance(present, TimeWindow) and present.length_s == policy.window_s:
            return present
        return TimeWindow(policy.window_s)
    return None
