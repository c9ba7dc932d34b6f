"""`arbiter simulate`: strategies compared on agents of known ability, without a service."""

from __future__ import annotations

from typing import Annotated, Final

from cyclopts import App, Parameter
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from arbiter.cli.console import error_console, out_console, print_json
from arbiter.orchestrator.cli.session import built
from arbiter.orchestrator.routing.settings import StrategyName
from arbiter.orchestrator.simulation import Plan, PopulationKind, Report
from arbiter.orchestrator.simulation import simulate as run

__all__ = ["simulate"]

simulate = App(name="simulate")

_ROWS: Final = 14
_LETTERS: Final = "ABCDE"


@simulate.default
def compare(  # noqa: PLR0913  a plan has as many parts
    *,
    population: Annotated[PopulationKind, Parameter(help="How the agents' abilities behave.")] = "stationary",
    strategy: Annotated[
        tuple[StrategyName, ...], Parameter(help="A strategy to compare; may be given several times.")
    ] = (),
    agents: Annotated[int, Parameter(help="How many agents, of abilities drawn from 0.2 to 0.9.")] = 10,
    ability: Annotated[
        tuple[float, ...], Parameter(help="An agent's success rate, in place of drawn ones; several times.")
    ] = (),
    rounds: Annotated[int, Parameter(help="How many tasks in each run.")] = 1000,
    runs: Annotated[int, Parameter(help="How many worlds, each with luck of its own.")] = 10,
    seed: Annotated[int, Parameter(help="Repeats the same worlds and draws.")] = 1,
    exploration_rate: Annotated[float, Parameter(help="Of epsilon-greedy.")] = 0.1,
    discount: Annotated[
        float, Parameter(help="What older outcomes are multiplied by; 1 forgets nothing.")
    ] = 1.0,
    json: Annotated[bool, Parameter(negative="", help="Print the report as JSON.")] = False,
) -> int:
    """Carry out `arbiter simulate`."""
    plan = built(
        Plan,
        population=population,
        strategies=strategy or None,
        agents=agents,
        abilities=ability or None,
        rounds=rounds,
        runs=runs,
        seed=seed,
        exploration_rate=exploration_rate,
        discount=discount,
    )
    with _progress() as progress:
        job = progress.add_task("Simulating", total=plan.rounds * plan.runs * len(plan.strategies))
        report = run(plan, lambda done: progress.advance(job, done))
    if json:
        print_json(report.model_dump(mode="json"))
    else:
        _show(report)
    return 0


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=error_console(), transient=True)


def _show(report: Report) -> None:
    plan, console = report.plan, out_console()
    console.print(
        f"{len(plan.abilities or range(plan.agents))} agents, {plan.population}; {plan.rounds} tasks in each of {plan.runs} runs, seed {plan.seed}."
    )
    table = Table("", "strategy", box=None, pad_edge=False)
    for name in ("regret", "+-", "success", "went to the best"):
        table.add_column(name, justify="right")
    for letter, curve in zip(_LETTERS, report.curves, strict=False):
        table.add_row(
            letter,
            curve.strategy,
            f"{curve.regret:.1f}",
            f"{curve.deviation:.1f}",
            f"{curve.success_rate:.1%}",
            f"{curve.best_share:.0%}",
        )
    console.print(table)
    if "least-loaded" in plan.strategies:
        console.print(
            "Nobody carries anything here: least-loaded takes the best score, without a trial.",
            soft_wrap=True,
        )
    console.print("\n".join(plotted(report)), markup=False)


def plotted(report: Report) -> list[str]:
    """The regret of each strategy over the tasks, by its letter in the table; of those that meet, the better one's."""
    highest = max(curve.regret for curve in report.curves) or 1.0
    width = len(report.rounds)
    canvas = [[" "] * width for _ in range(_ROWS)]
    # The better ones last, so that theirs is the letter that is seen.
    for letter, curve in reversed(list(zip(_LETTERS, report.curves, strict=False))):
        for column, regret in enumerate(curve.regret_by_round):
            canvas[_ROWS - 1 - min(_ROWS - 1, int(regret / highest * _ROWS))][column] = letter
    label = max(len(f"{highest:.0f}"), len("regret"))
    lines = [f"{'regret':>{label}}"]
    for number, row in enumerate(canvas):
        mark = f"{highest:.0f}" if number == 0 else "0" if number == _ROWS - 1 else ""
        lines.append(f"{mark:>{label}} |{''.join(row).rstrip()}")
    last = str(report.rounds[-1])
    return [*lines, f"{'':>{label}} +{'-' * width}", f"{'':>{label}}  0{last:>{max(1, width - 1)}} tasks"]
