"""The orders: sells what is in stock, and writes it down."""

from __future__ import annotations

from dataclasses import dataclass
from sqlite3 import Connection
from typing import Protocol

from arbiter.errors import Invalid
from arbiter.protocols import Clock, EventSink

__all__ = ["Order", "OrderPlaced", "Orders", "Shelf"]


class Shelf(Protocol):
    """What the orders need of the stock."""

    async def take(self, item: str, count: int) -> int:
        """Take some; returns what is left."""
        ...


@dataclass(frozen=True, slots=True)
class Order:
    """One order, and how much is left after it."""

    id: int
    item: str
    count: int
    left: int


@dataclass(frozen=True, slots=True)
class OrderPlaced:
    """The event of it: logs, alerts and other components may listen."""

    order: Order


class Orders:
    """Takes orders."""

    def __init__(self, database: Connection, stock: Shelf, clock: Clock, events: EventSink) -> None:
        self._database, self._stock, self._clock, self._events = database, stock, clock, events

    async def place(self, item: str, count: int) -> Order:
        """Sell some of an item."""
        if count < 1:
            raise Invalid("An order is for one or more.", field="count")
        left = await self._stock.take(item, count)
        at = self._clock.now().isoformat()
        (number,) = self._database.execute(
            "INSERT INTO orders (item, count, at) VALUES (?, ?, ?) RETURNING id", (item, count, at)
        ).fetchone()
        order = Order(number, item, count, left)
        self._events.publish(OrderPlaced(order))
        return order
