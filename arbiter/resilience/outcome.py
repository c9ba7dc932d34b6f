"""What the end of a call says about the health of what was called.

A domain error is an answer. Cancellation, a rejection from elsewhere and what the rules ignore say nothing. Exception
groups are judged by their leaves: one failure among them makes the whole a failure.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from arbiter.errors import DomainError, Rejected

__all__ = [
    "ANSWER",
    "CANCELLED",
    "FAILURE",
    "IGNORED",
    "REJECTED",
    "SATURATED",
    "TIMEOUT",
    "Outcome",
    "Rules",
]


class Outcome(enum.StrEnum):
    """How a call ended, as it is counted."""

    __hash__ = str.__hash__  # Enum's own is a function in Python, and counting hashes

    SUCCESS = "success"
    """It returned."""
    ANSWER = "answer"
    """It raised what counts as an answer: a success for the breaker."""
    FAILURE = "failure"
    """It raised anything else."""
    TIMEOUT = "timeout"
    """Its deadline passed: a failure for the breaker."""
    IGNORED = "ignored"
    """It raised what says nothing: a foreign rejection, or a type that the rules ignore."""
    CANCELLED = "cancelled"
    """It was cancelled, or the process is going down."""
    REJECTED = "rejected"
    """The breaker did not let it through."""
    SATURATED = "saturated"
    """The bulkhead was full."""
    FALLBACK = "fallback"
    """The fallback answered instead; counted beside the outcome that led there."""


# Reading a member off its class costs 100 ns on CPython 3.11.
ANSWER: Final = Outcome.ANSWER
CANCELLED: Final = Outcome.CANCELLED
FAILURE: Final = Outcome.FAILURE
IGNORED: Final = Outcome.IGNORED
REJECTED: Final = Outcome.REJECTED
SATURATED: Final = Outcome.SATURATED
TIMEOUT: Final = Outcome.TIMEOUT


_Types = tuple[type[BaseException], ...]
_MOST_KNOWN: Final = 1_000


@dataclass(frozen=True, slots=True)
class Rules:
    """How exceptions are classified.

    Attributes:
        ignore: types that say nothing; they win over the two others.
        answers: types that count as success.
        record: types that count as failure; what is in none of the three counts as an answer.
        known: what was found of the types that came along.
    """

    ignore: tuple[type[BaseException], ...] = (Rejected,)
    answers: tuple[type[BaseException], ...] = (DomainError,)
    record: tuple[type[BaseException], ...] = (Exception,)
    known: dict[type[BaseException], Outcome] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def extended(self, ignore: _Types = (), answers: _Types = (), record: _Types = ()) -> Rules:
        """These rules with more types to ignore and to take for answers; `record`, where given, replaces theirs."""
        return Rules(self.ignore + ignore, self.answers + answers, record or self.record)

    def outcome_of(self, error: BaseException) -> Outcome:
        """The outcome of a call that raised `error`."""
        return self.known.get(type(error)) or self._judged(error)

    def _judged(self, error: BaseException) -> Outcome:
        if isinstance(error, BaseExceptionGroup):
            return self._outcome_of_group(error)
        if len(self.known) >= _MOST_KNOWN:  # somebody makes types as they go
            self.known.clear()
        outcome = self.known[type(error)] = self._outcome_of_one(error)
        return outcome

    def _outcome_of_one(self, error: BaseException) -> Outcome:
        if not isinstance(error, Exception):
            return CANCELLED
        if isinstance(error, self.ignore):
            return IGNORED
        if isinstance(error, self.answers) or not isinstance(error, self.record):
            return ANSWER
        return FAILURE

    def _outcome_of_group(self, group: BaseExceptionGroup[BaseException]) -> Outcome:
        found = {self.outcome_of(leaf) for leaf in _leaves(group)}
        return next(outcome for outcome in _BY_WEIGHT if outcome in found)


_BY_WEIGHT = (FAILURE, CANCELLED, IGNORED, ANSWER)


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
