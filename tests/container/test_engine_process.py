"""The engine as an operator sees it: `arbiter graph`, `arbiter check`, the start-up timeline of a running process."""

from __future__ import annotations

import json
from pathlib import Path

import httpx2

from tests.processes import arbiter, running

WRONG = """
from dependency_injector import providers
from arbiter import App, Infrastructure


class Stock:
    def __init__(self, database: str) -> None: ...


class Shop(Infrastructure):
    stock = providers.Singleton(Stock, 3)
    orders = providers.Singleton(Stock, databse="x")


def create_app() -> App:
    return App(Shop)
"""


def test_the_graph_of_the_application_in_every_form(tmp_path: Path) -> None:
    """Text, mermaid, dot and JSON name the components; a focus leaves out the rest; an unknown one is refused."""
    near = arbiter("graph", "--focus", "registry", "--depth", "1", "--format", "json")
    text = arbiter("graph", "--depth", "1")
    unknown = arbiter("graph", "--focus", "regstry")

    nodes = {node["name"]: node for node in json.loads(near.stdout)["nodes"]}
    assert set(nodes) == {"registry", "guard", "agent_store", "clock", "http", "router"}
    assert nodes["registry"]["guarded"]
    assert "asgi  Singleton of TelemetryMiddleware, started as number" in text.stdout
    assert (unknown.returncode, "did you mean registry" in unknown.stderr) == (1, True)


def test_a_check_tells_everything_with_its_place(tmp_path: Path) -> None:
    """Code, container, provider, file and line of each problem; exit code 3."""
    (tmp_path / "shop.py").write_text(WRONG)

    outcome = arbiter("check", "--json", "--app", "shop:create_app", directory=tmp_path)

    problems = json.loads(outcome.stdout)["problems"]
    assert outcome.returncode == 3
    assert [(one["code"], one["container"], one["place"], one["line"]) for one in problems] == [
        ("type", "Shop", "stock", 11),
        ("arguments", "Shop", "orders", 12),
    ]
    assert {Path(one["file"]).name for one in problems} == {"shop.py"}


def test_a_running_process_shows_its_graph_and_how_it_started(tmp_path: Path) -> None:
    """`GET /graph` and `GET /startup` on the management port, and `arbiter status --startup`."""
    with running(tmp_path) as service:
        startup = httpx2.get(f"{service.management}/startup").json()
        graph = httpx2.get(f"{service.management}/graph").json()
        shown = arbiter("status", "--startup", "--management", service.management)

    assert startup["outcome"] == "started"
    steps = {step["name"]: step for step in startup["steps"]}
    assert {"database", "registry", "router", "asgi"} <= set(steps)
    assert 0 < steps["database"]["duration_s"] <= startup["duration_s"]
    assert {node["name"] for node in graph["nodes"]} >= set(steps)
    assert shown.returncode == 0
    assert "started in" in shown.stdout
    assert "database" in shown.stdout
