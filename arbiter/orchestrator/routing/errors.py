"""What routing says no with. Each is an answer, never a failure (see `arbiter.errors.DomainError`)."""

from __future__ import annotations

from collections.abc import Sequence

from arbiter.errors import Conflict, Invalid, NotFound, Unavailable

__all__ = [
    "NoCapableAgent",
    "NoCapacity",
    "OutcomeConflict",
    "RoutingUnavailable",
    "TaskExists",
    "TaskTypeDiffers",
    "TaskUnknown",
]


class NoCapableAgent(Invalid):
    """No agent that takes work can do the task.

    Args:
        field: the part of the task that nobody meets: `task_type`, `languages` or `specializations`.
        missing: the words of it that nobody has; several where each has someone, but nobody has all.
        hint: the mend, where the registry knows one.
    """

    code = "no-capable-agent"

    def __init__(self, field: str, missing: Sequence[str], hint: str = "") -> None:
        what = {"task_type": "task type", "languages": "language", "specializations": "specialization"}[field]
        words = ", ".join(missing)
        message = (
            f"No agent that takes work has the {what} {words}."
            if len(missing) == 1
            else f"No agent that takes work has all of this together: {words}."
        )
        fallback = "Register an agent that has it, or ask for less."
        super().__init__(message, hint=hint or fallback, field=field)
        self.missing = tuple(missing)


class NoCapacity(Unavailable):
    """Agents could do the task, but each has as many tasks as it takes at once."""

    code = "no-capacity"

    def __init__(self, task_type: str, capable: int, retry_after_s: float) -> None:
        super().__init__(
            f"All {capable} agent(s) for {task_type} have as many tasks as they take at once.",
            retry_after_s=retry_after_s,
            hint="Ask again later, report outcomes that are due, or register more agents.",
        )
        self.task_type, self.capable = task_type, capable


class RoutingUnavailable(Unavailable):
    """The registry did not answer in time, and no earlier answer for such a task is known to fall back on."""

    code = "routing-unavailable"

    def __init__(self, reason: str, retry_after_s: float) -> None:
        super().__init__(
            f"No agent can be chosen: {reason}, and no candidates are known from before.",
            retry_after_s=retry_after_s,
            hint="Ask again later; see how the registry's breaker stands.",
        )
        self.reason = reason


class TaskUnknown(NotFound):
    """No decision was made for a task of this id."""

    code = "task-unknown"

    def __init__(self, task_id: str) -> None:
        super().__init__(
            f"No task with the id {task_id} was routed.",
            hint="Use the task_id of the decision.",
            field="task_id",
        )
        self.task_id = task_id


class TaskExists(Conflict):
    """A different task was routed under this id before."""

    code = "task-exists"

    def __init__(self, task_id: str) -> None:
        super().__init__(
            f"Another task was routed under the id {task_id}.",
            hint="Give each task an id of its own, or leave it out and take the decision's.",
            field="task_id",
        )
        self.task_id = task_id


class OutcomeConflict(Conflict):
    """The task has an outcome already, and it was a different one; nothing was changed."""

    code = "outcome-differs"

    def __init__(self, task_id: str) -> None:
        super().__init__(
            f"Task {task_id} was reported before with a different outcome.",
            hint="An outcome is final; to correct an agent's record, report to /v1/agents/{id}/performance.",
        )
        self.task_id = task_id


class TaskTypeDiffers(Invalid):
    """The outcome names another task type than the task that was routed."""

    code = "task-type-differs"

    def __init__(self, routed: str, reported: str) -> None:
        super().__init__(
            f"The task was routed as {routed}, and the outcome says {reported}.",
            hint="Leave task_type out of the outcome.",
            field="task_type",
        )
