"""The two layers outside an operation's breaker, while it runs: retry and fallback.

The generated method holds the loop and the handlers (`compose`); what is decided, counted and told stands here. Nothing
here is touched by a call that succeeds at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from arbiter.errors import Rejected
from arbiter.events import CallRetried, FellBack
from arbiter.protocols import Measurement
from arbiter.resilience.call import Parts
from arbiter.resilience.outcome import ANSWER, CANCELLED, FAILURE, TIMEOUT, Outcome
from arbiter.resilience.policy import Policy
from arbiter.resilience.retry import Budget, wait_s
from arbiter.resilience.tally import Tally

__all__ = ["Layers"]

_RETRIED = frozenset({FAILURE, TIMEOUT})
_NO_FALLBACK = frozenset({ANSWER, CANCELLED})


class Layers:
    """One operation's outer layers.

    Attributes:
        policy: attempts, waits and budget in force.

    Args:
        name: the operation.
        parts: what it shares with the guard's other operations.
        tally: where its calls are counted.
    """

    __slots__ = ("_budget", "_denied", "_name", "_parts", "_retries", "_rng", "_tally", "policy")

    def __init__(self, name: str, parts: Parts, tally: Tally) -> None:
        self.policy = Policy()
        self._name, self._parts, self._tally = name, parts, tally
        self._rng = Random()  # noqa: S311  jitter, not a secret
        self._budget: Budget | None = None
        self._retries = self._denied = 0

    def again(self, error: Exception, attempt: int) -> float | None:
        """Seconds to wait before the next attempt; None when there is to be none.

        A rejection is never retried: nothing was attempted, and nothing will have changed. Nor is an answer.
        """
        policy = self.policy
        if attempt >= policy.retry_attempts or self._parts.rules.outcome_of(error) not in _RETRIED:
            return None
        if isinstance(error, Rejected) or not self._is_affordable(policy):
            return None
        pause = wait_s(policy, attempt, self._rng.random())
        self._retries += 1
        if self._parts.events is not None:
            self._parts.events.publish(CallRetried(self._name, attempt, pause, type(error).__name__))
        return pause

    async def rest(self, seconds: float) -> None:
        """Wait before the next attempt."""
        await self._parts.clock.sleep(seconds)

    def falls_back(self, error: Exception, to: str) -> bool:
        """Whether the fallback `to` is to answer in place of `error`: a domain error is an answer already."""
        if not isinstance(error, Rejected) and self._parts.rules.outcome_of(error) in _NO_FALLBACK:
            return False
        self._tally.others[Outcome.FALLBACK] += 1
        if self._parts.events is not None:
            self._parts.events.publish(FellBack(self._name, to, type(error).__name__))
        return True

    def measurements(self) -> Iterator[Measurement]:
        """`arbiter.operation.retries` by outcome, what the budget holds, and the bulkhead's limit where there is one."""
        operation = ("operation", self._name)
        if self._budget is not None:
            for outcome, count in (("made", self._retries), ("over-budget", self._denied)):
                yield Measurement(
                    "arbiter.operation.retries",
                    "counter",
                    count,
                    "Failed calls that were made again, or were not since the budget was spent.",
                    "{retry}",
                    (operation, ("outcome", outcome)),
                )
            yield Measurement(
                "arbiter.operation.retry_budget",
                "gauge",
                self._budget.tokens,
                "Retries that may be made at once.",
                "{retry}",
                (operation,),
            )
        if self.policy.max_concurrent is not None:
            yield Measurement(
                "arbiter.operation.limit",
                "gauge",
                self.policy.max_concurrent,
                "Guarded calls that may run at once; beside arbiter.operation.in_flight, how full the bulkhead is.",
                "{call}",
                (operation,),
            )

    def _is_affordable(self, policy: Policy) -> bool:
        calls, now = self._tally.admitted - self._retries, self._parts.clock.monotonic()
        if self._budget is None:
            self._budget = Budget(calls, now)
        if self._budget.take(policy.retry_budget, calls, now):
            return True
        self._denied += 1
        return False
