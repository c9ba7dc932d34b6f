"""The tracker behind its guard, with a real PostgreSQL whose wire is cut for a while."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import httpx2

from arbiter.settings.sources import Sources
from containers.application import Application
from tests.orchestrator.performance.kit import completion
from tests.servers import Postgresql
from tests.waiting import until


class Wire:
    """A loopback port that leads to a server, until it is cut."""

    def __init__(self, port: int) -> None:
        self._to, self._writers = port, set[asyncio.StreamWriter]()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def join(self) -> None:
        """Lead connections on, on the same port as ever."""
        self._server = await asyncio.start_server(self._lead, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """End every connection, and refuse new ones."""
        assert self._server is not None
        self._server.close()
        await until(self._end_all)

    def _end_all(self) -> bool:
        for writer in self._writers:
            writer.transport.abort()
        return not self._writers

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward, back = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers |= {writer, back}
        with suppress(ConnectionError):
            await asyncio.gather(self._pass(reader, back), self._pass(onward, writer))
        self._writers -= {writer, back}
        for one in (writer, back):
            one.transport.abort()

    async def _pass(self, source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            to.write(data)
            await to.drain()
        to.close()


async def test_an_outage_loses_nothing_and_the_circuit_closes_again(
    postgres_server: Postgresql, migrated_template: str, tmp_path: Path
) -> None:
    """Every record of the outage is acknowledged from the spool, and stored in order, once, when the wire is back.

    What cannot go on without the database is 503, to be tried again.
    """
    database = postgres_server.new_database(migrated_template).rpartition("/")[2]
    wire = Wire(postgres_server.port)
    await wire.join()
    container = Application()
    overrides = {
        "storage.url": f"postgresql://arbiter@127.0.0.1:{wire.port}/{database}",
        "performance.spool_dir": str(tmp_path / "spool"),
        "performance.flush_interval_ms": "50",
        "resilience.failure_threshold": "2",
        "resilience.success_threshold": "1",
        "resilience.open_interval_ms": "100",
    }
    container.settings.read_from(Sources(directory=tmp_path, environment="test", overrides=overrides))

    transport = httpx2.ASGITransport(container.http())
    async with container, httpx2.AsyncClient(transport=transport, base_url="http://arbiter.test") as http:
        record, breaker = container.tracker().record, container.breakers().get("tracker.record")
        assert await record(completion("e0")) is True

        await wire.cut()
        acknowledged = [await record(completion(f"e{number}")) for number in range(1, 8)]
        assert await container.tracker().record_all([completion(f"f{number}") for number in range(3)]) == 3
        assert (acknowledged, breaker.current_state) == ([True] * 7, "open")

        events = {"events": [{"id": "g1", "type": "task_execution_start"}]}
        assert (await http.post("/v1/performance/events", json=events)).json() == {"new": 1, "known": 0}
        refused = await http.post("/v1/tasks/route", json={"task_id": "t", "task_type": "code-review"})
        assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == (
            503,
            "storage-unavailable",
        )

        await wire.join()
        async with asyncio.timeout(10):
            while breaker.current_state != "closed":
                await record(completion("e8"))
        summary = await container.tracker().summary()

    assert summary.events == 9 + 3 + 1
    assert files_in(tmp_path / "spool") == []
    await wire.cut()


def files_in(directory: Path) -> list[Path]:
    """The files in `directory`."""
    return list(directory.iterdir())
