"""What a container's providers hold: built one by one, closed on stop, and refused afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

from dependency_injector import providers

from arbiter.container.needs import AnyProvider
from arbiter.container.opening import NeedsLoop, Opening, entering, may_block, stays_in_place
from arbiter.container.plan import Node
from arbiter.container.resources import OneTask, is_async_resource, is_thread_bound
from arbiter.errors import ContainerError, LifecycleStateError
from arbiter.lifecycle.hooks import Where
from arbiter.lifecycle.starting import OnStop, Starting

__all__ = ["Objects"]


class Objects:
    """Builds and closes what the providers of one container hold."""

    def __init__(self) -> None:
        self._factories: dict[AnyProvider, Any] = {}
        self._refused: dict[AnyProvider, _Refused] = {}
        self._stuck: dict[AnyProvider, str] = {}

    async def build(self, node: Node, on_stop: Starting) -> Any:
        """Build one, or open it; what was opened is closed when the step stops."""
        provider: Any = node.provider
        if not isinstance(provider, providers.BaseResource):
            return _kept(provider, await _value_of(provider))
        value: Any = None
        try:
            value = await self._open(node, on_stop)
        finally:
            if provider.initialized and provider not in self._stuck:
                self.release_on_stop(provider, node.name, on_stop, value)
        _pass_on_cancellation()
        return value

    async def _open(self, node: Node, on_stop: Starting) -> Any:
        provider: Any = node.provider
        if provider.initialized:
            return await _value_of(provider)
        needs_loop = is_async_resource(provider.provides)
        self._replace_factory(provider, entering(provider.provides))
        if needs_loop:
            return await _value_of(provider)
        try:
            return await (self._open_apart(node, on_stop) if may_block(provider) else _value_of(provider))
        except NeedsLoop as news:
            provider.set_provides(OneTask.of(news.made))
            return await _value_of(provider)

    async def _open_apart(self, node: Node, on_stop: Starting) -> Any:
        """Open it on a thread, which may be given up: it then closes what it has opened."""
        opening = Opening(node.provider, ended=functools.partial(self._stuck.pop, node.provider, None))
        self._stuck[node.provider] = node.name
        try:
            return await on_stop.blocking(opening)
        finally:
            if not opening.give_up():
                self._stuck.pop(node.provider, None)

    def release_on_stop(self, provider: Any, name: str, on_stop: OnStop, value: object) -> None:
        """Close what is open when the step stops."""

        def close() -> Any:
            self.refuse(provider, name)
            return provider.shutdown()

        async def close_async() -> None:
            closing = close()
            if closing is not None:
                await closing

        if provider.is_async_mode_enabled():
            on_stop(close_async)
        else:
            stays = stays_in_place(self._factories.get(provider)) or is_thread_bound(provider, value)
            on_stop(close, where=Where.CALLER if stays else Where.THREAD)
        provider.disable_async_mode()

    def refuse_while_opening(self) -> None:
        """Make sure that nothing is still being opened by a start that was given up."""
        if self._stuck:
            names = ", ".join(self._stuck.values())
            raise LifecycleStateError(
                f"cannot start: {names} is still being opened, by a start that was given up",
                hint="wait until it has ended; find out why it hangs, or give it more time: lifecycle.components",
            )

    def refuse(self, provider: Any, name: str) -> None:
        """Natively, a use after the stop opens the resource anew, and nobody closes it."""
        if not isinstance(provider, providers.BaseSingleton | providers.BaseResource):
            return
        if getattr(type(provider), "provided_type", None) is None and provider not in self._refused:
            self._refused[provider] = _Refused(provider, name)
            self._refused[provider].apply()

    def _replace_factory(self, provider: Any, factory: Callable[..., Any]) -> None:
        self._factories.setdefault(provider, provider.provides)
        provider.set_provides(factory)

    def restore(self) -> None:
        """Give the providers their own factories and arguments back."""
        for refused in self._refused.values():
            refused.undo()
        self._refused.clear()
        provider: Any
        for provider, factory in self._factories.items():
            provider.set_provides(factory)
        self._factories.clear()

    @contextlib.contextmanager
    def as_declared(self) -> Iterator[None]:
        """While this lasts, what is refused can be read as it was declared."""
        for refused in self._refused.values():
            refused.undo()
        try:
            yield
        finally:
            for refused in self._refused.values():
                refused.apply()


class _Refused:
    """A provider that must not be called; its arguments neither, which might open something by themselves."""

    def __init__(self, provider: Any, name: str) -> None:
        self._provider = provider
        self._declared = (provider.provides, provider.args, provider.kwargs)
        self._refusal = _refusal(name, provider.provides)

    def apply(self) -> None:
        self._provider.set_provides(self._refusal)
        self._provider.clear_args()
        self._provider.clear_kwargs()

    def undo(self) -> None:
        provides, args, kwargs = self._declared
        self._provider.set_provides(provides)
        self._provider.set_args(*args)
        self._provider.set_kwargs(**kwargs)


def _pass_on_cancellation() -> None:
    """An async resource that was open when it was cancelled took no notice; from here on there must be some."""
    try:
        task = asyncio.current_task()
    except RuntimeError:  # there is no loop, and nobody who cancels
        return
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def _value_of(provider: AnyProvider) -> Any:
    """Call it, wait where it has to be waited for, and let it return the object itself from now on."""
    value: Any = provider()
    # Whether the value is awaitable says nothing: a pool may be.
    if provider.is_async_mode_enabled():
        value = await value
        if not isinstance(provider, providers.BaseResource):
            provider.disable_async_mode()
    return value


def _refusal(name: str, factory: Any) -> Callable[..., Any]:
    def refuse(*_: object, **__: object) -> Any:
        raise LifecycleStateError(
            f"{name}: the container is stopped",
            hint="keep the object, not the provider; or start the container again",
        )

    refuse.__wrapped__ = factory  # type: ignore[attr-defined]  # validate() and graph() look through it
    refuse.__name__ = getattr(factory, "__name__", "refuse")
    return refuse


def _kept(provider: AnyProvider, value: object) -> object:
    if value is None and isinstance(provider, providers.BaseSingleton):
        raise ContainerError(
            "its factory returned None, which a Singleton cannot keep: it would be called again at each use",
            hint="return an object; or use providers.Resource, which keeps None, for what is only done once",
        )
    return value
