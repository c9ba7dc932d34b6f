"""`settings` and `config` over one source."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
from dependency_injector import providers
from dependency_injector.containers import DeclarativeContainer
from pydantic import Field

from arbiter.container.base import Container
from arbiter.container.config_provider import ConfigProvider
from arbiter.container.settings_provider import SettingsProvider
from arbiter.errors import ConfigurationError, ContainerError
from arbiter.events import SettingsApplied
from arbiter.protocols import Live
from arbiter.section import LIVE, Section
from arbiter.settings.loader import SettingsLoader
from arbiter.settings.snapshot import Snapshot
from arbiter.settings.sources import Sources
from tests.container.kit import Plain, Recorder


class Routing(Section):
    rate: Annotated[float, LIVE] = Field(default=0.1, ge=0, le=1)
    slots: int = 4


class Storage(Section):
    url: str = "memory"


class Settings(Section):
    routing: Routing = Routing()
    storage: Storage = Storage()


class Router:
    def __init__(self, routing: Live[Routing]) -> None:
        self.routing = routing


loads: list[Settings] = []


def load() -> Snapshot[Settings]:
    loads.append(Settings())
    return Snapshot.of(loads[-1], environment="test")


class Shop(Container):
    settings: SettingsProvider[Settings] = SettingsProvider(load)
    config = ConfigProvider(settings)
    events = providers.Singleton(Recorder)
    database = providers.Singleton(Plain, url=config.storage.url)
    router = providers.Singleton(Router, settings.live(lambda s: s.routing))
    place = providers.Singleton(Plain, settings.environment)


def test_settings_load_once_and_at_first_use() -> None:
    """Making a container reads nothing; every idiom reads the same load."""
    loads.clear()
    shop = Shop()
    assert loads == []

    assert shop.settings() is loads[0]
    assert shop.config.storage.url() == "memory"
    assert shop.router().routing.current is loads[0].routing
    assert shop.settings.environment() == "test"
    assert shop.place().needs == ("test",)
    assert len(loads) == 1


def test_given_settings_take_the_place_of_the_first_load() -> None:
    """`settings=` takes settings or a snapshot; nothing is loaded."""
    loads.clear()
    given = Settings(storage=Storage(url="given"))

    for shop in (Shop(settings=given), Shop(settings=Snapshot.of(given))):
        assert shop.settings() is given
        assert shop.database().needs == ("given",)
    assert loads == []


def test_overriding_settings_reaches_both_idioms_and_is_undone() -> None:
    """Settings, or a mapping laid over them, are seen by `settings`, `live` and `config` alike."""
    shop = Shop()
    assert shop.config.routing.slots() == 4

    with shop.settings.override({"routing": {"slots": 7}, "storage.url": "elsewhere"}):
        assert shop.settings() == Settings(routing=Routing(slots=7), storage=Storage(url="elsewhere"))
        assert shop.config.routing.slots() == 7
        assert shop.router().routing.current.slots == 7
        with shop.override_providers(settings=Settings(routing=Routing(slots=9))):
            assert shop.config.routing.slots() == 9

    assert (shop.settings().routing.slots, shop.config.routing.slots()) == (4, 4)


def test_overriding_config_reaches_both_idioms_and_is_undone() -> None:
    """The library's ways to set options go to the same source."""
    shop = Shop()

    with shop.config.routing.slots.override(7):
        assert shop.settings().routing.slots == 7
        assert shop.config() == {"routing": {"rate": 0.1, "slots": 7}, "storage": {"url": "memory"}}
    shop.config.from_dict({"storage": {"url": "disk"}})

    assert shop.settings() == Settings(storage=Storage(url="disk"))
    assert shop.database().needs == ("disk",)
    shop.config.reset_override()
    assert shop.settings().storage.url == "memory"


@pytest.mark.parametrize("wrong", [{"routing.rate": 1.5}, {"routing": {"slts": 1}}, {"nosuch": 1}, "text"])
def test_an_override_is_validated(wrong: object) -> None:
    """What is not valid is refused with its key, and changes nothing."""
    shop = Shop()

    with pytest.raises(ConfigurationError):
        shop.settings.override(wrong)

    assert shop.settings() == Settings()
    assert not shop.settings.overridden


def test_a_redeclared_settings_provider_serves_what_was_inherited() -> None:
    """A subclass's own settings type is seen by the inherited `config` and `live`, and takes `settings=`."""

    class More(Settings):
        extra: str = "more"

    class Larger(Shop):
        settings: SettingsProvider[More] = SettingsProvider(SettingsLoader(More))
        user = providers.Singleton(Plain, Shop.config.extra)

    larger = Larger(settings=More(extra="given", routing=Routing(slots=5)))

    assert larger.user().needs == ("given",)
    assert larger.router().routing.current.slots == 5
    with larger.config.extra.override("changed"):
        assert larger.settings().extra == "changed"
        assert larger.config.extra() == "changed"
    assert larger.validate() == []


def test_a_nested_container_may_take_the_root_s_settings() -> None:
    """A dependency on the root's settings follows the root's overrides."""

    class Part(DeclarativeContainer):
        settings = providers.Dependency()  # type: ignore[var-annotated]
        user = providers.Singleton(Plain, settings)

    class Root(Shop):
        part = providers.Container(Part, settings=Shop.settings)

    given = Settings(storage=Storage(url="given"))

    assert Root(settings=given).part.user().needs == (given,)


def test_two_instances_have_two_sources() -> None:
    """What one instance is given, another does not see."""
    one, other = Shop(settings=Settings(storage=Storage(url="one"))), Shop()

    assert (one.config.storage.url(), other.config.storage.url()) == ("one", "memory")


def test_settings_cannot_be_given_to_a_container_without() -> None:
    """`settings=` asks for a provider of that name."""

    class Bare(Container):
        pass

    with pytest.raises(ContainerError, match="Bare has no provider 'settings'"):
        Bare(settings=Settings())


async def test_a_reload_moves_settings_and_not_config(tmp_path: Path) -> None:
    """Live views follow a reload at once; `config` keeps the snapshot until the container starts again."""

    class Filed(Container):
        settings: SettingsProvider[Settings] = SettingsProvider(SettingsLoader(Settings))
        config = ConfigProvider(settings)
        events = providers.Singleton(Recorder)
        router = providers.Singleton(Router, settings.live(lambda s: s.routing))

    file = tmp_path / "settings.toml"
    file.write_text("[default.routing]\nrate = 0.2\n")
    filed = Filed()
    filed.settings.read_from(Sources.of_process(directory=tmp_path))

    async with filed:
        assert filed.config.routing.rate() == 0.2
        file.write_text("[default.routing]\nrate = 0.3\n")
        assert filed.settings.source().reload().outcome == "applied"
        assert filed.router().routing.current.rate == 0.3
        assert filed.settings().routing.rate == 0.3
        assert filed.config.routing.rate() == 0.2
        assert any(isinstance(event, SettingsApplied) for event in filed.events().seen)
    async with filed:
        assert filed.config.routing.rate() == 0.3
