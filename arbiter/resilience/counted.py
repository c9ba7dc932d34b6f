"""The gate of an operation that has a breaker and counts, and neither deadline nor span nor limit."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from arbiter.resilience.outcome import FAILURE, REJECTED
from arbiter.resilience.states import UnwantedResult
from arbiter.resilience.tally import BOUNDS_S, QUICK_S

if TYPE_CHECKING:
    from arbiter.resilience.fitting import Fitting

__all__ = ["Counted"]


class Counted:
    """The gate of a seam that has a breaker and counts, and nothing else: a call is its start and its era."""

    __slots__ = ("_breaker", "_monotonic", "_rules", "_seam", "_tally", "era", "quiet")

    def __init__(self, seam: Fitting) -> None:
        # Of the instance, since reading them off the class takes CPython 3.11 six times as long.
        self.era: Final = 0
        self.quiet: Final = False
        self._seam, self._breaker = seam, seam._breaker
        self._tally, self._monotonic, self._rules = seam.tally, seam._monotonic, seam._rules

    def admit(self) -> tuple[float, int]:
        """Admit a call: what comes back goes to `succeeded` or `raised`. Raises a `Rejected`."""
        started = self._monotonic()
        if started >= self._seam._recheck_at:
            self._seam.refresh()
        breaker = self._breaker
        era = breaker.era
        if not breaker.quiet:
            asked = breaker.ask(started)
            if asked is None:
                self._tally.others[REJECTED] += 1
                raise self._seam._circuit.refused(started) from self._seam._circuit.last_failure
            era = asked
        self._tally.admitted += 1
        return started, era

    def succeeded(self, call: tuple[float, int]) -> None:
        """The call returned."""
        started, era = call
        seconds = self._monotonic() - started
        tally = self._tally
        tally.buckets[0 if seconds <= QUICK_S else bisect_left(BOUNDS_S, seconds)] += 1
        tally.total_s += seconds
        if not self._breaker.quiet:
            self._breaker.succeeded(era, seconds)

    def raised(self, call: tuple[float, int], error: BaseException) -> None:
        """The call raised."""
        started, era = call
        seconds = self._monotonic() - started
        outcome = self._rules.outcome_of(error)
        self._breaker.judge(era, error, outcome, seconds)
        self._tally.finished(seconds, outcome)
        self._seam.tell(outcome, seconds, error)

    def unwanted(self, call: tuple[float, int], result: object) -> None:
        """The call returned what its operation declares a failure."""
        seconds, error = self._monotonic() - call[0], UnwantedResult(self._seam.name, result)
        self._breaker.failed(call[1], error, seconds)
        self._tally.finished(seconds, FAILURE)
        self._seam.tell(FAILURE, seconds, error)

    def dismissed(self, call: tuple[float, int]) -> None:
        """The call turned out not to be one: nothing is counted."""
        self._breaker.released(call[1])
        self._tally.admitted -= 1
