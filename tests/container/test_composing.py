"""Decorating, choosing by settings, and several containers over one infrastructure."""

from __future__ import annotations

from typing import Any

import pytest
from dependency_injector import providers

from arbiter.container.base import CompositionRefused, Container
from arbiter.container.composition import decorated, nested, optional
from arbiter.container.config_provider import ConfigProvider
from arbiter.container.settings_provider import SettingsProvider
from arbiter.errors import ContainerError
from arbiter.section import Section
from arbiter.settings.loader import SettingsLoader
from tests.container.kit import Component, Journal, Plain

journal = Journal()


class Stock:
    def __init__(self, database: object) -> None:
        self.database = database

    def take(self, sku: str) -> str:
        return sku

    async def start(self) -> None:
        journal.lines.append("start stock")

    async def stop(self) -> None:
        journal.lines.append("stop stock")


class Caching(Stock):
    def __init__(self, inner: Stock, ttl_s: int = 1) -> None:
        self.inner, self.ttl_s = inner, ttl_s

    def take(self, sku: str) -> str:
        return f"cached {self.inner.take(sku)}"

    async def start(self) -> None:
        journal.lines.append("start caching")

    async def stop(self) -> None:
        journal.lines.append("stop caching")


class Base(Container):
    database = providers.Singleton(Plain)
    stock = providers.Singleton(Stock, database)
    orders = providers.Singleton(Plain, stock)


class Cached(Base):
    stock = decorated(Base.stock, Caching, ttl_s=5)


async def test_a_decoration_is_seen_by_everything_inherited() -> None:
    """What was built on the component now gets the wrapper, and the wrapper gets the component."""
    async with Cached() as shop:
        stock = shop.stock()

        assert isinstance(stock, Caching)
        assert (stock.take("a"), stock.ttl_s) == ("cached a", 5)
        assert shop.orders().needs == (stock,)
        assert stock.inner.database is shop.database()
        assert list(shop.components()) == ["database", "stock.Stock", "stock", "orders"]
        assert shop.validate() == []

    assert journal.take() == ["start stock", "start caching", "stop caching", "stop stock"]


def test_the_parent_stays_as_it_was() -> None:
    """Decorating in a subclass changes nobody else."""
    assert type(Base().stock()) is Stock
    assert type(Base().orders().needs[0]) is Stock


def test_decorations_stack_over_generations() -> None:
    """Each one wraps what the parent had, and all that was inherited sees the outermost."""

    class Twice(Cached):
        stock = decorated(Cached.stock, Caching, ttl_s=9)
        more = providers.Singleton(Plain, Base.stock, Cached.stock)

    shop = Twice()
    outer = shop.stock()

    assert outer.take("a") == "cached cached a"
    assert isinstance(outer, Caching)
    assert outer.ttl_s == 9
    assert shop.orders().needs == (outer,)
    assert shop.more().needs == (outer, outer)


def test_a_provider_may_be_decorated_where_it_stands() -> None:
    """In one class body, and what stood above sees it as well; a subclass inherits it."""

    class Shop(Container):
        stock = providers.Singleton(Stock, 1)
        orders = providers.Singleton(Plain, stock)
        stock = decorated(stock, Caching)

    class Sub(Shop):
        pass

    class Redeclared(Shop):
        stock = providers.Singleton(Stock, 2)

    assert type(Shop().orders().needs[0]) is Caching
    assert type(Sub().orders().needs[0]) is Caching
    assert type(Redeclared().orders().needs[0]) is Stock


def test_a_factory_is_decorated_per_call() -> None:
    """What makes something at each call still does."""

    class Shop(Container):
        session = providers.Factory(Stock, 1)

    class Traced(Shop):
        session = decorated(Shop.session, Caching)

    shop = Traced()

    assert shop.session() is not shop.session()
    assert type(shop.session()) is Caching


def test_a_decoration_under_another_name_is_refused() -> None:
    """Both would exist: the error says what to write."""
    with pytest.raises(CompositionRefused, match=r"Wrong\.cached: decorates 'stock' under another name"):

        class Wrong(Base):
            cached = decorated(Base.stock, Caching)


def test_what_makes_nothing_cannot_be_decorated() -> None:
    """A dependency or a container is refused."""
    dependency: Any = providers.Dependency()
    with pytest.raises(ContainerError, match="Dependency makes nothing"):
        decorated(dependency, Caching)


