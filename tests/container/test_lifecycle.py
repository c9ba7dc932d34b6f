"""The life of a container: what providers return, failures, use after the stop, and starting again."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from dependency_injector import providers, resources

from arbiter.container.base import Container
from arbiter.errors import LifecycleStateError, StepFailed
from arbiter.events import StepFinished
from arbiter.lifecycle.settings import LifecycleSettings
from tests.container.kit import Component, Journal, Plain, Recorder

journal = Journal()


class Shop(Container):
    events = providers.Singleton(Recorder)
    database = providers.Resource(journal.async_resource("database"))
    stock = providers.Singleton(journal.component("stock"), database=database)
    orders = providers.Singleton(Plain, stock, database)
    session = providers.Factory(Plain, database)


@pytest.fixture(autouse=True)
def fresh_journal() -> Iterator[None]:
    journal.take()
    yield
    journal.take()


async def test_after_start_every_provider_returns_its_object() -> None:
    """Nobody gets a future, also above an async resource, and also when somebody called a provider before the start."""
    early = Shop()
    early.orders()
    early.session()

    for shop in (Shop(), early):
        async with shop:
            assert shop.database() == "database"
            assert type(shop.stock()) is Component
            assert shop.orders().needs == (shop.stock(), "database")
            assert shop.session().needs == ("database",)
            assert list(shop.components()) == ["events", "database", "stock", "orders"]


async def test_components_start_after_what_they_need_and_stop_before_it() -> None:
    """A component's coroutine `start` and `stop` are called at its place in the order."""
    async with Shop():
        pass

    assert journal.take() == ["+database", "start stock", "stop stock", "-database"]


async def test_a_plain_start_is_not_called() -> None:
    """Only coroutine functions of the class are hooks: a thread has `start` as well."""

    class Threads(Container):
        thread = providers.Singleton(threading.Thread)

    async with Threads() as container:
        assert not container.thread().is_alive()


async def test_one_object_under_two_names_starts_once() -> None:
    """An object that two providers return is started and stopped once."""

    class Twice(Container):
        stock = providers.Singleton(journal.component("stock"))
        again = providers.Singleton(lambda it: it, stock)

    async with Twice():
        pass

    assert journal.take() == ["start stock", "stop stock"]


async def test_use_after_the_stop_is_an_error() -> None:
    """A stopped container does not open anything anew behind one's back."""
    shop = Shop()
    async with shop:
        pass

    for provider in (shop.database, shop.stock, shop.orders):
        with pytest.raises(LifecycleStateError, match="the container is stopped"):
            provider()
    assert journal.take()[-1] == "-database"
    assert shop.components() == {}


async def test_a_stopped_container_starts_again() -> None:
    """A second life has new objects."""
    shop = Shop()
    async with shop:
        first = shop.orders()
    async with shop:
        assert shop.orders() is not first
        assert shop.database() == "database"

    assert journal.take() == ["+database", "start stock", "stop stock", "-database"] * 2


async def test_a_failed_start_is_undone_and_named() -> None:
    """What had started stops again, and the error names the provider."""

    class Broken(Shop):
        last = providers.Singleton(lambda *_: 1 / 0, Shop.orders)

    broken = Broken()
    with pytest.RaisesGroup(pytest.RaisesExc(StepFailed, match="last: start failed: ZeroDivisionError")):
        await broken.start()

    assert journal.take() == ["+database", "start stock", "stop stock", "-database"]
    with pytest.raises(LifecycleStateError):
        broken.database()


async def test_a_resource_that_fails_to_open_is_named() -> None:
    """An async resource that fails leaves nothing open, and can be tried again."""
    attempts = iter([ConnectionError("refused"), None])

    async def connect() -> AsyncIterator[str]:
        error = next(attempts)
        if error:
            raise error
        yield "connection"

    class Remote(Container):
        database = providers.Resource(journal.resource("database"))
        remote = providers.Resource(connect)

    container = Remote()
    with pytest.RaisesGroup(
        pytest.RaisesExc(StepFailed, match="remote: start failed: ConnectionError: refused")
    ):
        await container.start()
    async with container:
        assert container.remote() == "connection"

    assert journal.take() == ["+database", "-database"] * 2


async def test_a_stop_goes_on_and_names_what_failed() -> None:
    """All teardowns run; one group names the providers whose teardown failed."""

    def failing() -> Iterator[str]:
        yield "it"
        raise OSError("disk full")

    class Failing(Container):
        database = providers.Resource(journal.resource("database"))
        cache = providers.Resource(failing)
        queue = providers.Resource(failing)

    container = Failing()
    await container.start()
    with pytest.raises(ExceptionGroup, match="stop failed: queue, cache") as caught:
        await container.stop()

    assert caught.group_contains(StepFailed, match="queue: stop failed: OSError: disk full")
    assert journal.take() == ["+database", "-database"]


