"""`arbiter route` and `arbiter outcome`: one task, there and back."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter
from rich.markup import escape
from rich.table import Table

from arbiter.cli.console import out_console
from arbiter.orchestrator.cli.options import Languages, Session, Specializations
from arbiter.orchestrator.cli.session import ask, built
from arbiter.orchestrator.client import ArbiterClient
from arbiter.orchestrator.routing.models import Decision, Explanation, Outcome, OutcomeReceipt, Task

__all__ = ["outcome", "route"]

route = App(name="route")
outcome = App(name="outcome")


@route.default
def route_task(
    *,
    type: Annotated[str, Parameter(help="The kind of task, such as code-review.")],  # noqa: A002  the option's name
    id: Annotated[str | None, Parameter(help="Your name for the task; made up without it.")] = None,  # noqa: A002  likewise
    description: Annotated[str, Parameter(help="For people.")] = "",
    language: Languages = (),
    specialization: Specializations = (),
    priority: Annotated[int, Parameter(help="1 (whenever) to 10 (first).")] = 5,
    timeout_ms: Annotated[
        float | None, Parameter(help="For how long the agent is held for the task.")
    ] = None,
    session: Session = Session(),  # noqa: B008  frozen, and cyclopts fills it
) -> int:
    """Carry out `arbiter route`."""

    async def work(client: ArbiterClient) -> Decision:
        """The decision."""
        task = built(
            Task,
            task_id=id,
            task_type=type,
            description=description,
            languages=language,
            specializations=specialization,
            priority=priority,
            timeout_ms=timeout_ms,
        )
        return await client.route(task)

    return ask(session, work, _show_decision)


@route.command
def explain(id: str, /, *, session: Session = Session()) -> int:  # noqa: A002, B008  the argument's name; frozen
    """Show why a decision was made as it was: who else was in the running, how probable it was, what came of it.

    The id is the decision's or the task's.

    Try: arbiter route explain task-1
    """
    return ask(session, lambda client: client.explain(id), _show_explanation)


@outcome.default
def report_outcome(
    task_id: str,
    /,
    *,
    success: Annotated[
        bool, Parameter(name="--success", negative="--failure", help="Whether it was accomplished.")
    ],
    quality: Annotated[float, Parameter(help="How good the result is, 0 to 1.")],
    latency_ms: Annotated[float, Parameter(help="How long it took, in milliseconds.")],
    tokens: Annotated[int | None, Parameter(help="Tokens spent.")] = None,
    cost: Annotated[float | None, Parameter(help="What it cost.")] = None,
    error: Annotated[str | None, Parameter(help="What went wrong.")] = None,
    session: Session = Session(),  # noqa: B008  frozen
) -> int:
    """Carry out `arbiter outcome`."""

    async def work(client: ArbiterClient) -> OutcomeReceipt:
        """The receipt."""
        report = built(
            Outcome,
            success=success,
            quality_score=quality,
            latency_ms=latency_ms,
            tokens_used=tokens,
            cost=cost,
            error=error,
        )
        return await client.report_outcome(task_id, report)

    return ask(session, work, _show_receipt)


def _show_decision(decision: Decision) -> None:
    console = out_console()
    explored = ", explored" if decision.explored else ""
    console.print(f"Task [bold]{decision.task_id}[/] goes to [bold]{decision.selected_agent}[/].")
    console.print(
        f"{escape(decision.reason)} ({decision.strategy}{explored}, confidence {decision.confidence:.2f})"
    )
    if decision.alternatives:
        table = Table("alternative", "score", "why", box=None, pad_edge=False)
        for other in decision.alternatives:
            table.add_row(other.agent_id, f"{other.score:.3f}", escape(other.reason))
        console.print(table)


def _show_explanation(told: Explanation) -> None:
    _show_decision(told.decision)
    table = Table("", "", box=None, pad_edge=False, show_header=False)
    for name, value in (
        ("score", f"{told.score:.3f} among {told.candidates} with room"),
        ("propensity", f"{told.propensity:.4f}"),
        ("drawn with seed", str(told.seed)),
        ("outcomes known", str(told.state_sequence)),
        ("decided", told.decision.decided_at.isoformat(timespec="milliseconds")),
        ("held until", told.lease_expires_at.isoformat(timespec="milliseconds")),
        ("outcome", _outcome_words(told)),
        ("trace", told.decision.trace_id or "-"),
    ):
        table.add_row(f"[bold]{name}[/]", value)
    out_console().print(table)


def _outcome_words(told: Explanation) -> str:
    if told.outcome is None:
        return "not known yet"
    word, late = "success" if told.outcome.success else "failure", ", late" if told.late else ""
    return f"{word}, quality {told.outcome.quality_score:.2f}, {told.outcome.latency_ms:.0f} ms{late}"


def _show_receipt(receipt: OutcomeReceipt) -> None:
    word, late = (
        ("success" if receipt.success else "failure"),
        (" (late: its lease had ended)" if receipt.late else ""),
    )
    out_console().print(f"Counted a {word} of {receipt.agent_id} at task {receipt.task_id}{late}.")
