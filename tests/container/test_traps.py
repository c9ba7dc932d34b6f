"""The traps of dependency-injector's resources: each is harmless here, or an error that says what to write instead."""

from __future__ import annotations

import asyncio
import copy
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from dependency_injector import providers
from dependency_injector.containers import DeclarativeContainer

from arbiter.container.base import Container
from arbiter.container.opening import in_place
from arbiter.errors import LifecycleStateError, StepFailed
from arbiter.lifecycle.settings import LifecycleSettings
from tests.container.kit import Journal, Plain

journal = Journal()


@pytest.fixture(autouse=True)
def fresh_journal() -> Iterator[None]:
    journal.take()
    yield
    journal.take()


def one(provider: Any, **more: Any) -> Container:
    """A container with this provider as `it`."""
    made: Any = type("One", (Container,), {"it": provider, **more})
    container: Container = made()
    return container


class Budgets(Plain):
    lifecycle = LifecycleSettings(start_hook_s=0.05, hook_s=0.05, hooks_s=1)


async def refused(container: Container, words: str) -> str:
    """Start it, which must fail with these words; returns the hint."""
    with pytest.raises(ExceptionGroup) as caught:
        await container.start()
    (failure,) = caught.value.exceptions
    assert isinstance(failure, StepFailed)
    assert words in failure.message
    return failure.hint


# -- 2.1 forms -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [threading.Lock, threading.RLock, threading.Condition, asyncio.Lock])
async def test_a_lock_is_not_taken(make: Any) -> None:
    """A resource would take the lock and hold it for ever: refused by check and start, with the way that works."""
    container = one(providers.Resource(make))

    (problem,) = container.validate()
    assert (problem.code, problem.place) == ("lock", "it")
    assert "providers.Singleton" in problem.hint
    assert "providers.Singleton" in await refused(container, "returns a lock")


async def test_a_lock_from_a_function_is_not_taken() -> None:
    """Nor is one that a factory of one's own returns."""

    def make() -> Any:
        return threading.Lock()

    assert "Singleton" in await refused(one(providers.Resource(make)), "returns a lock")


async def test_a_callable_that_returns_a_generator_is_a_resource() -> None:
    """A lambda around a generator function opens and closes like the function itself."""
    sync = one(providers.Resource(lambda *_: journal.resource("it")()))
    other = one(providers.Resource(lambda *_: journal.async_resource("it")()))

    for container in (sync, other):
        async with container:
            assert container.it() == "it"  # type: ignore[attr-defined]
        assert journal.take() == ["+it", "-it"]


class Session:
    """Like aiohttp's: it has both ways to be entered, and refuses one."""

    def __enter__(self) -> Session:
        raise TypeError("use async with")

    def __exit__(self, *_: object) -> None: ...

    async def __aenter__(self) -> Session:
        journal.lines.append("+session")
        return self

    async def __aexit__(self, *_: object) -> None:
        journal.lines.append("-session")


def make_session() -> Session:
    return Session()


async def make_session_async() -> Session:
    return Session()


@pytest.mark.parametrize("form", [Session, make_session, make_session_async, lambda: Session()])  # noqa: PLW0108
async def test_what_can_be_entered_both_ways_is_entered_async(form: Any) -> None:
    """Class, function and coroutine function alike."""
    container = one(providers.Resource(form))

    async with container:
        assert isinstance(container.it(), Session)  # type: ignore[attr-defined]

    assert journal.take() == ["+session", "-session"]


def test_providers_in_a_plain_list_are_found() -> None:
    """A list or dict of providers would be injected as it is, and never started."""
    database = providers.Resource(journal.resource("database"))
    container = one(providers.Singleton(Plain, [database], by_name={"x": database}), database=database)

    problems = container.validate()

    assert [(problem.code, problem.place) for problem in problems] == [("hidden", "it"), ("hidden", "it")]
    assert [problem.hint for problem in problems] == [
        "write providers.List(...)",
        "write providers.Dict(...)",
    ]


def test_a_provider_in_an_object_is_found() -> None:
    """An Object is not copied into the instance, so that a provider in it would be the class's own."""
    database = providers.Resource(journal.resource("database"))
    container = one(providers.Singleton(Plain, providers.Object(database)), database=database)

    (problem,) = container.validate()

    assert (problem.code, problem.place) == ("hidden", "it")
    assert "`.provider`" in problem.hint


async def test_a_second_yield_is_explained() -> None:
    """A resource yields once."""

    def twice() -> Iterator[int]:
        yield 1
        yield 2

    container = one(providers.Resource(twice))
    await container.start()
    with pytest.raises(ExceptionGroup) as caught:
        await container.stop()

    assert "it: stop failed" in str(caught.value.exceptions[0])
    assert "yields once" in str(caught.value.exceptions[0])


async def test_a_resource_may_be_none_and_a_singleton_may_not() -> None:
    """None is kept by a resource; a singleton would be made again at each use, which is refused in words."""
    calls: list[int] = []

    def prepare() -> None:
        calls.append(1)

    container = one(providers.Resource(prepare))
    async with container:
        container.it()  # type: ignore[attr-defined]

    assert calls == [1]
    assert "providers.Resource" in await refused(one(providers.Singleton(prepare)), "returned None")


