"""Reloads of a running service (scenarios C05, C09, C10, C14, C15): one service, whose file each test rewrites."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from tests.process.homes import home, keys_of, replaced, reported
from tests.processes import Service, answer_of, arbiter, running, until

BASE = """
[default.registry]
max_agents = {agents}
[default.server]
max_body_bytes = {body}
[default.observability]
log_level = "{level}"
log_format = "json"
exporter = "console"
[default.health]
interval_s = 0.3
[default.storage]
url = "postgresql://me:{secret}-url@db/x"
"""
SECRET = "s3cr3t-XYZ"
MANAGEMENT = [
    "info",
    "config",
    "breakers",
    "metrics",
    "livez",
    "readyz",
    "startupz",
    "healthz",
    "health/config",
    "graph",
    "startup",
    "loggers",
    "tasks",
    "events",
]
API = [
    "openapi.json",
    "v1/agents",
    "v1/agents/nobody",
    "v1/performance/summary",
    "v1/performance/training-batches",
]
ALLOWED = {"Authorization": f"Bearer {SECRET}-token"}


def text(agents: int = 5, *, body: int = 2048, level: str = "info") -> str:
    """The settings file with these values."""
    return BASE.format(agents=agents, body=body, level=level, secret=SECRET)


class Living:
    """The service of this module, and its file."""

    def __init__(self, service: Service, directory: Path) -> None:
        self.service, self.file = service, directory / "settings.toml"

    @property
    def generation(self) -> int:
        """The generation in force."""
        return int(reported(self.service)["generation"])

    def value(self, key: str) -> object:
        """The value in force."""
        return keys_of(self.service)[key]["value"]

    def lines(self, event: str) -> list[dict[str, object]]:
        """The log lines of one event."""
        found = [line for line in self.service.output().splitlines() if f'"{event}"' in line]
        return [json.loads(line) for line in found if line.startswith("{")]

    def told(self, count: int) -> Callable[[], bool]:
        """Whether so many rejections were logged."""
        return lambda: len(self.lines("config.reload.rejected")) == count

    def settled(self, agents: int) -> int:
        """Bring a good file into force and return its generation."""
        replaced(self.file, text(agents))
        until(
            lambda: (
                self.value("registry.max_agents") == agents
                and reported(self.service)["restart_required"] == []
            )
        )
        return self.generation

    def health(self) -> str:
        """The status of `/healthz`, which must be 200, while `/readyz` is."""
        assert answer_of(f"{self.service.management}/readyz").status_code == 200
        answer = answer_of(f"{self.service.management}/healthz")
        assert answer.status_code == 200
        return str(answer.json()["status"])


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Living]:
    """One orchestrator, whose management token is in a mounted file."""
    folder = tmp_path_factory.mktemp("living")
    secrets = f"[default.performance]\nanonymization_key = '{SECRET}-key'\n"
    directory = home(folder, settings=text(), secrets=secrets)
    (directory / "mounted").mkdir()
    (directory / "mounted" / "management.token").write_text(f"{SECRET}-token")
    variables = {"ARBITER_SECRETS_DIR": "mounted"}
    with running(folder, env="development", directory=directory, variables=variables) as service:
        yield Living(service, directory)


def test_c09_a_replaced_file_is_in_use_within_two_seconds(living: Living) -> None:
    """`os.replace` of the file is one more generation, and new requests see the new value."""
    before = living.settled(5)

    begun = time.monotonic()
    replaced(living.file, text(12))
    until(lambda: living.value("registry.max_agents") == 12, limit_s=10)
    taken_s = time.monotonic() - begun

    assert living.generation == before + 1
    assert taken_s < 2


def test_c10_a_bad_file_changes_nothing_and_is_seen(living: Living) -> None:
    """Syntax, range, empty, gone: the generation stays, one ERROR line each, health warns, readiness stays; good heals."""
    before = living.settled(20)
    told = len(living.lines("config.reload.rejected"))

    for count, wrong in enumerate(["[default", text(-1), "", None], start=1):
        living.file.unlink() if wrong is None else replaced(living.file, wrong)
        until(living.told(told + count))
        until(lambda: living.health() == "warn")
        assert living.generation == before
    last = living.lines("config.reload.rejected")[-1]
    replaced(living.file, text(21))
    until(lambda: living.value("registry.max_agents") == 21 and living.health() == "pass")

    assert last["level"] == "error"
    assert "missing" in str(last["report"])
    assert living.generation == before + 1
    assert len(living.lines("config.reload.rejected")) == told + 4


def test_c14_a_restart_key_is_listed_and_not_half_applied(living: Living) -> None:
    """The value stays, `/info` lists the key, health warns; with the old value back, all is well."""
    living.settled(5)

    replaced(living.file, text(6, body=4096))
    until(lambda: reported(living.service)["restart_required"] == ["server.max_body_bytes"])
    until(lambda: living.health() == "warn")

    assert living.value("server.max_body_bytes") == 2048
    assert living.value("registry.max_agents") == 6
    assert living.lines("config.restart_required")[-1]["keys"] == ["server.max_body_bytes"]
    living.settled(5)
    until(lambda: living.health() == "pass")


def test_c15_sighup_and_refresh_reload(living: Living) -> None:
    """SIGHUP applies and says so; POST gives the changed keys, or 422 with every fault; a dry run changes nothing."""
    living.settled(5)
    url = f"{living.service.management}/refresh"

    living.file.write_text(text(30))
    told = len(living.lines("config.reload"))
    living.service.process.send_signal(signal.SIGHUP)
    until(lambda: len(living.lines("config.reload")) > told)
    by_signal = living.value("registry.max_agents")
    living.file.write_text(text(31))
    dry = httpx2.post(url, params={"dry_run": "1"}, headers=ALLOWED)
    living.file.write_text(text(-1).replace("2048", "1"))
    rejected = httpx2.post(url, headers=ALLOWED)

    assert by_signal == 30
    assert dry.json()["outcome"] in {"applied", "unchanged"}  # the watch may have been faster
    assert rejected.status_code == 422
    assert rejected.headers["content-type"] == "application/problem+json"
    assert {error["field"] for error in rejected.json()["errors"]} == {
        "registry.max_agents",
        "server.max_body_bytes",
    }


def test_c15_twenty_posts_are_all_answered(living: Living) -> None:
    """Twenty at once are answered alike, and probes are answered meanwhile."""
    living.settled(5)
    living.file.write_text(text(40))

    with ThreadPoolExecutor(20) as pool:
        posts = [
            pool.submit(httpx2.post, f"{living.service.management}/refresh", headers=ALLOWED, timeout=30)
            for _ in range(20)
        ]
        probe = httpx2.get(f"{living.service.management}/readyz")
        answers = [post.result() for post in posts]

    assert probe.status_code == 200
    assert {answer.status_code for answer in answers} == {200}
    assert living.value("registry.max_agents") == 40


def test_the_command_line_reloads_a_running_service(living: Living) -> None:
    """`arbiter config reload` is 0 with what changed, 1 with the faults of a bad file, 78 where that hides the token."""
    living.settled(5)
    at, mounted = ("--management", living.service.management), {"ARBITER_SECRETS_DIR": "mounted"}

    good = arbiter("config", "reload", *at, "--json", directory=living.file.parent, variables=mounted)
    living.file.write_text(text(-1))
    bad = arbiter(
        "config", "reload", *at, "--token", f"{SECRET}-token", directory=living.file.parent, variables=mounted
    )
    closed = arbiter("config", "reload", *at, directory=living.file.parent, variables=mounted)
    gone = arbiter("config", "reload", "--management", "http://127.0.0.1:9", directory=living.file.parent)

    assert (good.returncode, json.loads(good.stdout)["outcome"]) == (0, "unchanged")
    assert bad.returncode == 1
    assert "registry.max_agents = -1" in bad.stdout
    assert closed.returncode == 78
    assert "registry.max_agents = -1" in closed.stderr
    assert gone.returncode == 1
    assert "Hint" in gone.stderr


def test_the_log_level_is_live(living: Living) -> None:
    """Debug lines appear when the file says so, and cease when it no longer does."""
    living.settled(5)
    assert living.lines("debug") == []

    replaced(living.file, text(6, level="debug"))
    until(lambda: living.value("observability.log_level") == "debug")
    until(lambda: living.lines("debug"))

    living.settled(5)


def test_c05_no_secret_is_anywhere_in_a_running_service(living: Living) -> None:
    """Planted in every source, good and bad: no endpoint, log line, span or problem document shows it."""
    living.settled(5)
    service = living.service
    bad = living.file.parent / ".secrets.local.toml"

    bad.write_text(
        f"[default.management]\ntoken = ['{SECRET}-bad']\n[default.server]\nport = '{SECRET}-port'\n"
    )
    seen = [httpx2.post(f"{service.management}/refresh", headers=ALLOWED).text]
    seen += [httpx2.get(f"{service.management}/{path}").text for path in MANAGEMENT]
    seen += [httpx2.get(f"{service.url}/{path}").text for path in API]
    seen.append(httpx2.post(f"{service.url}/v1/agents", json={"id": 1}).text)
    bad.unlink()
    living.settled(7)
    service.process.send_signal(signal.SIGUSR1)

    assert all(seen)
    assert SECRET not in "".join(seen)
    assert service.terminate() == 0
    assert SECRET not in service.output()
    assert '"trace_id"' in service.output()
