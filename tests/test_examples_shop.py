"""The second application of the repository, as its own users run it: its tests, and the service as a process."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.processes import PROJECT, Service, answer_of, arbiter, clean_environment, serving, until

SHOP = PROJECT / "examples" / "shop"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A copy of the application, so that nothing is left beside the original."""
    return Path(
        shutil.copytree(
            SHOP, tmp_path / "shop", ignore=shutil.ignore_patterns("data", "__pycache__", ".*cache")
        )
    )


@pytest.fixture
def service(shop: Path) -> Iterator[Service]:
    """The application, running by itself in development, ended at the latest with the test."""
    with serving(shop, shop) as service:
        yield service


def test_its_own_tests_pass(shop: Path) -> None:
    """`make test` of the example passes, in the environment that is there."""
    binaries = Path(sys.executable).parent

    done = subprocess.run(
        ["make", "test", f"BIN={binaries}"],
        cwd=shop,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "9 passed" in done.stdout


def test_it_runs_and_stops_as_a_process(service: Service, shop: Path) -> None:
    """It takes orders, warns of low stock, ends with 0 on SIGTERM, and what it acknowledged is on disk."""
    placed = httpx2.post(f"{service.url}/orders", json={"item": "cups", "count": 3})
    refused = httpx2.post(f"{service.url}/orders", json={"item": "cups", "count": 3})
    until(
        lambda: "order more: cups" in answer_of(f"{service.management}/health/stock").text,
        what="the warning",
    )
    code = service.terminate(signal.SIGTERM)

    assert (placed.status_code, placed.json()["left"]) == (201, 1)
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:arbiter:problem:sold-out")
    assert code == 0, service.output()
    assert (shop / "data" / "shop.db").stat().st_size > 0


@pytest.mark.parametrize(("environment", "low_at"), [("development", 2), ("production", 20)])
def test_its_environments_differ(shop: Path, environment: str, low_at: int) -> None:
    """The command line reads the table of the chosen environment."""
    variables = {"ARBITER_MANAGEMENT__TOKEN": "a-real-secret", "ARBITER_ENV": environment}

    done = arbiter("config", "get", "stock.low_at", directory=shop, variables=variables)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{low_at}  (settings.toml [")


def test_its_composition_is_checked(shop: Path) -> None:
    """`arbiter check` finds nothing wrong with it."""
    assert arbiter("check", directory=shop).returncode == 0
