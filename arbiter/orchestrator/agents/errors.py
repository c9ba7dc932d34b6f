"""What the agent registry says no with. Each is an answer, never a failure (see `arbiter.errors.DomainError`)."""

from __future__ import annotations

from collections.abc import Iterable

from arbiter.errors import Conflict, Invalid, NotFound
from arbiter.orchestrator.vocabulary import near_misses

__all__ = ["AgentExists", "AgentNotFound", "AgentReplaced", "BackupInvalid", "CursorInvalid", "RegistryFull"]


class AgentNotFound(NotFound):
    """No agent has this id.

    Args:
        agent_id: the id that was asked for.
        registered: the ids that exist, for a hint about near misses.
    """

    code = "agent-not-found"

    def __init__(self, agent_id: str, registered: Iterable[str] = ()) -> None:
        close = near_misses(agent_id, registered)
        super().__init__(
            f"No agent has the id {agent_id}.", hint=f"Did you mean {' or '.join(close)}?" if close else ""
        )
        self.agent_id = agent_id


class AgentReplaced(NotFound):
    """The agent that was meant is gone; another registration has its id."""

    code = "agent-replaced"

    def __init__(self, agent_id: str) -> None:
        super().__init__(
            f"The agent {agent_id} that is meant is gone: the id was registered anew.",
            hint="What belongs to an earlier registration does not count for the present one.",
        )
        self.agent_id = agent_id


class AgentExists(Conflict):
    """The id is taken; the agent that has it is unchanged."""

    code = "agent-exists"

    def __init__(self, agent_id: str) -> None:
        super().__init__(
            f"An agent with the id {agent_id} is registered already.",
            hint="Choose another id, or unregister that agent first.",
            field="id",
        )
        self.agent_id = agent_id


class RegistryFull(Conflict):
    """There are as many agents as `registry.max_agents` allows."""

    code = "registry-full"

    def __init__(self, max_agents: int) -> None:
        super().__init__(
            f"The registry holds {max_agents} agents, as many as it may.",
            hint="Unregister agents that are gone, or raise registry.max_agents.",
        )
        self.max_agents = max_agents


class CursorInvalid(Invalid):
    """The cursor of a page was not given out by this registry."""

    code = "cursor-invalid"

    def __init__(self) -> None:
        super().__init__(
            "The cursor is none that this registry gave out.",
            hint="Pass `next` of the previous page unchanged, or leave the cursor out to begin anew.",
            field="cursor",
        )


class BackupInvalid(Invalid):
    """A backup contradicts itself; nothing was restored.

    Args:
        field: the dotted path of the first contradiction.
        reason: what is wrong there, as the end of a sentence.
    """

    code = "backup-invalid"

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(
            f"The backup cannot be restored: {field} {reason}.",
            hint="Restore a file that backup wrote, unchanged.",
            field=field,
        )
