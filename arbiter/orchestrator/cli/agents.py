"""`arbiter agents`: who is registered."""

from __future__ import annotations

from typing import Annotated, Final

from cyclopts import App, Parameter
from pydantic import ValidationError
from rich.markup import escape
from rich.table import Table

from arbiter.cli.console import out_console
from arbiter.orchestrator.agents.models import (
    Agent,
    AgentDraft,
    AgentHistory,
    AgentMatch,
    AgentQuery,
    AgentStatus,
)
from arbiter.orchestrator.cli.keeping import backup, export, restore
from arbiter.orchestrator.cli.options import File, Languages, Session, Specializations
from arbiter.orchestrator.cli.session import InputInvalid, ask, built, parsed
from arbiter.orchestrator.client import ApiProblem, ArbiterClient
from arbiter.orchestrator.vocabulary import WireModel

__all__ = ["agents"]

_ONE_ALONE: Final = frozenset({"agent-exists", "registry-full"})
"""Refusals that are about one agent of several: the others are registered all the same."""

agents = App(name="agents", help="Show, register and remove agents.")
for keep in (backup, restore, export):
    agents.command(keep)


class _Found(WireModel):
    agents: tuple[AgentMatch, ...]
    hint: str | None = None
    """Where nobody fits: why."""


class _Refused(WireModel):
    id: str
    code: str
    reason: str


class _Registered(WireModel):
    registered: tuple[Agent, ...]
    refused: tuple[_Refused, ...]


class _Removed(WireModel):
    removed: tuple[str, ...]


@agents.command(name="list")
def list_agents(
    *,
    type: Annotated[str | None, Parameter(help="Only agents that take this kind of task.")] = None,  # noqa: A002  the option's name
    language: Languages = (),
    specialization: Specializations = (),
    max_utilization: Annotated[float | None, Parameter(help="Only agents below this many percent.")] = None,
    min_success_rate: Annotated[
        float | None, Parameter(help="Only agents at or above this rate, 0 to 1.")
    ] = None,
    idle: Annotated[
        bool,
        Parameter(
            name="--all",
            negative="",
            show_default=False,
            help="Also those that are draining, offline, in maintenance.",
        ),
    ] = False,
    session: Session = Session(),  # noqa: B008  frozen, and cyclopts fills it
) -> int:
    """List the agents that fit, the best first. Conditions are all to be met.

    Try: arbiter agents list --type code-review --language Python
    """
    query = {
        "task_type": type,
        "languages": language,
        "specializations": specialization,
        "max_utilization": max_utilization,
        "min_success_rate": min_success_rate,
        "statuses": tuple(AgentStatus) if idle else (),
    }

    async def work(client: ArbiterClient) -> _Found:
        """All pages; where there is nobody, why."""
        asked = built(AgentQuery, **query)
        found = await client.all_agents(asked)
        hint = None if found else (await client.find_agents(asked)).hint
        return _Found(agents=tuple(found), hint=hint)

    return ask(session, work, _show_found)


@agents.command
def show(agent_id: str, /, *, session: Session = Session()) -> int:  # noqa: B008  frozen
    """Show one agent.

    Try: arbiter agents show reviewer-1
    """
    return ask(session, lambda client: client.get_agent(agent_id), _show_agent)


@agents.command
def register(file: File, /, *, session: Session = Session()) -> int:  # noqa: B008  frozen
    """Register the agents of a YAML or JSON file: one agent, a list, or a mapping with the key `agents`.

    Each agent has id, name, model_family, capabilities (task_types, languages, specializations) and, if it has a
    limit, max_concurrent_tasks. One that is refused, since its id is taken, hinders no other. Exit code 1: some were.

    Try: arbiter agents register my-agents.yaml
    """
    drafts = _drafts(file)
    refused: list[_Refused] = []

    async def work(client: ArbiterClient) -> _Registered:
        """One after the other."""
        registered = []
        for draft in drafts:
            try:
                registered.append(await client.register_agent(draft))
            except ApiProblem as problem:
                if problem.code not in _ONE_ALONE:
                    raise
                refused.append(_Refused(id=draft.id, code=problem.code, reason=problem.message))
        return _Registered(registered=tuple(registered), refused=tuple(refused))

    ask(session, work, _show_registered)
    return 1 if refused else 0


@agents.command(name="import")
def import_agents(file: File, /, *, session: Session = Session()) -> int:  # noqa: B008  frozen
    """The same as `register`, the way back of `export`."""
    return register(file, session=session)


@agents.command
def history(agent_id: str, /, *, session: Session = Session()) -> int:  # noqa: B008  frozen
    """Show how an agent's capabilities changed, and its last outcomes.

    Try: arbiter agents history reviewer-1
    """
    return ask(session, lambda client: client.history(agent_id), _show_history)


