"""The conversation of a real process with systemd, whose end of the socket the test holds."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

from tests.processes import running


def test_s15_systemd_is_told_of_a_whole_life(tmp_path: Path) -> None:
    """Ready after the start, alive at half the watchdog's time, reloading and ready again, stopping first at SIGTERM."""
    name = f"arbiter-test-{os.getpid()}"
    variables = {"NOTIFY_SOCKET": f"@{name}", "WATCHDOG_USEC": "400000"}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(f"\0{name}")
        ear.settimeout(20)
        with running(tmp_path, variables=variables) as service:
            begun = _until(ear, "READY")
            alive = [_next(ear), _next(ear)]
            service.process.send_signal(signal.SIGHUP)
            reloading, again = _until(ear, "RELOADING")[-1], _until(ear, "READY")[-1]
            service.process.send_signal(signal.SIGTERM)
            stopping = next(one for one in _until(ear, "STOPPING") if "WATCHDOG" not in one)
            code = service.process.wait(20)

    assert begun[0]["STATUS"] == "starting"
    assert [one for one in begun if "WATCHDOG" in one] == []
    assert alive == [{"WATCHDOG": "1"}] * 2
    assert reloading["MONOTONIC_USEC"].isdigit()
    assert again["STATUS"] == "running"
    assert stopping["STOPPING"] == "1"
    assert code == 0


def _next(ear: socket.socket) -> dict[str, str]:
    return dict(line.split("=", 1) for line in ear.recv(4096).decode().splitlines())


def _until(ear: socket.socket, variable: str) -> list[dict[str, str]]:
    """Everything up to the first datagram with this variable."""
    heard = [_next(ear)]
    while variable not in heard[-1]:
        heard.append(_next(ear))
    return heard
