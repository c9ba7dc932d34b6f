"""The main job, shown on a population whose true abilities are known to the demo and not to the service.

`run_demo` needs nothing but a client: the command line gives it one of a running service, tests one of the API in
their own process.
"""

from __future__ import annotations

import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from opentelemetry.trace import Tracer

from arbiter.orchestrator.agents.models import AgentDraft
from arbiter.orchestrator.client import ApiProblem, ArbiterClient
from arbiter.orchestrator.population import MARK, Ability, DemoImpossible, Population
from arbiter.orchestrator.routing.models import Outcome, Task
from arbiter.tracing import span

__all__ = ["AgentLine", "DemoReport", "run_demo"]

_WINDOW: Final = 100
"""How many tasks, at most, count as early and as late."""


@dataclass(frozen=True, slots=True)
class AgentLine:
    """One agent: what is true, and what was found out.

    Attributes:
        agent_id: its id.
        true_success: mean of its true abilities, by the tasks that it got; by its kinds of task where it got none.
        learned_success: the success rate that the service holds at the end.
        early_share: its part of the first tasks, 0 to 1; `late_share` of the last ones.
        tasks: how many it got.
    """

    agent_id: str
    true_success: float
    learned_success: float
    early_share: float
    late_share: float
    tasks: int


@dataclass(frozen=True, slots=True)
class DemoReport:
    """How the demo went.

    Attributes:
        tasks: how many were routed; `explored`, how many of them to learn about an agent.
        window: how many tasks count as first and as last.
        first_success_rate: of the first tasks; `last_success_rate`, of the last ones.
        best_possible: what the last tasks would have come to, had each gone to the best agent for it.
        registered_afresh: agents that were there already.
        duration_s: seconds that routing and reporting took.
    """

    seed: int
    tasks: int
    explored: int
    window: int
    agents: tuple[AgentLine, ...]
    first_success_rate: float
    last_success_rate: float
    best_possible: float
    spec_verdict: str
    ruleset: str
    registered_afresh: int
    duration_s: float

    @property
    def share_of_best(self) -> float:
        """The last success rate as a part of the best possible."""
        return self.last_success_rate / self.best_possible if self.best_possible else 0.0


@dataclass(frozen=True, slots=True)
class _Round:
    """One task and what became of it."""

    task_type: str
    agent_id: str
    explored: bool
    success: bool


async def run_demo(
    client: ArbiterClient,
    population: Population,
    spec_text: str,
    tasks: int = 500,
    seed: int = 0,
    progress: Callable[[int], None] = lambda _: None,
    *,
    tracer: Tracer | None = None,
) -> DemoReport:
    """Register the population, judge the spec, route `tasks` tasks one by one, report outcomes, sum up.

    Args:
        client: of the service; nothing else of it is used.
        population: its agents that are registered already are registered afresh, so that all learning begins anew.
        spec_text: a working spec; the demo goes no further where it does not pass.
        tasks: at least 2.
        seed: decides the mix of tasks and the luck of the agents, not the service's exploration.
        progress: is told the number of tasks done.
        tracer: makes a span for each task, from asking for an agent to reporting the outcome; that of the current span
            where None.

    Raises:
        DemoImpossible: the input cannot be used.
        ArbiterError: what the client raises.
    """
    if tasks < 2:
        raise DemoImpossible(
            f"A demo of {tasks} task(s) shows nothing.", hint="Ask for 2 or more: --tasks 500"
        )
    judgement = await client.validate_spec(spec_text)
    if not judgement.passed:
        raise DemoImpossible(
            f"The working spec does not pass {judgement.ruleset}: {judgement.findings[0].message}.",
            hint="arbiter caws check FILE shows everything that is wrong with it.",
        )
    afresh = [await _register(client, performer.draft) for performer in population.agents]
    began = time.perf_counter()
    rounds = await _rounds(client, population, tasks, seed, progress, tracer)
    duration_s = time.perf_counter() - began
    window = min(_WINDOW, tasks // 2)
    first, last = rounds[:window], rounds[-window:]
    return DemoReport(
        seed=seed,
        tasks=tasks,
        explored=sum(done.explored for done in rounds),
        window=window,
        agents=await _lines(client, population, rounds, window),
        first_success_rate=fmean(done.success for done in first),
        last_success_rate=fmean(done.success for done in last),
        best_possible=fmean(population.best_at(done.task_type) for done in last),
        spec_verdict=judgement.verdict,
        ruleset=judgement.ruleset,
        registered_afresh=sum(afresh),
        duration_s=duration_s,
    )


async def _register(client: ArbiterClient, draft: AgentDraft) -> bool:
    """Register one agent anew; whether it was there before."""
    try:
        await client.register_agent(draft)
    except ApiProblem as problem:
        if problem.code != "agent-exists":
            raise
        present = await client.get_agent(draft.id)
        if (present.name, present.model_family) != (draft.name, draft.model_family):
            raise DemoImpossible(
                f"The service has an agent {draft.id} of its own, which the demo would replace.",
                hint="Run the demo against another service, or with a population of other ids: --agents FILE",
            ) from None
        await client.unregister_agent(draft.id)
        await client.register_agent(draft)
        return True
    return False


async def _rounds(
    client: ArbiterClient,
    population: Population,
    tasks: int,
    seed: int,
    progress: Callable[[int], None],
    tracer: Tracer | None,
) -> list[_Round]:
    # Two streams, so that the mix of tasks does not depend on whom the service chose. No secret is drawn here.
    mix, luck = random.Random(f"{seed} mix"), random.Random(f"{seed} luck")  # noqa: S311
    performers = {performer.id: performer for performer in population.agents}
    run, rounds = uuid.uuid4().hex[:8], list[_Round]()
    for number in range(1, tasks + 1):
        kind = mix.choice(population.task_types)
        task = Task(task_id=f"demo-{run}-{number}", task_type=kind, specializations=(MARK,))
        with span("demo.task", {"task_type": kind}, tracer=tracer):
            decision = await client.route(task)
            outcome = _performed(performers[decision.selected_agent].ability[kind], luck)
            await client.report_outcome(decision.task_id, outcome)
        rounds.append(_Round(kind, decision.selected_agent, decision.explored, outcome.success))
        progress(number)
    return rounds


def _performed(ability: Ability, luck: random.Random) -> Outcome:
    success = luck.random() < ability.success
    quality = ability.quality * luck.uniform(0.9, 1.1) * (1.0 if success else 0.5)
    return Outcome(
        success=success,
        quality_score=min(1.0, quality),
        latency_ms=ability.latency_ms * luck.uniform(0.7, 1.3),
        error=None if success else "The demo drew a failure.",
    )


async def _lines(
    client: ArbiterClient, population: Population, rounds: Sequence[_Round], window: int
) -> tuple[AgentLine, ...]:
    early, late = _shares(rounds[:window]), _shares(rounds[-window:])
    lines = []
    for performer in population.agents:
        kinds = [done.task_type for done in rounds if done.agent_id == performer.id]
        agent = await client.get_agent(performer.id)
        lines.append(
            AgentLine(
                agent_id=performer.id,
                true_success=fmean(performer.ability[kind].success for kind in kinds or performer.ability),
                learned_success=agent.performance_history.success_rate,
                early_share=early.get(performer.id, 0.0),
                late_share=late.get(performer.id, 0.0),
                tasks=len(kinds),
            )
        )
    return tuple(lines)


def _shares(rounds: Sequence[_Round]) -> Mapping[str, float]:
    counts = Counter(done.agent_id for done in rounds)
    return {agent_id: count / len(rounds) for agent_id, count in counts.items()}