@agents.command
def status(agent_id: str, to: AgentStatus, /, *, session: Session = Session()) -> int:  # noqa: B008  frozen
    """Say what an agent may be asked for: available, busy, draining, offline or maintenance.

    Try: arbiter agents status reviewer-1 draining
    """
    return ask(session, lambda client: client.set_status(agent_id, to), _show_agent)


@agents.command
def remove(agent_ids: tuple[str, ...], /, *, session: Session = Session()) -> int:  # noqa: B008  frozen
    """Remove agents, with their averages and their history.

    Try: arbiter agents remove reviewer-1 reviewer-2
    """

    async def work(client: ArbiterClient) -> _Removed:
        """One after the other."""
        for agent_id in agent_ids:
            await client.unregister_agent(agent_id)
        return _Removed(removed=agent_ids)

    return ask(session, work, lambda answer: out_console().print(f"Removed {', '.join(answer.removed)}."))


def _drafts(path: str) -> list[AgentDraft]:
    content = parsed(path)
    entries = content.get("agents", content) if isinstance(content, dict) else content
    entries = entries if isinstance(entries, list) else [entries]
    try:
        return [AgentDraft.model_validate(_without_ability(entry)) for entry in entries]
    except ValidationError as error:
        raise InputInvalid(f"An agent of {path}", error) from None


def _without_ability(entry: object) -> object:
    # The demo's populations hold the truth about their agents as well, which is not for the service to know.
    return (
        {key: value for key, value in entry.items() if key != "ability"} if isinstance(entry, dict) else entry
    )


def _show_found(found: _Found) -> None:
    if not found.agents:
        out_console().print(f"No agent fits. {escape(found.hint or '')}".rstrip(), soft_wrap=True)
        return
    table = Table("agent", "score", "success", "tasks", "load", "status", "why", box=None, pad_edge=False)
    for match in found.agents:
        agent = match.agent
        table.add_row(
            agent.id,
            f"{match.match_score:.3f}",
            f"{agent.performance_history.success_rate:.3f}",
            str(agent.performance_history.task_count),
            f"{agent.current_load.utilization_percent:.0f} %",
            _status(agent),
            escape(match.match_reason),
        )
    out_console().print(table)


def _show_agent(agent: Agent) -> None:
    history, load, able = agent.performance_history, agent.current_load, agent.capabilities
    limit = agent.max_concurrent_tasks or "no limit"
    table = Table("", "", box=None, pad_edge=False, show_header=False)
    for name, value in (
        ("id", agent.id),
        ("name", agent.name),
        ("model family", agent.model_family),
        ("status", _status(agent)),
        ("task types", ", ".join(able.task_types)),
        ("languages", ", ".join(able.languages) or "-"),
        ("specializations", ", ".join(able.specializations) or "-"),
        ("success rate", f"{history.success_rate:.3f} after {history.task_count} task(s)"),
        ("quality", f"{history.average_quality:.3f}"),
        ("latency", f"{history.average_latency_ms:.0f} ms"),
        (
            "load",
            f"{load.active_tasks} active ({load.utilization_percent:.0f} %, {limit}), {load.queued_tasks} queued",
        ),
        ("registered", agent.registered_at.isoformat(timespec="seconds")),
        ("last active", agent.last_active_at.isoformat(timespec="seconds")),
    ):
        table.add_row(f"[bold]{name}[/]", escape(value))
    out_console().print(table)


def _status(agent: Agent) -> str:
    return f"{agent.status}, stale" if agent.is_stale else agent.status.value


def _show_history(history: AgentHistory) -> None:
    console = out_console()
    versions = Table(
        "version", "when", "who", "task types", "languages", "specializations", box=None, pad_edge=False
    )
    for one in history.capabilities:
        versions.add_row(
            str(one.version),
            one.changed_at.isoformat(timespec="seconds"),
            escape(one.changed_by) or "-",
            *(
                escape(", ".join(words)) or "-"
                for words in (one.new.task_types, one.new.languages, one.new.specializations)
            ),
        )
    console.print(versions)
    outcomes = Table("when", "success", "quality", "latency", "decision", box=None, pad_edge=False)
    for counted in history.performance[:20]:
        report = counted.report
        outcomes.add_row(
            counted.recorded_at.isoformat(timespec="seconds"),
            "yes" if report.success else "no",
            f"{report.quality_score:.3f}",
            f"{report.latency_ms:.0f} ms",
            counted.key or "-",
        )
    console.print(outcomes)


def _show_registered(answer: _Registered) -> None:
    console = out_console()
    for agent in answer.registered:
        console.print(
            f"Registered {agent.id}: {escape(', '.join(agent.capabilities.task_types))}.", soft_wrap=True
        )
    for one in answer.refused:
        console.print(f"[bold red]Refused[/] {one.id}: {escape(one.reason)}", soft_wrap=True)
