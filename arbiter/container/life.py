"""The life of one container: turns its plan into the engine's steps, and keeps what was built."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
import weakref
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from dependency_injector import containers, providers

from arbiter.container.needs import AnyProvider, effective
from arbiter.container.objects import Objects
from arbiter.container.outcome import Done, Outcome, Scheduled, outcome_of
from arbiter.container.plan import Node, Plan, named_providers
from arbiter.container.problems import GraphInvalid, Problem
from arbiter.container.resources import (
    has_lifecycle,
    is_adopter,
    is_async_factory,
    is_async_resource,
    is_component_async,
    lifecycle_hook,
)
from arbiter.container.settings_provider import SettingsProvider
from arbiter.errors import LifecycleStateError
from arbiter.lifecycle.engine import Engine, OnStop, Starting, State, Step
from arbiter.lifecycle.order import CycleFound
from arbiter.lifecycle.settings import LifecycleSettings
from arbiter.protocols import Adopter

__all__ = ["Life"]


class Life:
    """Starts and stops one container.

    Args:
        container: whose life it is.
    """

    _running: ClassVar[weakref.WeakSet[Life]] = weakref.WeakSet()
    """Lives that go on now: what one of them has started, another that reaches it leaves alone."""

    def __init__(self, container: containers.DynamicContainer) -> None:
        self._container = container
        self.engine = Engine(self._publish, on_rest=self._end)
        self.built: dict[str, object] = {}
        self._known: set[int] = set()
        self._owned: dict[AnyProvider, str] = {}
        self._objects = Objects()
        self._adopters: list[Adopter] = []
        self._events: Any = None
        self._unsent: list[object] = []
        self._due: Outcome | None = None
        self._at_the_call = threading.RLock()

    async def start(self) -> None:
        """See `LiveContainer.start`."""
        steps = self._begin()
        await self.engine.start(steps)
        # Those that started together were built in whatever order: shown is that of the plan.
        self.built = {step.name: self.built[step.name] for step in steps}

    async def stop(self) -> None:
        """See `LiveContainer.stop`."""
        if self._is_due():
            await asyncio.sleep(0)  # the start was scheduled before us, and begins now
        self._take_over_strays()
        await self.engine.stop()

    def refuse_copy(self) -> None:
        """Make sure that nothing is open that two would close.

        Raises:
            LifecycleStateError: it runs, starts or stops.
        """
        if not self.engine.is_at_rest:
            raise LifecycleStateError(
                f"cannot be copied: it is {self.engine.state.value}, and what is open belongs to it",
                hint="make another instance of the container class; or copy it before it starts, or once it has stopped",
            )

    def as_declared(self) -> contextlib.AbstractContextManager[None]:
        """While this lasts, the providers of a stopped container can be read as they were declared."""
        return self._objects.as_declared()

    def init(self) -> Outcome:
        """See `LiveContainer.init_resources`; threads that call it together get one start."""
        with self._at_the_call:
            return self._init()

    def _init(self) -> Outcome:
        if self.engine.state is State.RUNNING:
            return Done()
        if self._due is not None and self._is_due():
            return self._due
        self.engine.refuse_unless_at_rest()
        self._objects.restore()
        waits = any(_waits(node) for node in self._plan())
        self._due = outcome_of(self.start, lambda: self.engine.start_now(self._begin()), waits=waits)
        return self._due

    def shutdown(self) -> Outcome:
        """See `LiveContainer.shutdown_resources`."""
        with self._at_the_call:
            return self._shutdown()

    def _shutdown(self) -> Outcome:
        self._take_over_strays()
        under_way = self._is_due() or self.engine.state in {State.STARTING, State.STOPPING}
        waits = under_way or not self.engine.stops_without_loop
        return outcome_of(self.stop, self.engine.stop_now, waits=waits)

    def _is_due(self) -> bool:
        """Whether a start was scheduled that has not begun: a stop must not overtake it."""
        return isinstance(self._due, Scheduled) and not self._due.ended and self.engine.is_at_rest

    def _plan(self) -> list[Node]:
        """What is to be started, in order; what others have opened is theirs."""
        try:
            nodes = Plan.of(self._container).in_order()
        except CycleFound as circle:
            raise GraphInvalid([Problem("cycle", circle.path[0], circle.message, circle.hint)]) from circle
        taken = {provider for life in self._running if life is not self for provider in life._owned}
        own = set(self._own())
        return [node for node in nodes if node.provider not in taken and not _is_foreign(node.provider, own)]

    def _own(self) -> Iterator[AnyProvider]:
        return (provider for _, provider in named_providers(self._container))

    def _begin(self) -> list[Step]:
        self.engine.refuse_unless_at_rest()
        self._objects.refuse_while_opening()
        self._objects.restore()
        nodes = self._plan()
        self._reset_modes()
        self._read_settings()
        self._owned = {node.provider: node.name for node in nodes}
        self._running.add(self)
        return [Step(node.name, functools.partial(self._start, node), node.needs) for node in nodes]

    def _read_settings(self) -> None:
        for settings in self._container.traverse(types=[SettingsProvider]):
            settings.repin()
        found = self._container.providers.get("settings")
        if found is None or not isinstance(effective(found), SettingsProvider | providers.Object):
            return
        budgets = getattr(found(), "lifecycle", None)
        if isinstance(budgets, LifecycleSettings):
            self.engine.budgets = budgets

    async def _start(self, node: Node, on_stop: Starting) -> None:
        value = await self._objects.build(node, on_stop)
        if node.provider not in self._owned:
            return  # it swallowed being given up, and everything has stopped since
        is_theirs = node.given or id(value) in self._known
        self._show(node.name, value)
        if is_theirs or not has_lifecycle(value):
            return
        if is_adopter(value) and lifecycle_hook(value, "start") is not None:
            # Last of all, and so the first to stop: its work looks at every other component.
            self.engine.append(Step(node.name, functools.partial(_start_component, value)))
        else:
            await _start_component(value, on_stop)

    def _show(self, name: str, value: object) -> None:
        """Let each adopter see each component, whichever of them was built first."""
        for adopter in self._adopters:
            adopter.adopt(name, value)
        if is_adopter(value):
            self._adopters.append(value)
            for earlier, component in self.built.items():
                value.adopt(earlier, component)
        self.built[name] = value
        self._known.add(id(value))
        events = self._container.providers.get("events")
        if events is not None and self._owned.get(effective(events)) == name:
            self._send_events_to(value)

    def _send_events_to(self, sink: Any) -> None:
        if not callable(getattr(sink, "publish", None)):
            return
        self._events = sink
        for settings in self._container.traverse(types=[SettingsProvider]):
            settings.source().events = sink
        for event in self._unsent:
            sink.publish(event)
        self._unsent.clear()

    def _publish(self, event: object) -> None:
        if self._events is not None:
            self._events.publish(event)
        elif "events" in self._container.providers:
            self._unsent.append(event)

    def _take_over_strays(self) -> None:
        """Stop also what was opened by a call before the start, or past it."""
        if self.engine.state in {State.STARTING, State.STOPPING}:
            return
        resources = self._container.traverse(types=[providers.BaseResource])
        if all(one in self._owned or not one.initialized for one in resources):
            return
        with self.as_declared():
            planned = {node.provider: node.name for node in self._plan()}
        named = {provider: name for name, provider in named_providers(self._container)} | planned
        strays = [one for one in [*planned, *named] if _is_open(one) and one not in self._owned]
        if self.engine.is_at_rest:
            self._owned = planned
        for provider in dict.fromkeys(strays):
            self._owned[provider] = named[provider]
            take_over = functools.partial(self.engine.take_over, named[provider])
            self._objects.release_on_stop(provider, named[provider], take_over, None)

    def _end(self) -> None:
        """The engine has come to rest: nothing that was built may be used any more."""
        for provider in self._owned:
            if isinstance(provider, providers.BaseSingleton):
                provider.reset()
            self._objects.refuse(provider, self._owned[provider])
            provider.reset_async_mode()
        self._reset_modes()
        if self._events is not None:
            for settings in self._container.traverse(types=[SettingsProvider]):
                settings.source().events = None
        self._owned, self._events = {}, None
        self.built.clear()
        self._known.clear()
        self._adopters.clear()
        self._unsent.clear()
        self._running.discard(self)

    def _reset_modes(self) -> None:
        everything: Iterable[AnyProvider] = self._container.traverse()
        for provider in everything:
            if provider.is_async_mode_enabled() and provider not in self._owned:
                provider.reset_async_mode()


async def _start_component(component: object, on_stop: OnStop) -> None:
    start, stop = lifecycle_hook(component, "start"), lifecycle_hook(component, "stop")
    if start is not None:
        await start()
    if stop is not None:
        on_stop(stop)


def _is_open(provider: AnyProvider) -> bool:
    return isinstance(provider, providers.BaseResource) and provider.initialized


def _is_foreign(provider: AnyProvider, own: set[AnyProvider]) -> bool:
    """A resource that somebody else has opened, and that stands outside this container, is theirs to close."""
    return _is_open(provider) and provider not in own


def _waits(node: Node) -> bool:
    """Whether starting it, or its component, needs a loop; as far as can be told beforehand."""
    provider: Any = node.provider
    if node.given:
        return False
    if isinstance(provider, providers.BaseResource):
        return provider.is_async_mode_enabled() or is_async_resource(provider.provides)
    return is_async_factory(provider.provides) or is_component_async(provider.provides)
