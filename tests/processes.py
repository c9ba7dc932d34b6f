"""The orchestrator as a real process, for tests whose subject is one."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from tests.ports import free_port

PROJECT = Path(__file__).parent.parent
ARBITER = [sys.executable, "-m", "arbiter"]


def until(condition: Callable[[], object], *, limit_s: float = 20, what: str = "the condition") -> None:
    """Poll until `condition` is truthy, at most `limit_s` seconds."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come true within {limit_s} s")
        time.sleep(0.01)


@dataclass
class Service:
    """A running orchestrator."""

    process: subprocess.Popen[bytes]
    url: str
    management: str
    log: Path
    exit_code: int | None = field(default=None)

    def is_ready(self) -> bool:
        """Whether `/readyz` answers 200."""
        return probe(f"{self.management}/readyz") == 200

    def terminate(self, number: int = signal.SIGTERM, *, limit_s: float = 40) -> int:
        """Send a signal, wait for the end, return the exit code."""
        self.process.send_signal(number)
        self.exit_code = self.process.wait(limit_s)
        return self.exit_code

    def output(self) -> str:
        """Everything it wrote so far, stdout and stderr together."""
        return self.log.read_text(encoding="utf-8", errors="replace")


def answer_of(url: str, *, params: Mapping[str, str] | None = None, timeout_s: float = 5) -> httpx2.Response:
    """One GET to a server that speaks no TLS, for what is asked again and again.

    Left to itself each request loads the certificates of all authorities, which is 27 ms of work against 1.
    """
    return httpx2.get(url, params=params, timeout=timeout_s, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


def probe(url: str) -> int:
    """The status of one GET, 0 where nobody answers."""
    try:
        return answer_of(url, timeout_s=2).status_code
    except httpx2.HTTPError:
        return 0


def clean_environment(**variables: str) -> dict[str, str]:
    """The variables of this process without those that steer ARBITER, and with `variables`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ARBITER_", "OTEL_"))}
    return {**kept, **variables}


def arbiter(
    *arguments: str,
    directory: Path = PROJECT,
    variables: Mapping[str, str] | None = None,
    limit_s: float = 60,
) -> subprocess.CompletedProcess[str]:
    """Run one command of the command line to its end."""
    return subprocess.run(
        [*ARBITER, *arguments],
        cwd=directory,
        env=clean_environment(**(variables or {})),
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )


@contextmanager
def running(
    folder: Path,
    *settings: str,
    env: str = "test",
    variables: Mapping[str, str] | None = None,
    directory: Path = PROJECT,
    python: str = sys.executable,
) -> Iterator[Service]:
    """The orchestrator on free ports with its database in `folder`; killed at the end if it still runs."""
    database = f"storage.url=sqlite:///{folder / 'arbiter.db'}"
    with serving(
        directory,
        folder,
        database,
        *settings,
        variables={"ARBITER_ENV": env, **(variables or {})},
        python=python,
    ) as service:
        yield service


@contextmanager
def serving(
    directory: Path,
    logs: Path,
    *settings: str,
    variables: Mapping[str, str] | None = None,
    python: str = sys.executable,
) -> Iterator[Service]:
    """The application in `directory` on free ports, its output in `logs`; killed at the end if it still runs."""
    port, management = free_port(), free_port()
    overrides = [f"server.port={port}", f"management.port={management}", *settings]
    command = [python, *ARBITER[1:], "run", *(word for override in overrides for word in ("--set", override))]
    log = logs / f"service-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=clean_environment(**(variables or {})),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    service = Service(process, f"http://localhost:{port}", f"http://127.0.0.1:{management}", log)
    try:
        until(lambda: process.poll() is not None or service.is_ready(), limit_s=60, what=f"ready; {log}")
        if process.poll() is not None:
            raise AssertionError(f"it ended with {process.returncode}:\n{service.output()}")
        yield service
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)