# -- 2.2 and 2.3 order, failures -------------------------------------------------------------------------------------


async def test_a_failed_start_leaves_nothing_open() -> None:
    """What had started is closed, and what came after was never opened."""

    def broken(*_: object) -> Iterator[str]:
        raise OSError("no")
        yield

    class Five(Container):
        one = providers.Resource(journal.resource("one"))
        two = providers.Resource(journal.async_resource("two"), one)
        three = providers.Resource(broken, two)
        four = providers.Resource(journal.resource("four"))
        five = providers.Resource(journal.async_resource("five"), three)

    await refused_as(Five(), "three")

    assert journal.take() == ["+one", "+two", "-two", "-one"]


async def refused_as(container: Container, name: str) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        await container.start()
    assert [getattr(error, "name", "") for error in caught.value.exceptions] == [name]


async def test_a_blocking_start_is_given_up_and_closed_when_it_ends() -> None:
    """A sync resource that hangs cannot hold up the start; what it opens too late is closed by its own thread."""
    release, ended = threading.Event(), threading.Event()

    def slow() -> Iterator[str]:
        release.wait()
        journal.lines.append("+slow")
        yield "slow"
        journal.lines.append("-slow")
        ended.set()

    container = one(providers.Resource(slow), settings=providers.Object(Budgets()))
    assert await refused(container, "did not end within 0.05 s") == ""

    with pytest.raises(LifecycleStateError, match="it is still being opened"):
        await container.start()
    release.set()
    assert await asyncio.to_thread(ended.wait, 5)
    limit = time.monotonic() + 5
    while True:
        try:
            await container.start()
            break
        except LifecycleStateError:
            assert time.monotonic() < limit
            await asyncio.sleep(0.001)
    await container.stop()

    assert journal.take() == ["+slow", "-slow"] * 2


async def test_the_loop_turns_while_a_sync_resource_opens() -> None:
    """A blocking factory runs on a daemon thread, and finds the context variables of whoever started."""
    seen: dict[str, object] = {}
    turned = threading.Event()

    def connect() -> Iterator[str]:
        seen["thread"] = threading.current_thread()
        assert turned.wait(5)
        yield "connection"
        seen["closed by"] = threading.current_thread()

    container = one(providers.Resource(connect))
    asyncio.get_running_loop().call_later(0.001, turned.set)
    async with container:
        pass

    assert seen["thread"] is not threading.current_thread()
    assert isinstance(seen["thread"], threading.Thread)
    assert seen["thread"].daemon
    assert seen["closed by"] is not threading.current_thread()


async def test_a_resource_may_stay_in_its_thread() -> None:
    """`in_place` keeps a factory in the thread of whoever starts: it may look for the running loop there."""

    def pool() -> Iterator[asyncio.AbstractEventLoop]:
        yield asyncio.get_running_loop()

    container = one(providers.Resource(in_place(pool)))
    async with container:
        assert container.it() is asyncio.get_running_loop()  # type: ignore[attr-defined]

    assert "in_place" in await refused(one(providers.Resource(pool)), "no running event loop")


async def test_a_connection_that_belongs_to_its_thread_is_opened_there_or_refused() -> None:
    """sqlite3 refuses other threads: an annotated factory stays in place, another one is told what to write."""

    def connect() -> Any:
        connection = sqlite3.connect(":memory:")
        yield connection
        connection.close()

    def free() -> Any:
        connection = sqlite3.connect(":memory:", check_same_thread=False)
        yield connection
        connection.close()

    container = one(providers.Resource(free))
    async with container:
        assert container.it().execute("select 1").fetchone() == (1,)  # type: ignore[attr-defined]
    assert "check_same_thread=False" in await refused(one(providers.Resource(connect)), "SQLite objects")


async def test_threads_get_one_object() -> None:
    """After the start, eight threads that ask at once get the same objects, opened once."""

    class Shared(Container):
        database = providers.Resource(journal.resource("database"))
        repository = providers.Singleton(Plain, database)

    async with Shared() as shared:
        with ThreadPoolExecutor(8) as pool:
            found = {id(future.result()) for future in [pool.submit(shared.repository) for _ in range(64)]}
        assert found == {id(shared.repository())}

    assert journal.take() == ["+database", "-database"]


def test_threads_that_start_together_start_once() -> None:
    """`init_resources()` from eight threads is one start."""
    container = one(providers.Resource(journal.resource("it")))
    together = threading.Barrier(8)

    def start() -> None:
        together.wait()
        container.init_resources()

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(start) for _ in range(8)]:
            future.result()
    container.shutdown_resources()

    assert journal.take() == ["+it", "-it"]


# -- 2.4 mixtures ----------------------------------------------------------------------------------------------------


async def test_a_stop_before_any_start_is_fine() -> None:
    """`await shutdown_resources()` of a container that was never started does nothing."""
    await one(providers.Resource(journal.async_resource("it"))).shutdown_resources()

    assert journal.take() == []


