"""An application in somebody else's server: what its lifespan does, and that it touches nothing of the process."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from dependency_injector import providers
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from arbiter import App, Infrastructure
from arbiter.lifecycle.background import Background
from arbiter.protocols import Status
from arbiter.settings.sources import Sources

Message = MutableMapping[str, Any]


class Stock:
    """A component with background work, which says what happens to it."""

    def __init__(self, background: Background) -> None:
        self._background = background
        self.seen: list[str] = []

    async def start(self) -> None:
        """Ask for the work."""
        self.seen.append("started")
        self._background.keep("listen", self._listen)

    async def stop(self) -> None:
        """Say so."""
        self.seen.append("stopped")

    async def _listen(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.seen.append("unwound")


class Broken:
    """A component that cannot start."""

    def __init__(self, _: Stock) -> None:
        """Needs the stock, so that this starts after it."""

    async def start(self) -> None:
        """Fail."""
        raise OSError("the shelves have fallen")


async def _hello(_: Request) -> Response:
    return PlainTextResponse("hello")


def api() -> ASGIApp:
    """One page."""
    return Starlette(routes=[Route("/hello", _hello)])


class Shop(Infrastructure):
    """Served by somebody else."""

    stock = providers.Singleton(Stock, Infrastructure.background)
    http = providers.Singleton(api)


class BrokenShop(Shop):
    """One that cannot start."""

    broken = providers.Singleton(Broken, Shop.stock)


class Lifespan:
    """A server's half of the lifespan protocol."""

    def __init__(self, asgi: ASGIApp) -> None:
        self._asked, self._told = asyncio.Queue[Message](), asyncio.Queue[Message]()
        self._running = asyncio.ensure_future(asgi({"type": "lifespan"}, self._asked.get, self._told.put))

    async def ask(self, step: str) -> Message:
        """Say that it is time, and wait for the answer."""
        await self._asked.put({"type": f"lifespan.{step}"})
        return await asyncio.wait_for(self._told.get(), 10)

    async def over(self) -> None:
        """Wait until the application has returned."""
        await asyncio.wait_for(self._running, 10)


def embedded(composition: type[Infrastructure], folder: Path) -> App:
    """The application with settings of its own."""
    app = App(composition)
    app.configure(Sources(directory=folder, environment="test", overrides={}))
    return app


@asynccontextmanager
async def started(app: App) -> AsyncIterator[httpx2.AsyncClient]:
    """From `startup.complete` to `shutdown.complete`."""
    asgi = app.asgi
    lifespan = Lifespan(asgi)
    assert await lifespan.ask("startup") == {"type": "lifespan.startup.complete"}
    transport = httpx2.ASGITransport(app=asgi)
    async with httpx2.AsyncClient(transport=transport, base_url="http://here") as http:
        yield http
    assert await lifespan.ask("shutdown") == {"type": "lifespan.shutdown.complete"}
    await lifespan.over()


async def test_the_lifespan_starts_and_stops_the_application(tmp_path: Path) -> None:
    """Components start before `startup.complete`, serve with probes, and stop, after background work, before the end."""
    app = embedded(Shop, tmp_path)
    async with started(app) as http:
        stock, health = app.container.components()["stock"], app.container.health()
        assert isinstance(stock, Stock)
        page, ready = await http.get("/hello"), await http.get("/readyz")
        during = [*stock.seen]
        listening = [task.state for task in app.container.background().seen()]

    assert (page.text, ready.status_code) == ("hello", 200)
    assert (during, listening) == (["started"], ["running"])
    assert stock.seen == ["started", "unwound", "stopped"]
    assert health.readiness().status is Status.FAIL


@pytest.mark.parametrize("composition", [Shop, BrokenShop])
async def test_nothing_of_the_process_is_touched(tmp_path: Path, composition: type[Infrastructure]) -> None:
    """Signals, the root logger and the threads are afterwards, and signals meanwhile, as they were; also when it fails."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
    before = [signal.getsignal(number) for number in numbers], [*logging.getLogger().handlers]
    threads = set(threading.enumerate())
    lifespan = Lifespan(embedded(composition, tmp_path).asgi)
    answer = await lifespan.ask("startup")
    during = [signal.getsignal(number) for number in numbers], [*logging.getLogger().handlers]
    if answer["type"] == "lifespan.startup.complete":
        await lifespan.ask("shutdown")
    await lifespan.over()
    async with asyncio.timeout(10):
        while {one for one in threading.enumerate() if not one.name.startswith("asyncio")} - threads:  # noqa: ASYNC110  polled, with a limit
            await asyncio.sleep(0.01)

    assert before == during


async def test_a_start_that_fails_is_told_to_the_server(tmp_path: Path) -> None:
    """`startup.failed` names the component and the cause; what had started was stopped again."""
    app = embedded(BrokenShop, tmp_path)
    lifespan = Lifespan(app.asgi)
    answer = await lifespan.ask("startup")
    await lifespan.over()

    assert answer["type"] == "lifespan.startup.failed"
    assert "broken" in answer["message"]
    assert "the shelves have fallen" in answer["message"]
