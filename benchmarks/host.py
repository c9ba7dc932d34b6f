"""The host beside plain uvicorn and FastAPI: restarts under load, stops in a crowd, kills, memory, throughput."""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.harness import Row
from tests.crowds import kill_again_and_again, stop_in_a_crowd
from tests.processes import running
from tests.rolling import Instance, ask, ours, peer, roll

__all__ = ["rows"]

PYTHON = str(Path(__file__).parent.parent / ".venv" / "bin" / "python")
"""The product's environment: what users run."""

PEER = "uvicorn + FastAPI with a lifespan"
RESTARTS, CROWD, KILLS = 20, 1000, 10
WARM_UP, ROUNDS, REQUESTS, CONNECTIONS = 5, 60, 320, 16
GET = b"GET /quick HTTP/1.1\r\nHost: x\r\n\r\n"
QUIET = ("observability.tracing_enabled=false", "observability.access_log=false")


def rows() -> list[Row]:
    """All of them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return [*_restarts(folder), *_stop(folder), *_kills(folder), _memory(folder), _throughput(folder)]


def _restarts(folder: Path) -> list[Row]:
    found = {
        name: asyncio.run(roll(make, RESTARTS))
        for name, make in (("ours", lambda: ours(folder, PYTHON)), ("peer", lambda: peer(folder, PYTHON)))
    }
    mine, other = found["ours"], found["peer"]
    asked = f"{mine.answers.total()} and {other.answers.total()} sent"
    return [
        Row(
            f"failed requests in {RESTARTS} rolling restarts ({asked})",
            mine.failed,
            PEER,
            other.failed,
            "",
            "0",
        ),
        Row(
            f"clean exits of {RESTARTS} (code 0)",
            mine.codes[0],
            PEER,
            other.codes[0],
            "",
            str(RESTARTS),
        ),
    ]


def _stop(folder: Path) -> list[Row]:
    found = asyncio.run(stop_in_a_crowd(_made(folder / "crowd"), CROWD))
    what = f"SIGTERM with {CROWD} requests in flight and {CROWD} events in the buffer"
    return [
        Row(f"{what}: answered 200", found.answers[200], "limit", CROWD, "", "all"),
        Row(f"{what}: events kept of those offered", found.events, "offered", found.offered, "", "all, once"),
        Row(f"{what}: exit code", found.code, "limit", 0, "", "0"),
        Row(f"{what}: time", found.stop_s, "lifecycle.total_s", 25, "s", "within"),
    ]


def _kills(folder: Path) -> list[Row]:
    found = asyncio.run(kill_again_and_again(_made(folder / "kills"), KILLS))
    told = f"{found.agents} agents, {found.decisions} decisions, {found.outcomes} outcomes acknowledged"
    return [Row(f"lost in {KILLS} SIGKILLs ({told})", found.lost, "limit", 0, "", "0")]


def _memory(folder: Path) -> Row:
    with running(_made(folder / "idle"), python=PYTHON) as service:
        status = Path(f"/proc/{service.process.pid}/status").read_text()
    resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return Row(
        "memory of an idle orchestrator", int(resident.split()[1]) / 1024, "limit", 120, "MiB", "< 120 MiB"
    )


def _throughput(folder: Path) -> Row:
    """Requests for a second of the server's CPU time, so that what else the machine does counts for nothing.

    A busy machine makes CPU time itself dear, by caches that others fill. Therefore many short rounds, in which each is
    asked right after the other, both on one processor; the ratio is the median of the rounds' ratios, and ours is given
    as that share of the peer's.
    """
    cases: dict[str, Callable[[], Instance]] = {
        "ours": lambda: ours(folder, PYTHON, *QUIET),
        "peer": lambda: peer(folder, PYTHON),
    }
    taken = asyncio.run(_cpu_seconds({name: make() for name, make in cases.items()}))
    other = REQUESTS / statistics.median(taken["peer"])
    share = statistics.median(
        theirs / mine for mine, theirs in zip(taken["ours"], taken["peer"], strict=True)
    )
    return Row("requests of a small endpoint for a CPU second", other * share, PEER, other, "1/s", ">= 0.85")


async def _cpu_seconds(instances: dict[str, Instance]) -> dict[str, list[float]]:
    """What each round cost each of them."""
    taken: dict[str, list[float]] = {name: [] for name in instances}
    try:
        for one in instances.values():
            one.start()
            assert one.process is not None
            os.sched_setaffinity(
                one.process.pid, {min(os.sched_getaffinity(0))}
            )  # threads to come inherit it
        for one in instances.values():
            async with asyncio.timeout(60):
                while await ask(one.readiness_port, "/readyz") != 200:  # noqa: ASYNC110  polled, with a limit
                    await asyncio.sleep(0.05)
        for number in range(WARM_UP + ROUNDS):
            for name, one in instances.items():
                before = _cpu_s(one)
                await asyncio.gather(*(_send(one.port, REQUESTS // CONNECTIONS) for _ in range(CONNECTIONS)))
                if number >= WARM_UP:
                    taken[name].append(_cpu_s(one) - before)
    finally:
        for one in instances.values():
            await one.stop()
    return taken


async def _send(port: int, requests: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(requests):
        writer.write(GET)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.split(b":")[1]))
    writer.close()


def _cpu_s(instance: Instance) -> float:
    """Seconds that its threads have run on a processor so far, to the nanosecond (schedstat; Linux only)."""
    assert instance.process is not None
    threads = Path(f"/proc/{instance.process.pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
