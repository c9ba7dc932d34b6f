"""Overrides through the kit: checked by name and interface, behind the component's own guard."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest
from dependency_injector import providers

from arbiter.container.stand_ins import OverridesRefused
from arbiter.errors import ConfigurationError
from arbiter.resilience.proxy import inner
from arbiter.resilience.states import CircuitOpen
from arbiter.testing.application import compose
from arbiter.testing.fixtures import Applications
from tests.testing.shop import Database, Shop, Stock


class BrokenStock:
    """A stock whose warehouse has burnt down."""

    running = False

    async def start(self) -> None:
        self.running = True

    async def reserve(self, item: str, count: int = 1) -> int:
        raise ConnectionError(f"{count} {item}")

    def names(self) -> list[str]:
        return []

    async def wait(self, seconds: float) -> str:
        return f"{seconds}"


class Typist:
    """Nearly a stock."""

    async def reserv(self, item: str, count: int = 1) -> int:
        return len(item) - count

    async def names(self) -> list[str]:
        return []

    async def wait(self) -> str:
        return ""


def refusal(name: str, value: object) -> str:
    """What an override is refused with."""
    with pytest.raises(OverridesRefused) as refused:
        compose(Shop, overrides={name: value})
    return str(refused.value)


async def test_the_guard_stays_around_what_is_replaced(application: Applications) -> None:
    """One failure of the fake opens the breaker of the component that it replaces."""
    settings = {"resilience.failure_threshold": 1}

    async with application(Shop, overrides={"stock": BrokenStock()}, settings=settings) as shop:
        with pytest.raises(ConnectionError):
            await shop.orders().place("tea")
        with pytest.raises(CircuitOpen) as rejected:
            await shop.stock().reserve("tea")

    assert rejected.value.operation == "stock.reserve"


async def test_what_is_put_in_place_is_started_like_the_component(application: Applications) -> None:
    """A stand-in lives as the component would."""
    stock = BrokenStock()

    async with application(Shop, overrides={"stock": stock}) as shop:
        behind: object = inner(shop.stock())
        assert behind is stock
        assert stock.running


async def test_a_resource_is_replaced_by_an_object(application: Applications) -> None:
    """What opens and closes something is replaced by what is open."""
    database = Database()
    database.rows = {"jam": 8}

    async with application(Shop, overrides={"database": database}) as shop:
        left = await shop.orders().place("jam")

    assert left == 7
    assert database.is_open


async def test_every_test_gets_a_container_of_its_own(application: Applications) -> None:
    """Two applications share nothing, and an override ends with its own."""
    async with application(Shop, overrides={"stock": BrokenStock()}), application(Shop) as whole:
        left = await whole.orders().place("tea")

    assert left == 2


def test_an_unknown_name_is_refused_with_its_neighbours() -> None:
    """A misspelt provider is an error that names the right one."""
    assert "stok: no provider has this name (did you mean stock?)" in refusal("stok", BrokenStock())


def test_a_missing_method_is_refused_with_the_nearest() -> None:
    """An object that lacks a method of the component cannot stand in for it."""
    words = refusal("stock", Typist())

    assert "Typist has no 'reserve', which Stock has (it has reserv)" in words


def test_all_faults_are_told_at_once() -> None:
    """One refusal names the missing method, the wrong colour and the signature that does not fit."""
    words = refusal("stock", Typist())

    assert "Typist.names is a coroutine function, and has to be a plain function" in words
    assert "Typist.wait does not fit: too many positional arguments" in words


def test_a_class_in_place_of_an_object_is_refused() -> None:
    """A forgotten pair of parentheses is told."""
    assert "give an object: BrokenStock(...)" in refusal("stock", BrokenStock)


def test_a_resources_interface_is_what_it_yields() -> None:
    """The annotation of a generator says what may take its place."""
    assert "dict has no 'count', which Database has" in refusal("database", {})


def test_settings_are_not_overridden_as_an_object() -> None:
    """The way for settings is named."""
    assert "settings=" in refusal("settings", object())


def test_a_mock_with_a_spec_fits() -> None:
    """What claims to be of the class is believed."""
    shop = compose(Shop, overrides={"stock": Mock(spec=Stock)})

    assert isinstance(shop.stock(), Stock)


def test_a_provider_is_taken_as_it_is() -> None:
    """Whoever gives a provider means it; the guard stays all the same."""
    shop = compose(Shop, overrides={"stock": providers.Object("no stock at all")})

    behind: object = inner(shop.stock())
    assert behind == "no stock at all"
    assert isinstance(shop.stock(), Stock)


def test_a_refused_override_leaves_nothing_overridden() -> None:
    """Names are checked before anything is replaced."""
    with pytest.raises(OverridesRefused):
        compose(Shop, overrides={"stock": BrokenStock(), "nosuch": 1})

    assert not any(provider.overridden for provider in Shop.cls_providers.values())


def test_settings_are_validated() -> None:
    """A misspelt key is an error with its neighbours, as everywhere."""
    with pytest.raises(ConfigurationError, match="failure_threshold"):
        compose(Shop, settings={"resilience.failure_treshold": 1})


def test_settings_of_every_kind_are_taken() -> None:
    """Numbers, truth, lists, nested tables and operations of their own arrive as they were given."""
    shop = compose(
        Shop,
        settings={
            "resilience": {
                "circuit_breaker_enabled": False,
                "operations": {"stock": {"wait": {"timeout_ms": 7}}},
            },
            "observability.silent_paths": ["/quiet"],
            "health.interval_s": 0.5,
        },
    )
    settings = shop.settings()

    assert settings.resilience.circuit_breaker_enabled is False
    assert settings.resilience.policy("stock", "wait").timeout_s == 0.007
    assert settings.observability.silent_paths == ("/quiet",)
    assert settings.health.interval_s == 0.5


def test_the_environment_chooses_its_table(tmp_path: Path) -> None:
    """Settings files are those of the folder, in the named environment."""
    (tmp_path / "settings.toml").write_text("[test.server]\nport = 1\n[staging.server]\nport = 2\n")

    ports = [
        compose(Shop, directory=tmp_path, environment=name).settings().server.port
        for name in ("test", "staging")
    ]

    assert ports == [1, 2]
