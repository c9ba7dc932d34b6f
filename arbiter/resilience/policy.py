"""What holds for one operation, resolved and checked; the settings of the `[resilience]` section lead here."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from arbiter.errors import ConfigurationError

__all__ = ["CONSECUTIVE", "COUNT", "TIME", "Policy", "PolicyInvalid"]

CONSECUTIVE: Final = "consecutive"
COUNT: Final = "count"
TIME: Final = "time"


class PolicyInvalid(ConfigurationError, ValueError):
    """A policy has a value that no circuit can work with; `field` names it."""

    def __init__(self, field: str, value: object, wanted: str) -> None:
        super().__init__(
            f"{field} is {value!r}, which is not {wanted}", hint=f"give {field} a value that is {wanted}"
        )
        self.field, self.value, self.wanted = field, value, wanted


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for one operation: its own overrides over the section's values. Times in seconds.

    Raises:
        PolicyInvalid: a value that a circuit cannot work with (pybreaker itself takes anything).
    """

    enabled: bool = True
    failure_threshold: int = 5
    success_threshold: int = 2
    window: str = CONSECUTIVE
    window_calls: int = 100
    window_s: float = 60.0
    minimum_calls: int = 20
    failure_rate_percent: float = 50.0
    slow_call_s: float | None = None
    slow_rate_percent: float = 100.0
    timeout_s: float | None = 5.0
    open_interval_s: float = 30.0
    open_interval_max_s: float = 300.0
    backoff_multiplier: float = 2.0
    jitter: float = 0.2
    auto_half_open: bool = False
    half_open_permits: int = 1
    half_open_max_age_s: float = 60.0
    max_concurrent: int | None = None
    retry_attempts: int = 3
    retry_initial_s: float = 0.1
    retry_max_s: float = 5.0
    retry_multiplier: float = 2.0
    retry_jitter_s: float = 0.1
    retry_budget: float = 0.2

    def __post_init__(self) -> None:
        """Check every value."""
        for field, (fits, wanted) in _FITS.items():
            value = getattr(self, field)
            if not fits(value):
                raise PolicyInvalid(field, value, wanted)


Check = tuple[Callable[[Any], bool], str]


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


_COUNT: Final[Check] = (_count, "a whole number of at least 1")
_INTERVAL: Final[Check] = (lambda value: _number(value) and value >= 0, "a number of seconds, 0 or more")
_SPAN: Final[Check] = (lambda value: _number(value) and value > 0, "a number of seconds above 0")
_PERCENT: Final[Check] = (
    lambda value: _number(value) and 0 < value <= 100,
    "a percentage above 0, up to 100",
)
_FITS: Final[dict[str, Check]] = {
    "failure_threshold": _COUNT,
    "success_threshold": _COUNT,
    "window": (lambda value: value in (CONSECUTIVE, COUNT, TIME), "one of consecutive, count, time"),
    "window_calls": _COUNT,
    "window_s": _SPAN,
    "minimum_calls": _COUNT,
    "failure_rate_percent": _PERCENT,
    "slow_call_s": (lambda value: value is None or _SPAN[0](value), "None or a number of seconds above 0"),
    "slow_rate_percent": _PERCENT,
    "timeout_s": (lambda value: value is None or _SPAN[0](value), "None or a number of seconds above 0"),
    "open_interval_s": _INTERVAL,
    "open_interval_max_s": _SPAN,
    "backoff_multiplier": (lambda value: _number(value) and value >= 1, "a number of at least 1"),
    "jitter": (lambda value: _number(value) and 0 <= value < 1, "a number from 0 up to, but not, 1"),
    "half_open_permits": _COUNT,
    "half_open_max_age_s": _SPAN,
    "max_concurrent": (lambda value: value is None or _count(value), "None or a whole number of at least 1"),
    "retry_attempts": _COUNT,
    "retry_initial_s": _INTERVAL,
    "retry_max_s": _INTERVAL,
    "retry_multiplier": (lambda value: _number(value) and value >= 1, "a number of at least 1"),
    "retry_jitter_s": _INTERVAL,
    "retry_budget": (lambda value: _number(value) and 0 <= value <= 1, "a share from 0 to 1"),
}
