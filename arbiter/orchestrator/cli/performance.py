"""`arbiter performance`: what the recorded events add up to."""

from __future__ import annotations

from cyclopts import App
from rich.table import Table

from arbiter.cli.console import out_console
from arbiter.orchestrator.cli.options import Session
from arbiter.orchestrator.cli.session import ask
from arbiter.orchestrator.performance.models import Summary

__all__ = ["performance"]

performance = App(name="performance", help="Show what the recorded events add up to.")


@performance.command
def summary(*, session: Session = Session()) -> int:  # noqa: B008  frozen, and cyclopts fills it
    """Sum up all events.

    Try: arbiter performance summary --json
    """
    return ask(session, lambda client: client.summary(), _show)


@performance.command
def agent(agent_id: str, /, *, session: Session = Session()) -> int:  # noqa: B008  frozen
    """Sum up the events of one agent.

    Try: arbiter performance agent reviewer-1
    """
    return ask(session, lambda client: client.agent_summary(agent_id), _show)


def _show(answer: Summary) -> None:
    table = Table("", "", box=None, pad_edge=False, show_header=False)
    for name, value in (
        ("events", str(answer.events)),
        *((f"  {kind}", str(count)) for kind, count in answer.by_type.items()),
        (
            "completed",
            f"{answer.completed}, of which {answer.succeeded} succeeded ({_figure(answer.success_rate, '.3f')})",
        ),
        ("quality", _figure(answer.average_quality, ".3f")),
        (
            "latency",
            f"{_figure(answer.average_latency_ms, '.0f')} ms, p95 {_figure(answer.p95_latency_ms, '.0f')} ms",
        ),
        ("cost", f"{answer.total_cost:g}"),
        ("tokens", str(answer.total_tokens)),
        ("from", answer.first_at.isoformat(timespec="seconds") if answer.first_at else "-"),
        ("to", answer.last_at.isoformat(timespec="seconds") if answer.last_at else "-"),
    ):
        table.add_row(f"[bold]{name}[/]", value)
    out_console().print(table)


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