class Mail(Section):
    enabled: bool = False
    kind: str = "smtp"


class BillingSettings(Section):
    mail: Mail = Mail()


class ShopSettings(BillingSettings):
    name: str = "shop"


class Pillars(Container):
    settings: SettingsProvider[BillingSettings] = SettingsProvider(SettingsLoader(BillingSettings))
    config = ConfigProvider(settings)
    clock = providers.Singleton(journal.component("clock"))


class Mailing(Pillars):
    mailer = optional(Pillars.config.mail.enabled, providers.Singleton(journal.component("mailer")))
    transport = optional(Pillars.config.mail.enabled, providers.Object("smtp"), providers.Object("none"))
    user = providers.Singleton(Plain, mailer)


@pytest.mark.parametrize("enabled", [True, False])
async def test_a_part_may_be_optional(enabled: bool) -> None:
    """The settings decide whether it is there; where it is not, it is never built, and its users get None."""
    async with Mailing(settings=BillingSettings(mail=Mail(enabled=enabled))) as shop:
        assert ("mailer" in shop.components()) is enabled
        assert isinstance(shop.mailer(), Component) is enabled
        assert shop.user().needs == (shop.mailer(),)
        assert shop.transport() == ("smtp" if enabled else "none")

    started = ["start clock", "start mailer", "stop mailer", "stop clock"]
    assert journal.take() == (started if enabled else ["start clock", "stop clock"])


async def test_a_selector_chooses_by_a_setting() -> None:
    """The library's own selector over a key of the settings: the branch that is not chosen is not started."""

    class Chosen(Pillars):
        smtp = providers.Singleton(journal.component("smtp"))
        http = providers.Singleton(journal.component("http"))
        mailer: Any = providers.Selector(Pillars.config.mail.kind, smtp=smtp, http=http)

    async with Chosen(settings=BillingSettings(mail=Mail(kind="http"))) as shop:
        assert shop.mailer() is shop.http()
        assert set(shop.components()) == {"clock", "http"}
    (problem,) = Chosen(settings=BillingSettings(mail=Mail(kind="pigeon"))).validate()
    journal.take()

    assert (problem.code, problem.place) == ("choice", "mailer")
    assert "'pigeon'" in problem.message
    assert problem.hint == "the branches are: smtp, http"


class Billing(Pillars):
    invoices = providers.Singleton(Plain, clock=Pillars.clock, kind=Pillars.config.mail.kind)


class Shipping(Pillars):
    clock = providers.Singleton(journal.component("own clock"))
    parcels = providers.Singleton(Plain, clock=clock)


class Whole(Pillars):
    settings: SettingsProvider[ShopSettings] = SettingsProvider(SettingsLoader(ShopSettings))
    billing = nested(Billing, sharing=Pillars)
    shipping = nested(Shipping, sharing=Pillars)
    report = providers.Singleton(Plain, billing.invoices, shipping.parcels)


async def test_nested_containers_share_one_infrastructure() -> None:
    """The pillars exist once, with the settings of the whole; what a part redeclares stays its own."""
    async with Whole(settings=ShopSettings(mail=Mail(kind="http"))) as whole:
        invoices = whole.billing.invoices()

        assert invoices.needs == (whole.clock(), "http")
        assert whole.shipping.parcels().needs != invoices.needs
        assert whole.report().needs == (invoices, whole.shipping.parcels())
        assert list(whole.components()) == [
            "clock",
            "billing.invoices",
            "shipping.clock",
            "shipping.parcels",
            "report",
        ]
        assert whole.validate() == []

    assert journal.take() == ["start clock", "start own clock", "stop own clock", "stop clock"]


async def test_a_part_also_runs_alone() -> None:
    """The class that is nested is a container like any other, and two wholes share nothing."""
    async with Billing(settings=BillingSettings()) as billing:
        assert billing.invoices().needs == (billing.clock(), "smtp")
    one, other = Whole(settings=ShopSettings()), Whole(settings=ShopSettings())

    assert one.billing.invoices() is not other.billing.invoices()
    assert one.billing.invoices().needs[0] is one.clock()
    journal.take()


def test_only_what_inherits_the_pillars_can_share_them() -> None:
    """Anything else is refused, with the way that works."""

    class Alone(Container):
        clock = providers.Object(1)

    with pytest.raises(ContainerError, match="it does not inherit it"):
        nested(Alone, sharing=Pillars)
