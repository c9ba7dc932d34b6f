"""Health of a running service: an application of its own, whose checks, start and handlers misbehave as a test asks."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest

from arbiter.health.alerts.signing import verify
from tests.health.receiver import Receiver, receiving
from tests.ports import free_port
from tests.processes import ARBITER, answer_of, arbiter, clean_environment, probe, until

TOKEN = "right-token"
SECRET = "shared-secret"

APPLICATION = """
import asyncio, threading, time
from pathlib import Path
from dependency_injector import providers
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from arbiter import App, Infrastructure, health_check

HERE = Path(__file__).parent


class Slow:
    async def start(self):
        while not (HERE / "go").exists():
            await asyncio.sleep(0.01)


class Ailing:
    runs = 0

    @health_check(name="dependency", groups=("storage",))
    async def dependency(self):
        self.runs += 1
        if (HERE / "down").exists():
            raise ConnectionError("cannot reach postgres://app:hunter2@db.internal/shop")

    @health_check(name="hanging", critical=False)
    async def hanging(self):
        await asyncio.Event().wait()

    @health_check(name="hanging_sync", critical=False)
    def hanging_sync(self):
        threading.Event().wait()

    @health_check(name="odd", critical=False)
    async def odd(self):
        raise BaseException("odd")


async def careless(request):
    (HERE / "blocked").touch()
    while not (HERE / "release").exists():
        time.sleep(0.01)
    return PlainTextResponse("late")


class Shop(Infrastructure):
    slow = providers.Singleton(Slow)
    ailing = providers.Singleton(Ailing)
    http = providers.Singleton(Starlette, routes=[Route("/careless", careless)])


def create_app():
    return App(Shop)
