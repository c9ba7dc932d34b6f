"""The `[performance]` section: how events are buffered, how long they are kept, how they are made anonymous."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from arbiter.section import LIVE, Section

__all__ = ["PerformanceSettings"]


class PerformanceSettings(Section):
    """The limits of the performance tracker."""

    buffer_size: Annotated[int, LIVE] = Field(default=1000, ge=1, le=1_000_000)
    """How many offered events may wait in memory; one more is dropped and counted. Half of it starts a flush."""

    overflow: Annotated[Literal["newest", "oldest"], LIVE] = "newest"
    """Which offered event is dropped when the buffer is full: the one that comes, or the one that waits longest."""

    flush_interval_ms: Annotated[int, LIVE] = Field(default=5000, ge=10, le=3_600_000)
    """Milliseconds after which waiting events are written, however few they are."""

    retention_days: Annotated[int, LIVE] = Field(default=90, ge=1, le=36_500)
    """Days that an event is kept; older ones are deleted at start and once a day."""

    spool_dir: str = "data/spool"
    """Where recorded events wait on disk while the database is away, to be replayed in order when it is back; each
    process writes a file of its own there. Empty: a record then fails while the database is away."""

    spool_max_mb: int = Field(default=1024, ge=1, le=1_000_000)
    """Megabytes that the spool may take; past that a record fails."""

    anonymization_key: SecretStr = SecretStr("")
    """The key by which identifiers are hashed in training data. Empty: a random key for each start, so that batches
    of two runs cannot be joined. Keep it as secret as the identifiers themselves."""
