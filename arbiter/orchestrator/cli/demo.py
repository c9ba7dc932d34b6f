"""`arbiter demo`: the main job, against a running service."""

from __future__ import annotations

import asyncio
import secrets
from typing import Annotated

from cyclopts import App, Parameter
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from arbiter.cli.console import error_console, out_console, print_json
from arbiter.orchestrator.cli.options import Session
from arbiter.orchestrator.cli.tracing import tracing
from arbiter.orchestrator.client import ArbiterClient
from arbiter.orchestrator.demo import DemoReport, run_demo
from arbiter.orchestrator.population import load_population, load_spec

__all__ = ["demo"]

demo = App(name="demo")


@demo.default
def show_learning(
    *,
    tasks: Annotated[int, Parameter(help="How many tasks to route; at least 2.")] = 500,
    seed: Annotated[
        int | None, Parameter(help="Repeats the same tasks and luck; chosen without it, and shown.")
    ] = None,
    agents: Annotated[str | None, Parameter(help="The population; examples/agents.yaml without it.")] = None,
    spec: Annotated[
        str | None, Parameter(help="The working spec; examples/working-spec.yaml without it.")
    ] = None,
    session: Session = Session(),  # noqa: B008  frozen, and cyclopts fills it
) -> int:
    """Carry out `arbiter demo`."""
    chosen = secrets.randbelow(10_000) if seed is None else seed
    population, document = load_population(agents), load_spec(spec)

    async def work() -> DemoReport:
        """The demo, with its progress on stderr."""
        async with ArbiterClient(session.url, token=session.token) as client:
            with tracing("arbiter-demo") as tracer, _progress() as progress:
                job = progress.add_task("Routing", total=tasks)
                return await run_demo(
                    client,
                    population,
                    document,
                    tasks,
                    chosen,
                    lambda done: progress.update(job, completed=done),
                    tracer=tracer,
                )

    report = asyncio.run(work())
    if session.json:
        print_json(report)
    else:
        _show(report)
    return 0


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=error_console(), transient=True)


def _show(report: DemoReport) -> None:
    console = out_console()
    if report.registered_afresh:
        console.print(
            f"{report.registered_afresh} agent(s) were there from an earlier run and were registered afresh."
        )
    console.print(f"The working spec: {report.spec_verdict} by {report.ruleset}.")
    window = report.window
    table = Table(box=None, pad_edge=False)
    table.add_column("agent", no_wrap=True, min_width=max(len(line.agent_id) for line in report.agents))
    for name in (
        "true success",
        "learned success",
        f"share of first {window}",
        f"share of last {window}",
        "tasks",
    ):
        table.add_column(name, justify="right")
    for line in report.agents:
        table.add_row(
            line.agent_id,
            f"{line.true_success:.3f}",
            f"{line.learned_success:.3f}",
            f"{line.early_share:.0%}",
            f"{line.late_share:.0%}",
            str(line.tasks),
        )
    console.print(table)
    console.print(
        f"Success rate: first {window} tasks {report.first_success_rate:.1%}, "
        f"last {window} tasks [bold]{report.last_success_rate:.1%}[/], "
        f"best possible {report.best_possible:.1%} "
        f"([bold]{report.share_of_best:.0%}[/] of it reached)."
    )
    console.print(
        f"{report.tasks} tasks in {report.duration_s:.1f} s, {report.explored} of them explored; seed {report.seed}."
    )
