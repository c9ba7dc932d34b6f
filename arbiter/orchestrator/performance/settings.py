"""The `[performance]` section: how events are buffered, how long they are kept, how they are made anonymous."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr

from arbiter.section import LIVE, Section

__all__ = ["PerformanceSettings"]


class PerformanceSettings(Section):
    """The limits of the performance tracker."""

    buffer_size: Annotated[int, LIVE] = Field(default=1000, ge=1, le=1_000_000)
    """How many offered events may wait in memory; one more is dropped and counted. Half of it starts a flush."""

    flush_interval_ms: Annotated[int, LIVE] = Field(default=5000, ge=10, le=3_600_000)
    """Milliseconds after which waiting events are written, however few they are."""

    retention_days: Annotated[int, LIVE] = Field(default=90, ge=1, le=36_500)
    """Days that an event is kept; older ones are deleted at start and once a day."""

    anonymization_key: SecretStr = SecretStr("")
    """The key by which identifiers are hashed in training data. Empty: a random key for each start, so that batches
    of two runs cannot be joined. Keep it as secret as the identifiers themselves."""
