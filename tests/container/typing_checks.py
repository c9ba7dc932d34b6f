"""What type checkers must see of a container; checked by mypy and pyright, never run."""
# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_type

from dependency_injector import providers
from pydantic import BaseModel

from arbiter.container.base import Container
from arbiter.container.config_provider import ConfigProvider
from arbiter.container.settings_provider import SettingsProvider
from arbiter.protocols import Live
from arbiter.settings.loader import SettingsLoader


class BaseSettings(BaseModel):
    retries: int = 3


class ShopSettings(BaseSettings):
    name: str = "shop"


class Stock:
    def __init__(self, database: str) -> None:
        self.database = database


def open_database() -> Iterator[str]:
    yield "database"


class Base(Container):
    settings = SettingsProvider(SettingsLoader(BaseSettings))
    config = ConfigProvider(settings)
    database = providers.Resource(open_database)
    retries = settings.live(lambda s: s.retries)


class Shop(Base):
    settings: SettingsProvider[ShopSettings] = SettingsProvider(SettingsLoader(ShopSettings))
    stock = providers.Singleton(Stock, Base.database)
    name = settings.live(lambda s: s.name)


async def check() -> None:
    shop = Shop()
    assert_type(shop, Shop)
    assert_type(shop.stock(), Stock)
    assert_type(shop.database(), str)
    assert_type(shop.settings(), ShopSettings)
    assert_type(shop.settings.environment(), str)
    assert_type(shop.retries(), Live[int])
    assert_type(shop.name().current, str)
    await shop.init_resources()
    shop.shutdown_resources()
    async with shop as running:
        assert_type(running, Shop)
    async with Shop(settings=ShopSettings()) as running:
        assert_type(running.stock(), Stock)
    shop.stok  # type: ignore[attr-defined]  # noqa: B018  a misspelt provider is an error
    Shop.stok  # type: ignore[attr-defined]  # noqa: B018
