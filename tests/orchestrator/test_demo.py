"""The main job, end to end: the orchestrator learns whom to ask."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import re
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import fmean

import pytest

from arbiter.orchestrator.demo import DemoReport, run_demo
from arbiter.orchestrator.population import MARK, DemoImpossible, load_population, load_spec
from arbiter.orchestrator.routing.models import Task
from arbiter.orchestrator.routing.settings import RoutingSettings
from tests.orchestrator.kit import Served, Serving, agent, serve


@pytest.fixture
def any_url(sqlite_url: str) -> str:
    """One kind of database will do: nothing here depends on it."""
    return sqlite_url


def whole_demo(seed: int) -> tuple[DemoReport, DemoReport]:
    """A demo of 500 tasks against a fresh service, then a shorter one against the same; in a process of its own."""

    async def run(folder: str) -> tuple[DemoReport, DemoReport]:
        """Serve and show."""
        async with serve(f"sqlite:///{folder}/arbiter.db", routing=RoutingSettings(seed=seed)) as served:
            client, population, spec = served.client, load_population(), load_spec()
            report = await run_demo(client, population, spec, 500, seed)
            return report, await run_demo(client, population, spec, 200, seed)

    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(run(folder))


def demos(seeds: int) -> list[tuple[DemoReport, DemoReport]]:
    """Whole demos with the first seeds, as many at once as there are cores."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=spawn) as pool:
        return list(pool.map(whole_demo, range(seeds)))


def it_learned(reports: list[DemoReport]) -> bool:
    """Whether the last 100 tasks reached 0.9 of the best possible on average."""
    return fmean(report.share_of_best for report in reports) >= 0.9


def it_began_anew(runs: list[tuple[DemoReport, DemoReport]]) -> bool:
    """Whether the second demos began like the first ones, and not where those had ended."""
    began = fmean(first.first_success_rate for first, _ in runs)
    ended = fmean(first.last_success_rate for first, _ in runs)
    again = fmean(second.first_success_rate for _, second in runs)
    return again < (began + ended) / 2


@pytest.mark.timeout(300)
def test_the_demo_learns() -> None:
    """Whole demos over HTTP and SQLite: the last 100 tasks reach 0.9 of the best possible, and beat the first 100.

    A second demo on the same service learns anew. A demo takes some 8 s of processor time, so that this is four of
    them; the 20 seeds of the rule are `test_the_demo_learns_over_20_seeds`, and without HTTP and database
    `routing/test_learning.py`.
    """
    runs = demos(4)

    reports = [first for first, _ in runs]
    assert it_learned(reports)
    assert all(report.last_success_rate > report.first_success_rate for report in reports)
    assert it_began_anew(runs)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_the_demo_learns_over_20_seeds() -> None:
    """Over 20 seeds the last 100 tasks reach 0.9 of the best possible, and beat the first 100 in at least 18."""
    runs = demos(20)

    reports = [first for first, _ in runs]
    assert it_learned(reports)
    assert sum(report.last_success_rate > report.first_success_rate for report in reports) >= 18
    assert it_began_anew(runs)


async def test_the_report_adds_up(serving: Serving) -> None:
    """Tasks and shares of all agents add up, and the learned rates are those that the service holds."""
    population, done = load_population(), list[int]()
    async with serving(routing=RoutingSettings(seed=3)) as served:
        report = await run_demo(served.client, population, load_spec(), 60, 3, done.append)

        assert done == list(range(1, 61))
        assert sum(line.tasks for line in report.agents) == report.tasks == 60
        assert sum(line.early_share for line in report.agents) == pytest.approx(1)
        assert sum(line.late_share for line in report.agents) == pytest.approx(1)
        assert (report.window, report.spec_verdict, report.registered_afresh) == (30, "pass", 0)
        for line in report.agents:
            held = await served.client.get_agent(line.agent_id)
            assert line.learned_success == held.performance_history.success_rate


async def test_a_second_run_begins_anew(serving: Serving) -> None:
    """Agents of an earlier run are registered afresh: nothing of it is left in their averages, nor in routing."""
    async with serving() as served:
        await run_demo(served.client, load_population(), load_spec(), 40, 1)

        again = await run_demo(served.client, load_population(), load_spec(), 20, 2)

        assert again.registered_afresh == len(load_population().agents)
        counted = [
            (await served.client.get_agent(line.agent_id)).performance_history.task_count
            for line in again.agents
        ]
        assert sum(counted) == 20
        assert await outcomes_known(served) == 20


async def outcomes_known(served: Served) -> int:
    """How many outcomes of the demo's agents routing goes by, as its decisions tell."""
    known = 0
    for kind in load_population().task_types:
        decision = await served.client.route(Task(task_type=kind, specializations=(MARK,)))
        reasons = [decision.reason, *(other.reason for other in decision.alternatives)]
        known += sum(int(told) for reason in reasons for told in re.findall(r" over (\d+) outcomes", reason))
    return known


async def test_agents_of_yours_get_no_task_of_the_demo(serving: Serving) -> None:
    """An agent that was there before, and could do it all, is left alone."""
    able = {"task_types": list(load_population().task_types), "languages": ["Python"]}
    async with serving() as served:
        await served.register({**agent("mine"), "capabilities": able})

        await run_demo(served.client, load_population(), load_spec(), 30, 1)

        assert (await served.client.get_agent("mine")).performance_history.task_count == 0


async def test_an_agent_of_yours_is_never_replaced(serving: Serving) -> None:
    """The demo stops before it would unregister an agent that only shares the id."""
    taken = load_population().agents[0].id
    async with serving() as served:
        await served.register(agent(taken))

        with pytest.raises(DemoImpossible, match=taken):
            await run_demo(served.client, load_population(), load_spec(), 10, 1)

        assert (await served.client.get_agent(taken)).name == taken.title()


async def test_a_spec_that_fails_ends_the_demo(serving: Serving) -> None:
    """Nothing is registered or routed on a spec that does not pass."""
    async with serving() as served:
        with pytest.raises(DemoImpossible, match="does not pass"):
            await run_demo(served.client, load_population(), "id: nothing else\n", 10, 1)

        assert await served.client.all_agents() == []


def test_missing_files_are_named(tmp_path: Path) -> None:
    """A file that is not there, or holds no population, is an error that says what to do."""
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("agents: []\n")

    with pytest.raises(DemoImpossible, match="nowhere"):
        load_spec(str(tmp_path / "nowhere.yaml"))
    with pytest.raises(DemoImpossible, match="holds no population"):
        load_population(str(wrong))
