"""A small application to be overridden, broken, recorded and served."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import structlog
from dependency_injector import providers
from opentelemetry.metrics import Meter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from arbiter import App, Infrastructure, guarded
from arbiter.protocols import CheckResult, Clock, EventSink, Status

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sold:
    """Something was sold."""

    item: str


class Database:
    """Where things are."""

    def __init__(self) -> None:
        self.rows = {"tea": 3}
        self.is_open = True

    def count(self, item: str) -> int:
        """How many there are."""
        return self.rows.get(item, 0)


def open_database() -> Iterator[Database]:
    """A database that is closed again."""
    database = Database()
    yield database
    database.is_open = False


class Stock:
    """What there is to be sold."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self.running = False

    async def start(self) -> None:
        self.running = True

    async def stop(self) -> None:
        self.running = False

    async def check(self) -> CheckResult:
        return CheckResult(Status.PASS)

    async def reserve(self, item: str, count: int = 1) -> int:
        """Take some; how many are left."""
        return self._database.count(item) - count

    def names(self) -> list[str]:
        """What it is called."""
        return list(self._database.rows)

    async def wait(self, seconds: float) -> str:
        """Wait on the clock."""
        await self._clock.sleep(seconds)
        return "waited"


class Orders:
    """Sells."""

    def __init__(self, stock: Stock, events: EventSink, meter: Meter) -> None:
        self._stock, self._events = stock, events
        self._sold = meter.create_counter("shop.sold")

    async def place(self, item: str) -> int:
        """Sell one."""
        left = await self._stock.reserve(item)
        log.info("shop.sold", item=item)
        self._events.publish(Sold(item))
        self._sold.add(1, {"item": item})
        await asyncio.sleep(0)
        return left


def create_http(orders: Orders) -> Starlette:
    """One route."""

    async def place(request: Request) -> JSONResponse:
        return JSONResponse({"left": await orders.place(request.path_params["item"])})

    return Starlette(routes=[Route("/orders/{item}", place, methods=["POST"])])


class Shop(Infrastructure):
    """The composition."""

    database = providers.Resource(open_database)
    stock = providers.Singleton(
        guarded(Stock), guard=Infrastructure.guard, database=database, clock=Infrastructure.clock
    )
    orders = providers.Singleton(
        guarded(Orders),
        guard=Infrastructure.guard,
        stock=stock,
        events=Infrastructure.events,
        meter=Infrastructure.meter,
    )
    http = providers.Singleton(create_http, orders)


def create_app() -> App:
    """The application."""
    return App(Shop)
