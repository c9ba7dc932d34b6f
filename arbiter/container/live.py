"""`LiveContainer`: what a container class makes: a dependency-injector container that starts and stops in order."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from dependency_injector import containers, providers

from arbiter.container.graph import Graph, graph_of
from arbiter.container.life import Life
from arbiter.container.outcome import Outcome
from arbiter.container.overrides import refuse_unknown
from arbiter.container.problems import Problem
from arbiter.container.validation import validate
from arbiter.lifecycle.timeline import StartUp

__all__ = ["LiveContainer"]


class LiveContainer(containers.DynamicContainer):
    """The instance of a `Container` class: built eagerly, started and stopped in dependency order.

    After `start()` every provider returns its object, also above async resources. After `stop()`, calling a provider
    of something that was stopped is an error, until `start()` builds everything anew.
    """

    def __init__(self) -> None:
        super().__init__()
        self._live = Life(self)

    def __deepcopy__(self, memo: dict[str, Any] | None) -> Self:
        """Another container as this one was declared; of one that runs, the open resources could not be shared out."""
        self._live.refuse_copy()
        with self._live.as_declared():
            copied: Self = super().__deepcopy__(memo)
        return copied

    async def start(self) -> None:
        """Build and start everything, each after what it needs; undo all of it when one thing fails.

        Raises:
            ExceptionGroup: a `StepFailed` for each provider that failed, and for each failure while undoing.
            GraphInvalid: providers need each other in a circle.
            LifecycleStateError: it runs already, or is starting or stopping.
        """
        await self._live.start()

    async def stop(self) -> None:
        """Stop everything in reverse, to the last, whatever fails. Does nothing where nothing runs.

        Raises:
            ExceptionGroup: a `StepFailed` for each provider that failed or took too long.
            LifecycleStateError: it was started in another event loop.
        """
        await self._live.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.stop()

    def init_resources(
        self,
        resource_type: type[providers.BaseResource[Any]] = providers.BaseResource,  # noqa: ARG002
    ) -> Outcome:
        """`start()` in the library's own words; does nothing when it runs already.

        Done at the call where nothing has to wait, otherwise scheduled (in a loop) or to be awaited (without one).

        Args:
            resource_type: accepted for the library's sake; the order needs everything.
        """
        return self._live.init()

    def shutdown_resources(
        self,
        resource_type: type[providers.BaseResource[Any]] = providers.BaseResource,  # noqa: ARG002
    ) -> Outcome:
        """`stop()` in the library's own words; done, scheduled or to be awaited like `init_resources()`.

        Args:
            resource_type: accepted for the library's sake; the order needs everything.
        """
        return self._live.shutdown()

    def override_providers(self, **overriding_providers: Any) -> Any:
        """The library's own, a context manager as well, for names that exist.

        Raises:
            OverrideUnknown: one does not, and nothing was overridden.
        """
        refuse_unknown(self, overriding_providers)
        return super().override_providers(**overriding_providers)

    def validate(self) -> list[Problem]:
        """Everything that is wrong with the graph, at once; instantiates nothing."""
        with self._live.as_declared():
            return validate(self)

    def graph(self) -> Graph:
        """Who needs whom, and the start order; instantiates nothing."""
        with self._live.as_declared():
            return graph_of(self)

    def components(self) -> Mapping[str, object]:
        """What is built, by dotted provider name, in the order in which it was built."""
        return dict(self._live.built)

    def startup(self) -> StartUp:
        """The last start, or the one under way: how long each component took. May be read from any thread."""
        return self._live.engine.startup

    def pending(self) -> tuple[str, ...]:
        """Names of what still has to stop, the next first."""
        return self._live.engine.pending
