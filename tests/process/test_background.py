"""S13: what runs in the background of a process, and fails again and again."""

from __future__ import annotations

import json
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx2

from tests.processes import answer_of, probe, serving, until

APPLICATION = """
from dependency_injector import providers
from arbiter import App, Infrastructure


class Listener:
    def __init__(self, background):
        self._background, self._tries = background, 0

    async def start(self):
        self._background.keep("listen", self.listen, on_failure="{policy}")

    async def listen(self):
        self._tries += 1
        print("try", self._tries, flush=True)
        raise ConnectionError("the queue is gone")

    async def stop(self):
        print("stopped", flush=True)


class Shop(Infrastructure):
    listener = providers.Singleton(Listener, Infrastructure.background)


def create_app():
    return App(Shop)
"""
QUICK = ("lifecycle.restart_after_s=0.1", "lifecycle.pre_drain_s=0", "health.interval_s=0.2")


def test_s13_a_task_that_dies_for_good_stops_the_process_with_70(tmp_path: Path) -> None:
    """It is begun again five times, each time after twice as long; then the process stops well, and says why."""
    (tmp_path / "shop.py").write_text(APPLICATION.format(policy="stop"))
    with serving(tmp_path, tmp_path, *QUICK, variables=SHOP) as service:
        code = service.process.wait(60)
        said = service.output()

    at = [one["timestamp"] for one in _lines(said) if one["event"] == "background.failed"]
    assert code == 70
    assert [line for line in said.splitlines() if line.startswith("try")] == [f"try {n}" for n in range(1, 7)]
    assert _gaps_grow(at)
    assert "The background task 'listen' failed again after 5 restarts." in said
    assert "stopped" in said.splitlines()


def test_s13_a_task_that_may_only_degrade_fails_its_check(tmp_path: Path) -> None:
    """The process goes on: the check `background` fails and names the task, health warns, readiness passes."""
    (tmp_path / "shop.py").write_text(APPLICATION.format(policy="degrade"))
    with serving(tmp_path, tmp_path, *QUICK, "health.failure_threshold=1", variables=SHOP) as service:
        until(lambda: _background(service.management)["status"] == "fail", what="the check to fail")
        check = _background(service.management)
        ready = probe(f"{service.management}/readyz")
        (task,) = httpx2.get(f"{service.management}/tasks").json()["background"]
        code = service.terminate()

    assert "listen: ConnectionError: the queue is gone" in check["output"]
    assert ready == 200
    assert (task["state"], task["failures"]) == ("failed", 6)
    assert code == 0


SHOP = {"ARBITER_ENV": "test", "ARBITER_APP": "shop:create_app"}


def _lines(said: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.splitlines() if line.startswith("{")]


def _gaps_grow(at: list[str]) -> bool:
    """Whether each attempt was put off by no less than it should be: 0.1 s, and twice as long each time."""
    moments = [datetime.fromisoformat(one).timestamp() for one in at]
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    return len(gaps) == 5 and all(gap >= 0.1 * 2**number - 0.002 for number, gap in enumerate(gaps))


def _background(management: str) -> dict[str, Any]:
    checks = answer_of(f"{management}/healthz").json()["checks"]
    ((found,),) = [parts for name, parts in checks.items() if name.startswith("background")]
    return dict(found)
