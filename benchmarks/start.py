"""From the command to `/readyz` 200, as a whole process in the product's environment."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import httpx2

from benchmarks.harness import Row

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
    command = [
        str(PROJECT / ".venv" / "bin" / "arbiter"), "run", "--json", "--set", "server.port=0",
        "--set", "management.port=0", "--set", f"storage.url=sqlite:///{database}",
    ]  # fmt: skip
    begun = time.perf_counter()
    with (
        subprocess.Popen(
            command,
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "ARBITER_ENV": "test"},
            text=True,
        ) as process,
        httpx2.Client() as client,
    ):
        # Asked when it says that it is ready: to ask every 5 ms until it is would be a tenth of what is measured.
        answer = client.get(f"{_management(process)}/readyz")
        taken = time.perf_counter() - begun
        process.send_signal(signal.SIGTERM)
    if answer.status_code != 200:
        raise RuntimeError(f"said that it is ready, and answered {answer.status_code}: {answer.text}")
    return taken


def _management(process: subprocess.Popen[str]) -> str:
    """Where the management port is, once the process has said so: one JSON document, whose end stands at a line's start."""
    assert process.stdout is not None
    lines: list[str] = []
    while not (lines and lines[-1].startswith("}")):
        if not (line := process.stdout.readline()):
            raise RuntimeError(f"the process has ended: {''.join(lines)}")
        lines.append(line)
    return str(json.loads("".join(lines))["management_url"])