async def test_a_hung_teardown_is_cut() -> None:
    """Neither a blocking nor an async teardown that hangs keeps the others from closing."""
    release = threading.Event()

    def blocking() -> Iterator[str]:
        yield "it"
        release.wait()

    async def hanging() -> AsyncIterator[str]:
        yield "it"
        await asyncio.Event().wait()

    class Budgets(Plain):
        lifecycle = LifecycleSettings(hook_s=0.05, hooks_s=1)

    class Hung(Container):
        settings = providers.Object(Budgets())
        database = providers.Resource(journal.resource("database"))
        one = providers.Resource(blocking)
        other = providers.Resource(hanging)

    container = Hung()
    await container.start()
    with pytest.raises(ExceptionGroup, match="other, one"):
        await container.stop()
    release.set()

    assert journal.take() == ["+database", "-database"]


async def test_a_cancel_scope_may_live_in_a_resource() -> None:
    """A resource is entered and left by one task, as task groups and time-outs ask."""

    async def scoped() -> AsyncIterator[asyncio.TaskGroup]:
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            yield group

    class Grouped(Container):
        group = providers.Resource(scoped)

    done = asyncio.Event()
    async with Grouped() as container:
        container.group().create_task(asyncio.sleep(0)).add_done_callback(lambda _: done.set())

    assert done.is_set()


class Old(resources.Resource[str]):
    def init(self, name: str) -> str:
        journal.lines.append(f"+{name}")
        return name

    def shutdown(self, resource: str | None) -> None:
        journal.lines.append(f"-{resource}")


class OldAsync(resources.AsyncResource[str]):
    async def init(self, name: str) -> str:
        journal.lines.append(f"+{name}")
        return name

    async def shutdown(self, resource: str | None) -> None:
        journal.lines.append(f"-{resource}")


class Manager:
    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> str:
        journal.lines.append(f"+{self.name}")
        return self.name

    def __exit__(self, *_: object) -> None:
        journal.lines.append(f"-{self.name}")


class AsyncManager:
    def __init__(self, name: str) -> None:
        self.name = name

    async def __aenter__(self) -> str:
        journal.lines.append(f"+{self.name}")
        return self.name

    async def __aexit__(self, *_: object) -> None:
        journal.lines.append(f"-{self.name}")


async def making(name: str) -> AsyncManager:
    return AsyncManager(name)


@contextlib.asynccontextmanager
async def decorated(name: str) -> AsyncIterator[str]:
    journal.lines.append(f"+{name}")
    yield name
    journal.lines.append(f"-{name}")


async def plain_coroutine(name: str) -> str:
    journal.lines.extend([f"+{name}", f"-{name}"])
    return name


def returning_async(name: str) -> AsyncManager:
    return AsyncManager(name)


FORMS: list[Any] = [
    Old,
    OldAsync,
    Manager,
    AsyncManager,
    making,
    decorated,
    plain_coroutine,
    returning_async,
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
async def test_every_form_of_resource_opens_and_closes(form: Any) -> None:
    """Whatever form a resource has, the provider returns its value, and it closes once."""

    class Formed(Container):
        it = providers.Resource(form, "it")
        user = providers.Singleton(Plain, it)

    async with Formed() as container:
        assert container.it() == "it"
        assert container.user().needs == ("it",)

    assert journal.take() == ["+it", "-it"]


async def test_an_async_factory_makes_a_singleton() -> None:
    """A singleton whose factory is a coroutine function is its result after the start."""

    class Made(Container):
        it: providers.Singleton[object] = providers.Singleton(plain_coroutine, "it")
        user = providers.Singleton(Plain, it)

    async with Made() as container:
        assert container.it() == "it"
        assert container.user().needs == ("it",)


async def test_a_sqlite_connection_closes_in_its_own_thread() -> None:
    """A connection that is bound to its thread can be closed by a plain generator."""

    def connect() -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(":memory:")
        yield connection
        connection.close()

    class Stored(Container):
        connection = providers.Resource(connect)

    async with Stored() as container:
        assert container.connection().execute("select 1").fetchone() == (1,)


async def test_every_start_and_stop_is_an_event() -> None:
    """The container's `events` get what happened before they were built, too."""
    shop = Shop()
    await shop.start()
    events = shop.events()
    await shop.stop()

    told = [(e.name, e.action) for e in events.seen if isinstance(e, StepFinished)]
    assert told == [
        *((name, "start") for name in ("events", "database", "stock", "orders")),
        ("stock", "stop"),
        ("database", "stop"),
    ]


async def test_components_of_nested_containers_have_dotted_names() -> None:
    """A nested container's components start with the root, under dotted names."""

    class Root(Container):
        core = providers.Container(Shop)
        api = providers.Singleton(Plain, core.stock, inner=providers.Singleton(Plain))

    async with Root() as root:
        assert list(root.components()) == [
            "core.events",
            "core.database",
            "core.stock",
            "core.orders",
            "api.inner",
            "api",
        ]
        assert root.api().needs[0] is root.core.stock()

    assert journal.take() == ["+database", "start stock", "stop stock", "-database"]


async def test_two_instances_share_nothing() -> None:
    """Each instance of a container class has its own objects."""
    async with Shop() as one, Shop() as other:
        assert one.stock() is not other.stock()
