"""Which component gets what."""

from __future__ import annotations

from arbiter import Infrastructure, SettingsProvider, guarded
from dependency_injector import providers

from config import Settings, load
from shop.database import open_database
from shop.http import create_http
from shop.orders import Orders
from shop.stock import Stock

__all__ = ["Shop"]


class Shop(Infrastructure):
    """The database, two components behind their guards, and what the main port serves."""

    settings: SettingsProvider[Settings] = SettingsProvider(load)

    database = providers.Resource(open_database, path=Infrastructure.config.storage.path)
    stock = providers.Singleton(
        guarded(Stock),
        guard=Infrastructure.guard,
        database=database,
        settings=settings.live(lambda s: s.stock),
    )
    orders = providers.Singleton(
        guarded(Orders),
        guard=Infrastructure.guard,
        database=database,
        stock=stock,
        clock=Infrastructure.clock,
        events=Infrastructure.events,
    )
    http = providers.Singleton(create_http, stock=stock, orders=orders)
