"""That an error's traceback still reads as the component's own."""

from __future__ import annotations

import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from arbiter.operation import offloaded, operation
from arbiter.resilience.proxy import guarded
from tests.resilience.kit import OwnError, World


class Faulty:
    """Every kind of method, each of which raises in `fail`."""

    async def plain_await(self) -> None:
        """A coroutine function."""
        fail()

    def plain(self) -> None:
        """A plain method."""
        fail()

    @operation(idempotent=True)
    async def retried(self) -> None:
        """Made again."""
        fail()

    @operation(fallback="also_fails")
    async def with_fallback(self) -> None:
        """Answered for."""
        fail()

    async def also_fails(self) -> None:
        """The fallback."""
        fail()

    async def items(self) -> AsyncIterator[int]:
        """An async generator."""
        yield 1
        fail()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[None]:
        """An async context manager."""
        fail()
        yield

    def later(self) -> Awaitable[None]:
        """A plain method that returns a coroutine."""
        return self.plain_await()

    @offloaded
    def blocking(self) -> None:
        """On a thread."""
        fail()


def fail() -> None:
    """Raise."""
    raise OwnError


async def _plain(faulty: Faulty) -> None:
    faulty.plain()


async def _items(faulty: Faulty) -> None:
    async for _ in faulty.items():
        pass


async def _session(faulty: Faulty) -> None:
    async with faulty.session():
        pass


@pytest.mark.parametrize(
    "call",
    [
        Faulty.plain_await,
        _plain,
        Faulty.retried,
        Faulty.with_fallback,
        _items,
        _session,
        Faulty.later,
        Faulty.blocking,
    ],
)
async def test_the_guard_adds_two_frames_at_most(call: Callable[[Any], Awaitable[None]]) -> None:
    """Whatever the method's kind; what else is there belongs to contextlib or to the thread it runs on."""
    world = World(retry_attempts=1, timeout_ms=5_000)
    faulty = guarded(Faulty)(guard=world.guard)

    with pytest.raises(OwnError) as caught:
        await getattr(faulty, call.__name__, lambda: call(faulty))()

    frames = traceback.extract_tb(caught.value.__traceback__)
    ours = [f for f in frames if f.filename.startswith("<guarded ") or "arbiter/resilience" in f.filename]
    assert frames[-1].name == "fail"
    assert len(ours) <= 2
