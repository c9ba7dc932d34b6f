"""What is entered with `async with` in an asynchronous test, and with `with` in a synchronous one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Generic, TypeVar

from arbiter.testing.portal import Portal

__all__ = ["Either"]

T = TypeVar("T")
R = TypeVar("R")


class Either(ABC, Generic[T]):
    """A context of both kinds over one asynchronous implementation."""

    _portal: Portal | None = None

    @abstractmethod
    async def _enter(self) -> T:
        """Open it."""

    @abstractmethod
    async def _exit(self) -> None:
        """Close it."""

    def run(self, work: Coroutine[Any, Any, R]) -> R:
        """Run a coroutine where the application runs; for synchronous tests, inside `with`."""
        if self._portal is None:
            work.close()
            raise RuntimeError("run() belongs inside `with`; in an asynchronous test, await it")
        return self._portal.run(work)

    async def __aenter__(self) -> T:
        return await self._enter()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exit()

    def __enter__(self) -> T:
        self._portal = Portal()
        try:
            return self._portal.run(self._enter())
        except BaseException:
            self._close_portal()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.run(self._exit())
        finally:
            self._close_portal()

    def _close_portal(self) -> None:
        portal, self._portal = self._portal, None
        if portal is not None:
            portal.close()
