"""`arbiter performance`: what the recorded events add up to, how agents do now, and what leaves for training."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import orjson
from cyclopts import App
from pydantic import ValidationError
from rich.table import Table

from arbiter.cli.console import error_console, out_console
from arbiter.orchestrator.api.models import Recorded
from arbiter.orchestrator.cli.files import writing
from arbiter.orchestrator.cli.options import File, Output, Session
from arbiter.orchestrator.cli.session import InputInvalid, ask, parsed
from arbiter.orchestrator.client import ArbiterClient
from arbiter.orchestrator.performance.models import (
    AgentPerformance,
    Anomalies,
    Anomaly,
    ChainReport,
    PerformanceEvent,
    Profile,
    Summary,
)
from arbiter.orchestrator.vocabulary import WireModel

__all__ = ["performance"]

_BATCH: Final = 1000
_LINE: Final = orjson.OPT_APPEND_NEWLINE

performance = App(name="performance", help="Show what the recorded events add up to.")


class _Exported(WireModel):
    samples: int
    key_id: str
    output: str


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


@performance.command
def profile(agent_id: str, /, *, session: Session = Session()) -> int:  # noqa: B008  frozen
    """Show how one agent does now, next to how it usually does, and where it is heading.

    Try: arbiter performance profile reviewer-1
    """
    return ask(session, lambda client: client.agent_performance(agent_id), _show_performance)


@performance.command
def anomalies(*, session: Session = Session()) -> int:  # noqa: B008  frozen
    """List what is out of the ordinary now, the oldest first.

    Try: arbiter performance anomalies
    """
    return ask(session, lambda client: client.anomalies(), _show_anomalies)


@performance.command
def verify(*, session: Session = Session()) -> int:  # noqa: B008  frozen
    """Hold every stored event against the chain of integrity hashes. Exit code 1: an event was changed or taken away.

    Try: arbiter performance verify
    """
    found: list[ChainReport] = []

    async def work(client: ArbiterClient) -> ChainReport:
        """Portion after portion, until the end or the first break."""
        report = await client.verify_integrity()
        events, chains = report.events, report.chains
        while report.next is not None:
            report = await client.verify_integrity(cursor=report.next)
            events, chains = events + report.events, chains + report.chains
        found.append(report.model_copy(update={"events": events, "chains": chains}))
        return found[0]

    ask(session, work, _show_report)
    return 0 if found[0].broken_at is None and not found[0].missing else 1


@performance.command
def record(file: File, /, *, session: Session = Session()) -> int:  # noqa: B008  frozen
    """Record the events of a YAML or JSON file: one event, a list, or a mapping with the key `events`.

    Each event has a type, and may have id, timestamp, agent_id, task_id, task_type, success, quality_score, latency_ms,
    cost, tokens_used and metadata. Recorded again, an event that has an id counts once.

    Try: arbiter performance record events.yaml
    """
    told = _events(file)

    async def work(client: ArbiterClient) -> Recorded:
        """In portions, in their order."""
        portions = [
            await client.record_events(told[begin : begin + _BATCH]) for begin in range(0, len(told), _BATCH)
        ]
        return Recorded(new=sum(one.new for one in portions), known=sum(one.known for one in portions))

    return ask(session, work, _show_recorded)


@performance.command
def export(
    output: Output = "-",
    /,
    *,
    session: Session = Session(),  # noqa: B008  frozen
) -> int:
    """Write all completed executions as training samples, one JSON document a line, without a name in it.

    Every identifier is replaced by a hash under the key `performance.anonymization_key`.

    Try: arbiter performance export samples.jsonl
    """

    async def work(client: ArbiterClient) -> _Exported:
        """Batch after batch."""
        count, batch = 0, await client.training_batch(limit=_BATCH)
        with writing(output) as file:
            while True:
                file.writelines(
                    orjson.dumps(one.model_dump(mode="json"), option=_LINE) for one in batch.samples
                )
                count += len(batch.samples)
                if batch.next is None:
                    return _Exported(samples=count, key_id=batch.key_id, output=output)
                batch = await client.training_batch(limit=_BATCH, cursor=batch.next)

    # samples and an answer about them cannot share standard output
    return ask(replace(session, json=session.json and output != "-"), work, _show_exported)


def _events(path: str) -> list[PerformanceEvent]:
    content = parsed(path)
    entries = content.get("events", content) if isinstance(content, dict) else content
    entries = entries if isinstance(entries, list) else [entries]
    try:
        return [PerformanceEvent.model_validate(entry) for entry in entries]
    except ValidationError as error:
        raise InputInvalid(f"An event of {path}", error) from None


def _show_recorded(answer: Recorded) -> None:
    known = f", {answer.known} were known already" if answer.known else ""
    out_console().print(f"Recorded {answer.new} events{known}.")


def _show(answer: Summary) -> None:
    _show_pairs(
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
    )


def _show_pairs(*pairs: tuple[str, str]) -> None:
    table = Table("", "", box=None, pad_edge=False, show_header=False)
    for name, value in pairs:
        table.add_row(f"[bold]{name}[/]", value)
    out_console().print(table)


def _show_performance(answer: AgentPerformance) -> None:
    console = out_console()
    if not answer.profiles and answer.baseline is None:
        console.print(
            f"Of {answer.agent_id} too little is known yet: a window needs 10 executions in 5 minutes."
        )
        return
    table = Table(
        "window", "executions", "success", "quality", "latency", "p95", "cost", box=None, pad_edge=False
    )
    for one in answer.profiles:
        _add_profile(table, one.window, one)
    if answer.baseline is not None:
        _add_profile(table, "usual", answer.baseline)
    console.print(table)
    if answer.trend is not None:
        trend = answer.trend
        console.print(
            f"[bold]trend[/]  {trend.direction}, {trend.magnitude:+.3f} an hour over {trend.hours:.1f} h, "
            f"confidence {trend.confidence:.2f}"
        )
    for anomaly in answer.anomalies:
        console.print(f"[bold red]{anomaly.severity}[/] {_words(anomaly)}")


def _add_profile(table: Table, name: str, one: Profile) -> None:
    table.add_row(
        name,
        str(one.executions),
        _figure(one.success_rate, ".3f"),
        _figure(one.average_quality, ".3f"),
        _milliseconds(one.average_latency_ms),
        _milliseconds(one.p95_latency_ms),
        _figure(one.average_cost, "g"),
    )


def _show_anomalies(answer: Anomalies) -> None:
    if not answer.anomalies:
        out_console().print("Nothing is out of the ordinary.")
        return
    table = Table("severity", "agent", "what", "since", box=None, pad_edge=False)
    for one in answer.anomalies:
        table.add_row(one.severity, one.agent_id, _words(one), one.since.isoformat(timespec="seconds"))
    out_console().print(table)


def _words(anomaly: Anomaly) -> str:
    usual = "" if anomaly.baseline is None else f", usual is {anomaly.baseline:g}"
    return f"{anomaly.kind}: {anomaly.value:g}{usual}"


def _show_report(report: ChainReport) -> None:
    if report.missing:
        words = "fewer" if report.missing > 0 else "more"
        out_console().print(
            f"[bold red]Broken[/]: {report.events} events hold, which is {abs(report.missing)} {words} than were counted "
            "as they were stored.",
            soft_wrap=True,
        )
    elif report.broken_at is None:
        out_console().print(
            f"All {report.events} events in {report.chains} chain(s) are as they were written."
        )
    else:
        out_console().print(
            f"[bold red]Broken[/] at the event {report.broken_at}, after {report.events} that hold: it was changed, or "
            "what stood before it was changed or taken away.",
            soft_wrap=True,
        )


def _show_exported(answer: _Exported) -> None:
    console = error_console() if answer.output == "-" else out_console()
    console.print(f"{answer.samples} samples, names hashed under the key {answer.key_id}.")


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} ms"


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
