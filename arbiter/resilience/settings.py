"""The `[resilience]` section: how guarded calls behave, for all operations and for single ones.

`[resilience.operations.<provider>.<method>]` overrides any key for one operation. All but `redis_url` are live:
counters and states of the breakers are kept when a reload changes them.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, SecretStr, model_validator

from arbiter.resilience.policy import CONSECUTIVE, COUNT, Policy
from arbiter.section import LIVE, Section

__all__ = ["OperationSettings", "Policy", "ResilienceSettings"]

_DAY_MS = 86_400_000

_Count = Annotated[int, Field(ge=1, le=1_000_000)]
_OpenMs = Annotated[int, Field(ge=1, le=_DAY_MS)]
_Limit = Annotated[int, Field(ge=0, le=1_000_000)]
_Timeout = Annotated[int, Field(ge=0, le=_DAY_MS)]
_Multiplier = Annotated[float, Field(ge=1, le=100, allow_inf_nan=False)]
_Attempts = Annotated[int, Field(ge=1, le=100)]
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Percent = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]
_Window = Literal["consecutive", "count", "time"]
_Jitter = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]


class OperationSettings(Section):
    """Overrides for one operation; what is not given comes from `[resilience]`."""

    circuit_breaker_enabled: Annotated[bool | None, LIVE] = None
    """Whether this operation has a circuit breaker; its deadline, limit, span and counts stay without it."""

    failure_threshold: Annotated[_Count | None, LIVE] = None
    """Consecutive failures that open the circuit, where `window` is `consecutive`."""

    success_threshold: Annotated[_Count | None, LIVE] = None
    """Successful trials that close a half-open circuit."""

    window: Annotated[_Window | None, LIVE] = None
    """What opens a circuit: a number of consecutive failures, or rates over the latest calls (`count`) or seconds (`time`)."""

    window_calls: Annotated[_Count | None, LIVE] = None
    """How many of the latest calls a window of `count` looks at."""

    window_ms: Annotated[_OpenMs | None, LIVE] = None
    """How many milliseconds a window of `time` looks back."""

    minimum_calls: Annotated[_Count | None, LIVE] = None
    """A window with fewer calls opens no circuit."""

    failure_rate_percent: Annotated[_Percent | None, LIVE] = None
    """Failures of a hundred calls in the window that open a circuit."""

    slow_call_ms: Annotated[_Timeout | None, LIVE] = None
    """In a window, a call that takes longer than so many milliseconds is slow, whatever came of it; 0 is none."""

    slow_rate_percent: Annotated[_Percent | None, LIVE] = None
    """Slow calls of a hundred in the window that open a circuit."""

    timeout_ms: Annotated[_Timeout | None, LIVE] = None
    """Deadline of one call in milliseconds; 0 is none."""

    open_interval_ms: Annotated[_OpenMs | None, LIVE] = None
    """How long the circuit stays open before the first trial, in milliseconds."""

    open_interval_max_ms: Annotated[_OpenMs | None, LIVE] = None
    """The most that back-off may make of the open interval, in milliseconds."""

    backoff_multiplier: Annotated[_Multiplier | None, LIVE] = None
    """What the open interval is multiplied with after each failed trial; 1 keeps it."""

    jitter: Annotated[_Jitter | None, LIVE] = None
    """Random part of the open interval: 0.2 is plus or minus 20 %."""

    auto_half_open: Annotated[bool | None, LIVE] = None
    """Whether an open circuit becomes half-open when its interval is over, rather than at the next call."""

    half_open_permits: Annotated[_Count | None, LIVE] = None
    """Trials that may run at once while half-open."""

    half_open_max_age_ms: Annotated[_OpenMs | None, LIVE] = None
    """After this long, in milliseconds, trials that have not ended count as failed: the circuit opens again."""

    max_concurrent: Annotated[_Limit | None, LIVE] = None
    """Calls that may run at once; one more is rejected as saturated. 0 is no limit."""

    retry_attempts: Annotated[_Attempts | None, LIVE] = None
    """How often a call is made at most, where its method says that it is idempotent; 1 is no retry."""

    retry_initial_ms: Annotated[_Timeout | None, LIVE] = None
    """Wait before the first retry, in milliseconds, without its jitter."""

    retry_max_ms: Annotated[_Timeout | None, LIVE] = None
    """The longest wait between two attempts, in milliseconds."""

    retry_multiplier: Annotated[_Multiplier | None, LIVE] = None
    """What the wait is multiplied with after each retry."""

    retry_jitter_ms: Annotated[_Timeout | None, LIVE] = None
    """Up to this many milliseconds, drawn anew, are added to each wait."""

    retry_budget: Annotated[_Share | None, LIVE] = None
    """How many retries there may be to each call; what is more is not retried."""


class ResilienceSettings(Section):
    """How guarded calls behave, unless an operation has its own values."""

    circuit_breaker_enabled: Annotated[bool, LIVE] = True
    """Whether operations have circuit breakers; deadlines, limits, spans and counts stay without them."""

    failure_threshold: Annotated[_Count, LIVE] = 5
    """Consecutive failures that open a circuit, where `window` is `consecutive`."""

    success_threshold: Annotated[_Count, LIVE] = 2
    """Successful trials that close a half-open circuit."""

    window: Annotated[_Window, LIVE] = "consecutive"
    """What opens a circuit: a number of consecutive failures, or rates over the latest calls (`count`) or seconds (`time`)."""

    window_calls: Annotated[_Count, LIVE] = 100
    """How many of the latest calls a window of `count` looks at."""

    window_ms: Annotated[_OpenMs, LIVE] = 60_000
    """How many milliseconds a window of `time` looks back."""

    minimum_calls: Annotated[_Count, LIVE] = 20
    """A window with fewer calls opens no circuit."""

    failure_rate_percent: Annotated[_Percent, LIVE] = 50.0
    """Failures of a hundred calls in the window that open a circuit."""

    slow_call_ms: Annotated[_Timeout, LIVE] = 0
    """In a window, a call that takes longer than so many milliseconds is slow, whatever came of it; 0 is none."""

    slow_rate_percent: Annotated[_Percent, LIVE] = 100.0
    """Slow calls of a hundred in the window that open a circuit."""

    timeout_ms: Annotated[_Timeout, LIVE] = 5_000
    """Deadline of one call in milliseconds; 0 is none."""

    open_interval_ms: Annotated[_OpenMs, LIVE] = 30_000
    """How long a circuit stays open before the first trial, in milliseconds."""

    open_interval_max_ms: Annotated[_OpenMs, LIVE] = 300_000
    """The most that back-off may make of the open interval, in milliseconds."""

    backoff_multiplier: Annotated[_Multiplier, LIVE] = 2.0
    """What the open interval is multiplied with after each failed trial; 1 keeps it."""

    jitter: Annotated[_Jitter, LIVE] = 0.2
    """Random part of the open interval, so that instances do not try all at once: 0.2 is plus or minus 20 %."""

    auto_half_open: Annotated[bool, LIVE] = False
    """Whether an open circuit becomes half-open when its interval is over, rather than at the next call."""

    half_open_permits: Annotated[_Count, LIVE] = 1
    """Trials that may run at once while half-open."""

    half_open_max_age_ms: Annotated[_OpenMs, LIVE] = 60_000
    """After this long, in milliseconds, trials that have not ended count as failed: the circuit opens again."""

    max_concurrent: Annotated[_Limit, LIVE] = 0
    """Calls of one operation that may run at once; one more is rejected as saturated. 0 is no limit."""

    retry_attempts: Annotated[_Attempts, LIVE] = 3
    """How often a call is made at most, where its method says that it is idempotent; 1 is no retry."""

    retry_initial_ms: Annotated[_Timeout, LIVE] = 100
    """Wait before the first retry, in milliseconds, without its jitter."""

    retry_max_ms: Annotated[_Timeout, LIVE] = 5_000
    """The longest wait between two attempts, in milliseconds."""

    retry_multiplier: Annotated[_Multiplier, LIVE] = 2.0
    """What the wait is multiplied with after each retry."""

    retry_jitter_ms: Annotated[_Timeout, LIVE] = 100
    """Up to this many milliseconds, drawn anew, are added to each wait, so that callers do not come back at once."""

    retry_budget: Annotated[_Share, LIVE] = 0.2
    """How many retries there may be to each call, beside ten at once and one a second: what is more is not retried."""

    offload_threads: Annotated[_Count, LIVE] = 8
    """Threads of each component for its offloaded methods; a call that finds none free is rejected as saturated."""

    redis_url: SecretStr = SecretStr("")
    """Where instances share their circuit breakers (`redis://host:6379/0`); empty, each has its own. Needs the extra
    `redis`."""

    operations: Annotated[dict[str, dict[str, OperationSettings]], LIVE] = Field(default_factory=dict)
    """Overrides by provider and method: `[resilience.operations.registry.query]`."""

    def policy(self, provider: str, method: str) -> Policy:
        """What holds for the operation `<provider>.<method>`."""
        own = self.operations.get(provider, {}).get(method)
        return _policy_of(self._merged(own) if own is not None else self)

    def _merged(self, own: OperationSettings) -> ResilienceSettings:
        return self.model_copy(update=own.model_dump(exclude_none=True))

    @model_validator(mode="after")
    def _keys_fit(self) -> Self:
        _check("", self)
        for provider, methods in self.operations.items():
            for method, own in methods.items():
                _check(f"operations.{provider}.{method}.", self._merged(own))
        return self


def _check(where: str, values: ResilienceSettings) -> None:
    """Raise ValueError where two keys contradict each other."""
    first_ms, most_ms = values.open_interval_ms, values.open_interval_max_ms
    if first_ms > most_ms:
        raise ValueError(
            f"{where}open_interval_ms ({first_ms}) is above {where}open_interval_max_ms ({most_ms})"
        )
    if values.window == COUNT and values.minimum_calls > values.window_calls:
        raise ValueError(
            f"{where}minimum_calls ({values.minimum_calls}) is above {where}window_calls ({values.window_calls}): "
            "the circuit would never open"
        )
    if values.window == CONSECUTIVE and values.slow_call_ms:
        raise ValueError(f"{where}slow_call_ms needs {where}window to be count or time, where it is counted")


def _policy_of(values: ResilienceSettings) -> Policy:
    fields: dict[str, Any] = {
        "enabled": values.circuit_breaker_enabled,
        "timeout_s": values.timeout_ms / 1000 or None,
        "open_interval_s": values.open_interval_ms / 1000,
        "open_interval_max_s": values.open_interval_max_ms / 1000,
        "half_open_max_age_s": values.half_open_max_age_ms / 1000,
        "max_concurrent": values.max_concurrent or None,
        "retry_initial_s": values.retry_initial_ms / 1000,
        "retry_max_s": values.retry_max_ms / 1000,
        "retry_jitter_s": values.retry_jitter_ms / 1000,
        "window_s": values.window_ms / 1000,
        "slow_call_s": values.slow_call_ms / 1000 or None,
    }
    return Policy(**fields, **{name: getattr(values, name) for name in _SAME})


_SAME: Final = (
    "failure_threshold",
    "success_threshold",
    "window",
    "window_calls",
    "minimum_calls",
    "failure_rate_percent",
    "slow_rate_percent",
    "backoff_multiplier",
    "jitter",
    "auto_half_open",
    "half_open_permits",
    "retry_attempts",
    "retry_multiplier",
    "retry_budget",
)
"""What a policy takes over under the same name."""
