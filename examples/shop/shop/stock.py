"""The stock: what there is, and whether it is enough."""

from __future__ import annotations

from sqlite3 import Connection

from arbiter import Live
from arbiter.errors import Conflict, NotFound
from arbiter.protocols import CheckResult, Status

from shop.settings import StockSettings

__all__ = ["SoldOut", "Stock"]


class SoldOut(Conflict):
    """There is not as much as was asked for."""

    code = "sold-out"


class Stock:
    """Counts what is on the shelves."""

    def __init__(self, database: Connection, settings: Live[StockSettings]) -> None:
        self._database, self._settings = database, settings

    async def all(self) -> dict[str, int]:
        """How much there is of everything."""
        return dict(self._database.execute("SELECT item, count FROM stock ORDER BY item"))

    async def take(self, item: str, count: int) -> int:
        """Take some off the shelf; returns what is left."""
        row = self._database.execute(
            "UPDATE stock SET count = count - ?2 WHERE item = ?1 AND count >= ?2 RETURNING count",
            (item, count),
        ).fetchone()
        if row is not None:
            return int(row[0])
        if item not in await self.all():
            raise NotFound(f"There is no {item!r} in this shop.", field="item")
        raise SoldOut(f"There are not {count} of {item} any more.", field="count")

    async def check(self) -> CheckResult:
        """The shop's own health check: low stock is a warning, an unreadable one a failure."""
        low = [item for item, count in (await self.all()).items() if count < self._settings.current.low_at]
        if low:
            return CheckResult(Status.WARN, f"order more: {', '.join(low)}")
        return CheckResult(Status.PASS)
