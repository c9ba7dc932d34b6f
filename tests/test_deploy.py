"""The files in `deploy/` and the page about them keep the promises that the settings make."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from arbiter.settings.sources import Sources
from config import Settings, load

PROJECT = Path(__file__).parent.parent
DEPLOY = PROJECT / "deploy"


@pytest.fixture(scope="module")
def settings() -> Settings:
    """Production's, as the repository has them."""
    return load.inspect(Sources(directory=PROJECT, environment="production")).settings


@pytest.fixture(scope="module")
def unit() -> configparser.SectionProxy:
    """The section `[Service]`; of a key that stands there more than once, the last."""
    parser = configparser.RawConfigParser(strict=False)
    parser.read(DEPLOY / "arbiter.service")
    return parser["Service"]


@pytest.fixture(scope="module")
def pod() -> dict[str, Any]:
    """What the Deployment makes pods of."""
    documents = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))
    (deployment,) = (one for one in documents if one["kind"] == "Deployment")
    template: dict[str, Any] = deployment["spec"]["template"]
    return template


@pytest.fixture(scope="module")
def container_file() -> str:
    """Its text, continued lines joined."""
    return (DEPLOY / "Containerfile").read_text().replace("\\\n", " ")


def test_every_platform_waits_longer_than_the_stop_takes(
    settings: Settings, unit: configparser.SectionProxy, pod: dict[str, Any], container_file: str
) -> None:
    """The grace period of all three is the one of the settings, and above `total_s`."""
    grace_s = settings.lifecycle.grace_period_s

    assert grace_s > settings.lifecycle.total_s
    assert float(unit["TimeoutStopSec"]) == grace_s
    assert pod["spec"]["terminationGracePeriodSeconds"] == grace_s
    assert f"--stop-timeout {grace_s:g}" in container_file
    assert f"--stop-timeout {grace_s:g}" in (PROJECT / "docs" / "operations.md").read_text()


def test_no_platform_gives_a_start_up_before_the_service_does(
    settings: Settings, unit: configparser.SectionProxy, pod: dict[str, Any], container_file: str
) -> None:
    """systemd, the startup probe and the container's health check wait for `start_s` at least."""
    start_s, probe = settings.lifecycle.start_s, pod["spec"]["containers"][0]["startupProbe"]
    (period,) = re.findall(r"--start-period=(\d+)s", container_file)

    assert float(unit["TimeoutStartSec"]) > start_s
    assert probe["periodSeconds"] * probe["failureThreshold"] > start_s
    assert int(period) >= start_s


def test_balancers_look_away_before_the_listener_closes(settings: Settings, pod: dict[str, Any]) -> None:
    """The readiness probe has failed often enough within `pre_drain_s`, and nothing else waits before the signal."""
    container = pod["spec"]["containers"][0]
    probe = container["readinessProbe"]

    assert probe["periodSeconds"] * probe["failureThreshold"] < settings.lifecycle.pre_drain_s
    assert "lifecycle" not in container


def test_a_blocked_loop_gets_time_before_it_is_ended(
    settings: Settings, unit: configparser.SectionProxy, pod: dict[str, Any]
) -> None:
    """The watchdog and the liveness probe wait longer than it takes liveness to fail."""
    probe = pod["spec"]["containers"][0]["livenessProbe"]

    assert float(unit["WatchdogSec"]) > settings.health.lag_fail_s
    assert probe["periodSeconds"] * probe["failureThreshold"] > settings.health.lag_fail_s


def test_probes_ask_the_management_port_for_what_it_serves(settings: Settings, pod: dict[str, Any]) -> None:
    """Each probe asks its own path, at the port that answers while the loop is blocked; the Service does not have it."""
    container = pod["spec"]["containers"][0]
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    asked = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    service = next(
        one
        for one in yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
        if one["kind"] == "Service"
    )

    assert ports == {"http": settings.server.port, "management": settings.management.port}
    assert {kind: one["path"] for kind, one in asked.items()} == {
        "startup": "/startupz",
        "liveness": "/livez",
        "readiness": "/readyz",
    }
    assert {one["port"] for one in asked.values()} == {"management"}
    assert [one["targetPort"] for one in service["spec"]["ports"]] == ["http"]


def test_the_unit_knows_which_end_no_restart_mends(unit: configparser.SectionProxy) -> None:
    """Wrong settings are not tried again, and a hanging service is asked to write its stacks."""
    assert unit["Type"] == "notify"
    assert "-HUP" in unit["ExecReload"]
    assert unit["RestartPreventExitStatus"] == "78"
    assert unit["WatchdogSignal"] == "SIGTERM"
    assert unit["ExecStart"].endswith("/.venv/bin/arbiter run")


def test_the_container_runs_the_service_as_its_first_process(
    container_file: str, pod: dict[str, Any]
) -> None:
    """The entry point is a list, so that no shell keeps the signals; it is not root."""
    (entry,) = re.findall(r"^ENTRYPOINT (.*)$", container_file, re.MULTILINE)
    (user,) = re.findall(r"^USER (\d+)$", container_file, re.MULTILINE)

    assert entry == '["arbiter", "run"]'
    assert int(user) == pod["spec"]["securityContext"]["runAsUser"]


def test_the_container_copies_only_what_is_there(container_file: str) -> None:
    """Each file and folder that the image is made of is one of the project's."""
    if not (PROJECT / "arbiter").is_dir():
        pytest.skip("the source is hidden, of which the image is made")
    copied = [
        word
        for line in re.findall(r"^COPY (?!--from)(.*)$", container_file, re.MULTILINE)
        for word in line.split()[:-1]
    ]

    assert [word for word in copied if not (PROJECT / word).exists()] == []


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    """`systemd-analyze verify` finds nothing wrong with it."""
    text = (DEPLOY / "arbiter.service").read_text()
    (tmp_path / "arbiter.service").write_text(text.replace("/opt/arbiter/.venv/bin/arbiter run", "/bin/true"))

    outcome = subprocess.run(
        ["systemd-analyze", "verify", tmp_path / "arbiter.service"],
        capture_output=True,
        text=True,
        check=False,
    )

    # It looks at units that this machine has as well.
    assert [line for line in outcome.stderr.splitlines() if "arbiter.service" in line] == []
