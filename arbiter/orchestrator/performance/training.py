"""Training data: completed executions with a reward, and without a name.

Every identifier is replaced by HMAC-SHA256 under a key that stays here (RFC 2104), so that samples of one agent still
belong together and nobody can try ids until a hash fits. Free metadata is left out, times are cut to the minute. What the
router says of its own choice stays: whether it explored, and how probable it was.

The reward is that of upstream's RL data pipeline (component ARBITER-004), which goes from 0 to 1:

    0.3 * max(0, 1 - latency_ms / 10000) + 0.4 * success + 0.2 * max(0, 1 - cost) + 0.1 * compliance

A latency that is not known counts as the prior's 5000 ms, an unknown cost as none; compliance counts as whole, since
no event carries a violation yet. The facts multiply this by 0.95 for each minute of the event's age, which leaves
nothing of yesterday: that factor stands beside the reward, as `discount`, for whoever wants it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime

from arbiter.orchestrator.performance.models import PerformanceEvent, TrainingSample

__all__ = ["Anonymizer", "discount", "reward", "sample"]

_UNKNOWN_LATENCY_MS = 5000.0
_COMPLIANCE = 1.0


class Anonymizer:
    """Replaces identifiers, the same one by the same hash as long as the key is the same.

    Args:
        key: a secret; empty makes a random one, for as long as this object lives.
    """

    def __init__(self, key: str) -> None:
        self._key = key.encode() or secrets.token_bytes(32)

    @property
    def key_id(self) -> str:
        """Tells keys apart without telling them."""
        return self._hash("key", "")[:16]

    def agent(self, agent_id: str | None) -> str:
        """What stands for an agent's id; empty for none."""
        return self._hash("agent", agent_id) if agent_id else ""

    def task(self, task_id: str | None) -> str:
        """What stands for a task's id; empty for none."""
        return self._hash("task", task_id) if task_id else ""

    def _hash(self, kind: str, identifier: str) -> str:
        return hmac.new(self._key, f"{kind}:{identifier}".encode(), hashlib.sha256).hexdigest()


def reward(event: PerformanceEvent) -> float:
    """What the execution was worth, 0 to 1; see the module for the formula."""
    latency_ms = _UNKNOWN_LATENCY_MS if event.latency_ms is None else event.latency_ms
    return (
        0.3 * max(0.0, 1 - latency_ms / 10_000)
        + 0.4 * bool(event.success)
        + 0.2 * max(0.0, 1 - (event.cost or 0.0))
        + 0.1 * _COMPLIANCE
    )


def discount(event: PerformanceEvent, now: datetime) -> float:
    """0.95 to the power of the event's age in minutes; 1 for an event of the future."""
    minutes = max(0.0, (now - event.timestamp).total_seconds() / 60)
    return float(0.95**minutes)


def sample(event: PerformanceEvent, names: Anonymizer, now: datetime) -> TrainingSample:
    """One completed execution as it may leave."""
    explored, propensity = event.metadata.get("explored"), event.metadata.get("propensity")
    return TrainingSample(
        agent=names.agent(event.agent_id),
        task=names.task(event.task_id),
        task_type=event.task_type,
        timestamp=event.timestamp.replace(second=0, microsecond=0),
        success=bool(event.success),
        quality_score=event.quality_score,
        latency_ms=event.latency_ms,
        cost=event.cost,
        tokens_used=event.tokens_used,
        reward=reward(event),
        discount=discount(event, now),
        explored=explored if isinstance(explored, bool) else None,
        propensity=propensity if isinstance(propensity, float) and 0 <= propensity <= 1 else None,
    )
