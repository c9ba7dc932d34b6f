"""The management port of a running service."""

from __future__ import annotations

import shutil
from pathlib import Path

import httpx2

from tests.processes import PROJECT, arbiter, running


def test_every_probe_answers_on_both_ports(tmp_path: Path) -> None:
    """Liveness, readiness, startup and health are 200 on a healthy service, on either port, and say what was checked."""
    with running(tmp_path) as service:
        statuses = {
            f"{port}{path}": httpx2.get(f"{port}{path}").status_code
            for port in (service.url, service.management)
            for path in ("/livez", "/readyz", "/startupz", "/healthz")
        }
        health = httpx2.get(f"{service.management}/healthz")

    assert set(statuses.values()) == {200}, statuses
    assert health.headers["content-type"] == "application/health+json"
    assert health.headers["cache-control"] == "no-store"
    names = {name.split(":")[0] for name in health.json()["checks"]}
    assert {"database", "registry", "router", "tracker"} <= names


def test_the_settings_are_shown_without_secrets(tmp_path: Path) -> None:
    """`/config` names each value's source and masks every secret."""
    secret = "s3cr3t-XYZ"
    with running(tmp_path, variables={"ARBITER_MANAGEMENT__TOKEN": secret}) as service:
        shown = httpx2.get(f"{service.management}/config")
        info = httpx2.get(f"{service.management}/info")

    keys = shown.json()["keys"]
    assert secret not in shown.text + info.text + service.output()
    assert keys["management.token"] == {
        "value": "******", "source": "ARBITER_MANAGEMENT__TOKEN", "secret": True, "reload": "restart",
        "overrode": [{"value": "******", "source": "default"}],
    }  # fmt: skip
    assert keys["server.port"]["source"] == "--set"


def test_changes_need_the_token(tmp_path: Path) -> None:
    """A refresh without the token is refused: 403 where none is set, 401 where one is; with it, it is carried out."""
    with running(tmp_path) as without:
        refused = httpx2.post(f"{without.management}/refresh")
    with running(tmp_path, variables={"ARBITER_MANAGEMENT__TOKEN": "right"}) as service:
        wrong = httpx2.post(f"{service.management}/refresh", headers={"Authorization": "Bearer wrong"})
        right = httpx2.post(f"{service.management}/refresh", headers={"Authorization": "Bearer right"})

    assert (refused.status_code, wrong.status_code, right.status_code) == (403, 401, 200)
    assert right.json()["outcome"] == "unchanged"


def test_a_refresh_takes_over_a_changed_file_and_refuses_a_bad_one(tmp_path: Path) -> None:
    """`POST /refresh` applies a live key, and answers 422 with the faults of a bad file while the old settings stay."""
    home = tmp_path / "home"
    home.mkdir()
    for name in ("config", "containers"):
        shutil.copytree(PROJECT / name, home / name)
    file = home / "settings.toml"
    file.write_text("[default.routing]\nexploration_rate = 0.1\n")
    with running(tmp_path, env="development", directory=home) as service:
        file.write_text("[default.routing]\nexploration_rate = 0.3\n")
        applied = httpx2.post(f"{service.management}/refresh")
        taken = httpx2.get(f"{service.management}/config").json()["keys"]
        file.write_text("[default.routing]\nexploration_rate = 3\n")
        rejected = httpx2.post(f"{service.management}/refresh")
        keys = httpx2.get(f"{service.management}/config").json()["keys"]

    # nothing has changed any more where the watch was there before the request
    assert applied.json()["changed"] in (["routing.exploration_rate"], [])
    assert taken["routing.exploration_rate"]["value"] == 0.3
    assert rejected.status_code == 422
    assert rejected.json()["errors"][0]["field"] == "routing.exploration_rate"
    assert keys["routing.exploration_rate"]["value"] == 0.3


def test_status_shows_a_running_service(tmp_path: Path) -> None:
    """`arbiter status` answers 0 for a ready service, and 2 with a hint where nobody answers."""
    with running(tmp_path) as service:
        ready = arbiter("status", "--management", service.management)
    gone = arbiter("status", "--management", service.management)

    assert ready.returncode == 0
    assert "registry.query" in ready.stdout or "database" in ready.stdout
    assert gone.returncode == 2
    assert "Hint" in gone.stderr
