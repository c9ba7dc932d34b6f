"""From the command to `/readyz` 200, as a whole process in the product's environment."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import httpx2

from benchmarks.harness import Row
from tests.ports import free_port

__all__ = ["rows"]

PROJECT = Path(__file__).parent.parent
ROUNDS = 5
TARGET_S = 1.2


def rows() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        taken = [_start(Path(folder) / f"{number}.db") for number in range(ROUNDS + 1)][1:]
    return [
        Row(
            "start to /readyz 200, whole process",
            statistics.median(taken),
            "limit",
            TARGET_S,
            "s",
            f"<= {TARGET_S} s",
        )
    ]


def _start(database: Path) -> float:
    """Seconds from the start of the process to its first ready answer."""
    management = free_port()
    command = [
        str(PROJECT / ".venv" / "bin" / "arbiter"), "run", "--set", "server.port=0",
        "--set", f"management.port={management}", "--set", f"storage.url=sqlite:///{database}",
    ]  # fmt: skip
    begun = time.perf_counter()
    with subprocess.Popen(
        command,
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "ARBITER_ENV": "test"},
    ) as process:
        _until_ready(f"http://127.0.0.1:{management}/readyz")
        taken = time.perf_counter() - begun
        process.send_signal(signal.SIGTERM)
    return taken


def _until_ready(url: str) -> None:
    limit = time.monotonic() + 30
    with httpx2.Client() as client:
        while time.monotonic() < limit:
            try:
                if client.get(url).status_code == 200:
                    return
            except httpx2.HTTPError:
                pass
            time.sleep(0.005)
    raise TimeoutError(f"{url} was not ready within 30 s")
