"""What systemd is told, over a real datagram socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from arbiter.events import PhaseEntered
from arbiter.lifecycle.systemd import Systemd


@pytest.fixture(params=["path", "abstract"])
def ear(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[socket.socket]:
    """Where systemd listens: a socket in the file system, or in Linux's abstract namespace."""
    name = f"\0arbiter-test-{os.getpid()}" if request.param == "abstract" else os.path.relpath(tmp_path / "n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(name)
        listening.settimeout(10)
        yield listening


def variables(ear: socket.socket, **more: str) -> dict[str, str]:
    """What systemd puts into the service's environment."""
    name = ear.getsockname()
    address = f"@{name[1:].decode()}" if isinstance(name, bytes) else os.path.realpath(name)
    return {"NOTIFY_SOCKET": address, **more}


def heard(ear: socket.socket) -> dict[str, str]:
    """The next datagram, by variable."""
    return dict(line.split("=", 1) for line in ear.recv(4096).decode().splitlines())


def test_s15_systemd_hears_ready_reloading_and_stopping(ear: socket.socket) -> None:
    """In this order, each once, with the times that systemd compares with its own."""
    systemd = Systemd(variables(ear), lambda: True)
    systemd.begin(start_s=60)
    systemd.publish(PhaseEntered("running", "starting"))
    systemd.reloading()
    systemd.reloaded()
    systemd.stopping(total_s=25)
    systemd.stopping(total_s=25)
    systemd.publish(PhaseEntered("pre-drain", "running"))
    said = [heard(ear) for _ in range(6)]
    systemd.end()

    assert said[0] == {"STATUS": "starting", "EXTEND_TIMEOUT_USEC": "60000000"}
    assert said[1] == {"READY": "1", "STATUS": "running"}
    assert said[2]["RELOADING"] == "1"
    assert said[2]["MONOTONIC_USEC"].isdigit()
    assert said[3]["READY"] == "1"
    assert said[4] == {"STOPPING": "1", "STATUS": "stopping", "EXTEND_TIMEOUT_USEC": "25000000"}
    assert said[5] == {"STATUS": "pre-drain"}


def test_s15_the_watchdog_hears_nothing_while_liveness_fails(ear: socket.socket) -> None:
    """It is told again and again that the service is alive, from ready on, and only while that is so."""
    answers = iter([True, True, False, False, True])
    asked: list[bool] = []

    def is_alive() -> bool:
        asked.append(next(answers, False))
        return asked[-1]

    systemd = Systemd(variables(ear, WATCHDOG_USEC="20000", WATCHDOG_PID=str(os.getpid())), is_alive)
    systemd.begin(start_s=60)
    systemd.publish(PhaseEntered("running", "starting"))
    said = [heard(ear) for _ in range(5)]
    at_third = len(asked)
    systemd.end()

    assert [*said[2:]] == [{"WATCHDOG": "1"}] * 3
    assert at_third >= 5


@pytest.mark.parametrize(
    "more", [{}, {"WATCHDOG_USEC": "20000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}]
)
def test_s15_no_watchdog_that_is_not_ours_is_told(ear: socket.socket, more: dict[str, str]) -> None:
    """Without the variables, with another process's, or with nonsense, liveness is never asked."""
    asked: list[str] = []

    def is_alive() -> bool:
        asked.append("alive")
        return True

    systemd = Systemd(variables(ear, **more), is_alive)
    systemd.begin(start_s=60)
    systemd.publish(PhaseEntered("running", "starting"))
    systemd.end()

    assert asked == []


def test_without_systemd_nothing_is_said() -> None:
    """No socket is opened and no thread begins; nor does an address that nobody understands or answers do harm."""
    for address in ({}, {"NOTIFY_SOCKET": "vsock:2:1"}, {"NOTIFY_SOCKET": "/nowhere/notify"}):
        systemd = Systemd(address, lambda: True)
        systemd.begin(start_s=60)
        systemd.publish(PhaseEntered("running", "starting"))
        systemd.stopping(total_s=25)
        systemd.end()