"""


@dataclass
class Running:
    process: subprocess.Popen[bytes]
    folder: Path
    url: str
    management: str

    def health(self) -> dict[str, Any]:
        """Every check's object, by name."""
        answer = answer_of(f"{self.management}/healthz").json()
        return {name.split(":")[0]: checks[0] for name, checks in answer["checks"].items()}

    def threads(self) -> int:
        """How many threads the process has."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"Threads:\s+(\d+)", status)[1])  # type: ignore[index]

    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")


@contextmanager
def ailing(folder: Path, receiver: Receiver) -> Iterator[Running]:
    """The application, started and not awaited, with short intervals."""
    (folder / "ailing.py").write_text(APPLICATION)
    port, management = free_port(), free_port()
    chosen = (
        f"server.port={port}", f"management.port={management}", f"management.token={TOKEN}",
        "health.interval_s=0.05", "health.timeout_s=0.2", "health.lag_warn_s=0.3", "health.lag_fail_s=0.8",
        f"health.alerts.webhook_url={receiver.url}", f"health.alerts.webhook_secret={SECRET}",
        "observability.log_format=json", "observability.log_level=info",
    )  # fmt: skip
    command = [*ARBITER, "run", "--app", "ailing:create_app", *(w for one in chosen for w in ("--set", one))]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=clean_environment(ARBITER_ENV="test"), stdout=log, stderr=log
        )
    try:
        yield Running(process, folder, f"http://localhost:{port}", f"http://127.0.0.1:{management}")
    finally:
        process.kill()
        process.wait(10)


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """What the alerts are posted to."""
    with receiving() as found:
        yield found


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[Running]:
    """One life of one process, started and ready; it must end cleanly, whatever the tests did to it."""
    folder = tmp_path_factory.mktemp("ailing")
    (folder / "go").touch()
    with ailing(folder, receiver) as found:
        until(lambda: probe(f"{found.management}/readyz") == 200, what=f"ready; {found.log()}")
        yield found
        found.process.terminate()
        assert found.process.wait(20) == 0, found.log()


def test_h01_management_answers_while_a_component_starts(tmp_path: Path, receiver: Receiver) -> None:
    """While a component starts, liveness passes, startup and readiness fail, and the main port accepts nobody."""
    paths = ("/livez", "/startupz", "/readyz")
    with ailing(tmp_path, receiver) as service:
        until(lambda: probe(f"{service.management}/livez"), what=f"the management port; {service.log()}")
        starting = [probe(f"{service.management}{path}") for path in paths]
        main = probe(f"{service.url}/livez")
        (tmp_path / "go").touch()
        until(lambda: probe(f"{service.management}/readyz") == 200, what="ready")
        started = [probe(f"{service.management}{path}") for path in paths]

    assert starting == [200, 503, 503]
    assert main == 0
    assert started == [200, 200, 200]


def test_h05_hanging_checks_read_timeout_and_cost_nothing(service: Running) -> None:
    """An async and a sync check that hang read "timeout"; the others and the number of threads are unaffected."""

    def both_timed_out() -> bool:
        health = service.health()
        outputs = [health[name].get("output", "") for name in ("hanging", "hanging_sync")]
        return all(output.startswith("timeout") for output in outputs)

    until(both_timed_out, what="two time-outs")
    before, ends = service.threads(), set[str]()

    def has_run_50_times() -> bool:
        ends.add(service.health()["dependency"]["time"])
        return len(ends) > 50

    until(has_run_50_times, what="50 runs")

    assert service.threads() <= before
    health = service.health()
    assert health["dependency"]["status"] == "pass"
    assert health["odd"]["output"] == "BaseException: odd"
    assert probe(f"{service.management}/readyz") == 200


def test_h12_a_wrong_token_is_refused_and_no_password_shows(service: Running) -> None:
    """A wrong token is 401 on both ports, and what a failing check says has no password in it."""
    wrong = {"Authorization": "Bearer wrong"}
    codes = {
        httpx2.get(f"{base}/readyz", headers=wrong).status_code for base in (service.url, service.management)
    }
    right = httpx2.get(f"{service.management}/readyz", headers={"Authorization": f"Bearer {TOKEN}"})

    assert codes == {401}
    assert right.status_code == 200
    assert httpx2.head(f"{service.management}/readyz").status_code == 200


def test_h02_liveness_does_not_look_at_dependencies(service: Running, receiver: Receiver) -> None:
    """While its dependency is down the service is not ready and alive; both turns are told to the webhook."""
    (service.folder / "down").touch()
    until(lambda: probe(f"{service.management}/readyz") == 503, what="not ready")
    told = httpx2.get(f"{service.management}/health/storage?verbose").text
    alive = {probe(f"{service.management}/livez") for _ in range(20)}
    (service.folder / "down").unlink()
    until(lambda: probe(f"{service.management}/readyz") == 200, what="ready again")
    until(lambda: len(_about(receiver, "dependency")) == 2, what="two posts")

    assert alive == {200}
    assert "[-]dependency fail: ConnectionError: cannot reach postgres://app:******@db.internal/shop" in told
    down, up = _about(receiver, "dependency")
    assert down["annotations"]["to"] == "fail"
    assert (up["annotations"]["to"], up["startsAt"], up["labels"]) == (
        "pass",
        down["startsAt"],
        down["labels"],
    )
    assert all(_is_signed(post) for post in receiver.posts)
    assert "hunter2" not in service.log() + str(receiver.posts)


def test_h03_a_blocked_loop_fails_liveness_and_is_named(service: Running) -> None:
    """Liveness answers while a handler blocks the loop, fails, names the frame, and passes after the release."""
    asking = threading.Thread(target=lambda: httpx2.get(f"{service.url}/careless", timeout=30))
    asking.start()
    until((service.folder / "blocked").exists, what="the block")
    until(lambda: probe(f"{service.management}/livez") == 503, what="liveness to fail")
    told = httpx2.get(f"{service.management}/livez?verbose").text
    until(lambda: len(_blocked_in(service, "careless")) == 2, what="two lines of the log")
    (service.folder / "release").touch()
    asking.join(10)
    until(lambda: probe(f"{service.management}/livez") == 200, what="liveness to pass")
    until(lambda: '"event_loop.freed"' in service.log(), what="the last line of the log")

    assert "careless (ailing.py:" in told
    assert _blocked_in(service, "careless")[0]["where"].startswith("careless (ailing.py:")


def _blocked_in(service: Running, handler: str) -> list[dict[str, Any]]:
    """The lines about a loop that this handler blocked; a busy machine holds it up elsewhere as well."""
    lines = [line for line in service.log().splitlines() if '"event_loop.blocked"' in line]
    return [told for line in lines if (told := orjson.loads(line))["where"].startswith(handler)]


def _about(receiver: Receiver, subject: str) -> list[dict[str, Any]]:
    alerts = [alert for post in receiver.posts for alert in orjson.loads(post.body)]
    return [alert for alert in alerts if alert["labels"]["subject"] == subject]


def _is_signed(post: Any) -> bool:
    timestamp, signature = post.headers["x-arbiter-timestamp"], post.headers["x-arbiter-signature"]
    return verify(SECRET, timestamp, signature, post.body, now=int(timestamp))


def test_h13_a_group_that_names_nobody_is_a_fault_of_the_settings(tmp_path: Path) -> None:
    """A group of the settings with a check that is not there ends the start with 78, and names both."""
    (tmp_path / "ailing.py").write_text(APPLICATION)
    (tmp_path / "go").touch()
    (tmp_path / "settings.toml").write_text('[default.health.groups]\nstorage = ["dependncy"]\n')
    ports = ("--set", f"server.port={free_port()}", "--set", f"management.port={free_port()}")

    outcome = arbiter("run", "--app", "ailing:create_app", *ports, directory=tmp_path)

    assert outcome.returncode == 78, outcome.stderr
    assert "health.groups.storage" in outcome.stderr
    assert "did you mean dependency" in outcome.stderr


def test_h13_two_checks_of_one_name_fail_the_start(tmp_path: Path) -> None:
    """Two components with a check of one name end the start with 3, and the message names both places."""
    twice = APPLICATION.replace("    http =", "    annex = providers.Singleton(Ailing)\n    http =")
    (tmp_path / "ailing.py").write_text(twice)
    (tmp_path / "go").touch()
    ports = ("--set", f"server.port={free_port()}", "--set", f"management.port={free_port()}")

    outcome = arbiter("run", "--app", "ailing:create_app", *ports, directory=tmp_path)

    assert outcome.returncode == 3, outcome.stderr
    assert "Ailing.dependency of the provider 'ailing'" in outcome.stderr
    assert "Ailing.dependency of the provider 'annex'" in outcome.stderr
