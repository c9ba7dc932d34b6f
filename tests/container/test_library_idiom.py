"""`init_resources()` and `shutdown_resources()`: one awaitable object, and the same engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from dependency_injector import providers

from arbiter.container.base import Container
from arbiter.errors import LifecycleStateError, StepFailed
from tests.container.kit import Journal, Plain

journal = Journal()


class Sync(Container):
    database = providers.Resource(journal.resource("database"))
    repository = providers.Singleton(Plain, database)
    worker = providers.Resource(journal.resource("worker"), repository)


class Async(Container):
    database = providers.Resource(journal.async_resource("database"))
    repository = providers.Singleton(Plain, database)
    worker = providers.Resource(journal.resource("worker"), repository)


LIFE = ["+database", "+worker", "-worker", "-database"]


def test_sync_resources_are_done_at_the_call() -> None:
    """Without a loop, sync resources are opened and closed at the call; what is returned may be dropped or run."""
    container = Sync()

    opened = container.init_resources()
    assert journal.take() == LIFE[:2]
    asyncio.run(opened)
    asyncio.run(container.shutdown_resources())

    assert journal.take() == LIFE[2:]


async def test_sync_resources_are_done_at_the_call_in_a_loop_too() -> None:
    """In a loop as well, and it may be awaited."""
    container = Sync()

    opened = container.init_resources()
    assert journal.take() == LIFE[:2]
    await opened
    container.shutdown_resources()

    assert journal.take() == LIFE[2:]


def test_async_resources_without_a_loop_wait_for_one() -> None:
    """Without a loop, what is returned does the work when it is run, in one loop for both."""
    container = Async()

    async def live() -> None:
        await container.init_resources()
        await container.shutdown_resources()

    opened = container.init_resources()
    assert isinstance(opened, Coroutine)
    assert journal.take() == []
    opened.close()
    asyncio.run(live())

    assert journal.take() == LIFE


async def wrapped(outcome: Coroutine[Any, Any, None]) -> None:
    await outcome


@pytest.mark.parametrize(
    "consume",
    [
        wrapped,
        asyncio.create_task,
        asyncio.gather,
        lambda outcome: asyncio.wait_for(outcome, 5),
    ],
    ids=["await", "create_task", "gather", "wait_for"],
)
@pytest.mark.parametrize("kind", [Sync, Async])
async def test_the_outcome_goes_wherever_a_coroutine_goes(
    kind: type[Container], consume: Callable[[Coroutine[Any, Any, None]], Any]
) -> None:
    """It may be awaited and given to all that takes a coroutine."""
    container = kind()

    await consume(container.init_resources())
    assert container.worker() == "worker"  # type: ignore[attr-defined]
    await consume(container.shutdown_resources())

    assert journal.take() == LIFE


async def test_in_a_loop_the_work_goes_on_by_itself() -> None:
    """In a loop the work is scheduled at the call; dropping the outcome changes nothing."""
    container = Async()

    container.init_resources()
    container.shutdown_resources()
    await container.stop()

    assert journal.take() == LIFE


async def test_a_stop_does_not_overtake_a_scheduled_start() -> None:
    """A stop directly after `init_resources()` waits for it."""
    container = Async()

    container.init_resources()
    await container.stop()

    assert journal.take() == LIFE


async def test_init_twice_is_one_start() -> None:
    """The library's users call it more than once."""
    container = Async()

    container.init_resources()
    await container.init_resources()
    await container.init_resources()
    await container.stop()
    await container.shutdown_resources()

    assert journal.take() == LIFE


async def test_a_resource_type_is_accepted_and_means_all() -> None:
    """Starlette's `Lifespan` names a type; the order needs everything."""
    container = Async()

    await container.init_resources(providers.Resource)
    await container.shutdown_resources(providers.Resource)

    assert journal.take() == LIFE


async def test_what_was_opened_by_a_call_is_closed_as_well() -> None:
    """Resources opened without a start are closed by the stop, in order."""
    for kind in (Sync, Async):
        container = kind()
        worker: Any = container.worker()
        if kind is Async:
            await worker

        await container.shutdown_resources()

        assert journal.take() == LIFE


def test_what_hides_that_it_is_async_fails_in_words() -> None:
    """Without a loop, a component whose factory did not tell that it has to wait is named, and undone."""

    class Surprise:
        async def start(self) -> None:
            await asyncio.sleep(0)

    class Hidden(Container):
        database = providers.Resource(journal.resource("database"))
        it = providers.Singleton(lambda: Surprise())  # noqa: PLW0108  it hides the class

    with pytest.RaisesGroup(
        pytest.RaisesExc(StepFailed, match=r"it: start failed: .* without a running loop")
    ):
        Hidden().init_resources()

    assert journal.take() == ["+database", "-database"]


async def test_start_twice_is_an_error() -> None:
    """`start()` says so when the container runs already."""
    async with Sync() as container:
        with pytest.raises(LifecycleStateError, match="running"):
            await container.start()
    journal.take()
