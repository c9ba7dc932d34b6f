"""The `[registry]` section: how many agents there may be, what is remembered, who is set aside."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from arbiter.section import LIVE, Section

__all__ = ["RegistrySettings"]


class RegistrySettings(Section):
    """The limits of the agent registry."""

    max_agents: Annotated[int, LIVE] = Field(default=1000, ge=1, le=1_000_000)
    """How many agents may be registered; one more is refused. Lowering it removes nobody."""

    cache_enabled: Annotated[bool, LIVE] = True
    """Whether the ranking of a query is remembered until something that it depends on changes."""

    cache_ttl_s: Annotated[float, LIVE] = Field(default=300, gt=0, le=86_400)
    """Seconds after which a remembered ranking is made anew in any case."""

    stale_after_s: Annotated[float, LIVE] = Field(default=86_400, gt=0, le=31_536_000)
    """Seconds without a sign of life (heartbeat, outcome, change) after which an agent that sends heartbeats is set
    aside: it stays registered, gets no work, and comes back with its next sign of life. An agent that never sent a
    heartbeat is not set aside."""