async def test_an_override_over_something_async_is_the_object() -> None:
    """An async resource that is overridden by an object, before or after the start, gives the object."""
    container: Any = one(providers.Resource(journal.async_resource("it")))

    async with container:
        with container.it.override("fake"):
            assert container.it() == "fake"
    with container.it.override("fake"):
        async with container:
            assert container.it() == "fake"


async def test_something_awaitable_is_not_awaited() -> None:
    """An object that has `__await__`, such as a pool, is what its provider returns."""

    class Pool:
        def __await__(self) -> Iterator[None]:
            raise AssertionError("it was awaited")

    container: Any = one(providers.Singleton(Pool))
    async with container:
        assert type(container.it()) is Pool


# -- 2.5 nesting, ownership ------------------------------------------------------------------------------------------


class Core(Container):
    database = providers.Resource(journal.resource("database"))


class User(DeclarativeContainer):
    core = providers.DependenciesContainer()
    worker = providers.Resource(journal.resource("worker"), core.database)


async def test_a_shared_container_is_closed_by_its_owner_alone() -> None:
    """A container that only uses a running one, as a DependenciesContainer or as an override, leaves it open."""

    class Root(Container):
        users = providers.Container(User)

    async with Core() as core:
        root: Any = Root()
        root.users.core.override(core)
        async with root:
            pass
        assert journal.take() == ["+database", "+worker", "-worker"]
        assert core.database() == "database"

    assert journal.take() == ["-database"]


async def test_two_users_of_a_shared_container_do_not_close_it_for_each_other() -> None:
    """The first user to stop leaves the second in peace."""

    class Root(Container):
        users = providers.Container(User)

    async with Core() as core:
        first: Any = Root()
        second: Any = Root()
        first.users.core.override(core)
        second.users.core.override(core)
        await first.start()
        async with second:
            await first.stop()
            assert core.database() == "database"

    assert journal.take() == ["+database", "+worker", "+worker", "-worker", "-worker", "-database"]


async def test_a_fake_is_closed_when_its_override_ended_before() -> None:
    """What was started is stopped, also when the override that put it there has been undone meanwhile."""
    container: Any = one(providers.Resource(journal.resource("real")))

    with container.it.override(providers.Resource(journal.resource("fake"))):
        await container.start()
    await container.stop()

    assert journal.take() == ["+fake", "-fake"]


def test_what_is_kept_for_ever_must_not_hold_what_is_per_task() -> None:
    """A singleton over something per thread or task would keep that of whoever was first, also through factories."""
    session = providers.ContextLocalSingleton(Plain)
    local = providers.ThreadLocalSingleton(Plain)
    container = one(
        providers.Singleton(Plain, providers.Factory(Plain, session)),
        session=session,
        direct=providers.Resource(journal.resource("x"), local),
        lazily=providers.Singleton(Plain, session.provider),
        per_call=providers.Factory(Plain, session),
    )

    problems = container.validate()

    assert [(problem.code, problem.place) for problem in problems] == [
        ("captive", "it"),
        ("captive", "direct"),
    ]
    assert problems[0].hint == "take `session.provider`, and call it at each use"


def test_a_resource_of_each_task_is_found() -> None:
    """What each task opens for itself is closed by no stop: found by check, with what to write instead."""
    container = one(providers.ContextLocalResource(journal.resource("it")))

    (problem,) = container.validate()

    assert (problem.code, problem.place) == ("per-task", "it")
    assert "providers.Resource" in problem.hint


async def test_a_running_container_is_not_copied_and_a_stopped_one_is_whole() -> None:
    """Two containers would close what is open; a copy of one at rest starts as it was declared."""
    container: Any = one(providers.Resource(journal.resource("it")))
    async with container:
        with pytest.raises(LifecycleStateError, match="make another instance"):
            copy.deepcopy(container)

    copied = copy.deepcopy(container)
    async with copied:
        assert copied.it() == "it"
        with pytest.raises(LifecycleStateError, match="stopped"):
            container.it()

    assert journal.take() == ["+it", "-it"] * 2


@pytest.mark.parametrize("make", [journal.resource, journal.async_resource], ids=["sync", "async"])
async def test_the_library_s_calls_may_be_filtered(make: Callable[[str], Any]) -> None:
    """A `resource_type` cannot pull a resource away from under those that use it: it means all."""

    class Special(providers.Resource[Any]):
        pass

    database = Special(make("database"))
    container = one(providers.Resource(make("worker"), database), database=database)
    await container.init_resources()
    await container.shutdown_resources(Special)

    assert journal.take() == ["+database", "+worker", "-worker", "-database"]


async def test_a_generator_closes_normally_when_another_fails() -> None:
    """A rollback runs what stands after the yield, with or without a `finally`: nothing is thrown into it."""

    async def plain() -> AsyncIterator[str]:
        journal.lines.append("+plain")
        yield "plain"
        journal.lines.append("-plain")

    def broken() -> Any:
        raise OSError("no")

    container = one(providers.Resource(plain), last=providers.Resource(broken))
    await refused_as(container, "last")

    assert journal.take() == ["+plain", "-plain"]
