"""Any graph, any fate: a stateful test over random containers that start, stop, fail, hang, are overridden and used.

The invariants: a resource is open whenever something built on it is in use; everything that started stops exactly
once; nothing outlives its budget.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from dependency_injector import providers
from dependency_injector.containers import DeclarativeContainer
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from arbiter.container.base import Container
from arbiter.container.composition import decorated
from arbiter.container.opening import in_place
from arbiter.errors import LifecycleStateError, StepFailed
from arbiter.lifecycle.settings import LifecycleSettings
from tests.waiting import until

BUDGET_S = 3.0
"""What a step may take; a hanging one is cut after it, and gets a grace of 0.1 s."""

BETWEEN = [
    "",
    "provided",
    "factory",
    "list",
    "dict",
    "callable",
    "singleton",
    "dependency",
    "selector",
    "nested",
]


class Held:
    """What a resource holds; it has no hooks of its own."""


@dataclass(eq=False)
class Part:
    """One component of the graph, which can be told to misbehave."""

    number: int
    kind: str
    needs: tuple[Part, ...] = ()
    fate: str = ""
    on_thread: bool = False
    opened: int = 0
    closed: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        return self.opened - self.closed == 1

    def open(self) -> None:
        self.check("opened")
        self.opened += 1

    def close(self) -> None:
        self.check("closed")
        self.closed += 1

    def check(self, action: str) -> None:
        self.wrong += [
            f"{self.number} was {action} while {need.number} was not open"
            for need in self.needs
            if not need.is_open
        ]

    def fail_at(self, action: str) -> None:
        if self.fate == f"fail {action}":
            raise OSError(f"{self.number} fails to {action}")

    async def hang_at(self, action: str) -> None:
        await asyncio.sleep(0)
        if self.fate == f"hang {action}":
            await asyncio.Event().wait()

    def resource(self, *_: object) -> Iterator[Held]:
        self.fail_at("start")
        self.open()
        yield Held()
        self.close()
        self.fail_at("stop")

    async def async_resource(self, *_: object) -> AsyncIterator[Held]:
        self.fail_at("start")
        await self.hang_at("start")
        self.open()
        yield Held()
        self.close()
        await self.hang_at("stop")
        self.fail_at("stop")

    async def start(self) -> None:
        self.fail_at("start")
        await self.hang_at("start")
        self.open()

    async def stop(self) -> None:
        self.close()
        await self.hang_at("stop")
        self.fail_at("stop")

    def provider(self, needs: list[Any]) -> Any:
        match self.kind:
            case "resource":
                factory = self.resource if self.on_thread else in_place(self.resource)
                return providers.Resource(factory, *needs)
            case "async":
                return providers.Resource(self.async_resource, *needs)
        return providers.Singleton(lambda *_: self, *needs)


def between(provider: Any, how: str) -> Any:
    """What stands between a user and what it needs."""
    wrapping: dict[str, Any] = {
        "provided": lambda: providers.Singleton(dict, it=provider).provided["it"],
        "factory": lambda: providers.Factory(dict, it=providers.Callable(id, provider)),
        "list": lambda: providers.List(provider),
        "dict": lambda: providers.Dict(it=provider),
        "callable": lambda: providers.Callable(id, provider),
        "singleton": lambda: providers.Singleton(dict, it=provider),
        "dependency": lambda: defined(provider),
        "selector": lambda: providers.Selector(
            lambda: "taken", taken=provider, left=providers.Resource(never)
        ),
        "nested": lambda: providers.Container(nesting(), it=provider).it,
    }
    return wrapping[how]() if how else provider


def defined(provider: Any) -> Any:
    dependency: providers.Dependency[Any] = providers.Dependency()
    dependency.override(provider)
    return dependency


def nesting() -> Any:
    return type("Inner", (DeclarativeContainer,), {"it": providers.Dependency()})


def never() -> Iterator[object]:
    raise AssertionError("the branch that is not taken was opened")
    yield


class Skipping(selectors.DefaultSelector):
    """Never waits: where nothing is ready, time goes on to when something is due."""

    skipped_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout is None:
            raise AssertionError("it waits for something that never comes")
        if not ready and timeout is not None:
            self.skipped_s += max(timeout, 0.0)
        return ready


class SkippingLoop(asyncio.SelectorEventLoop):
    """A loop on which a hanging step costs no real time, so that budgets can be exact."""

    def __init__(self) -> None:
        self._skipping = Skipping()
        super().__init__(self._skipping)

    def time(self) -> float:
        return super().time() + self._skipping.skipped_s


class Pillars(Container):
    settings: Any = providers.Object()


class Lifecycle(RuleBasedStateMachine):
    """One container, driven through its life in any order of events."""

    def __init__(self) -> None:
        super().__init__()
        self.loop: asyncio.AbstractEventLoop = SkippingLoop()
        self.parts: list[Part] = []
        self.retired: list[Part] = []
        self.state = "stopped"

    @initialize(data=st.data())
    def compose(self, data: st.DataObject) -> None:
        # Threads need real time, so that nothing may hang where there are some.
        self.threads = data.draw(st.booleans(), label="sync resources on threads")
        if self.threads:
            self.loop.close()
            self.loop = asyncio.new_event_loop()
        size = data.draw(st.integers(1, 8), label="size")
        made: dict[str, Any] = {}
        for number in range(size):
            chosen = (
                data.draw(st.lists(st.integers(0, number - 1), max_size=3, unique=True)) if number else []
            )
            part = Part(
                number,
                data.draw(st.sampled_from(["resource", "async", "component"])),
                tuple(self.parts[one] for one in chosen),
                on_thread=self.threads,
            )
            needs = [between(made[f"n{one}"], data.draw(st.sampled_from(BETWEEN))) for one in chosen]
            made[f"n{number}"] = part.provider(needs)
            self.parts.append(part)
        order = data.draw(st.permutations(range(size)), label="declared in")
        budgets = LifecycleSettings(
            start_s=100,
            start_hook_s=BUDGET_S,
            hook_s=BUDGET_S,
            hooks_s=100,
            start_at_once=data.draw(st.sampled_from([1, 4]), label="at once"),
        )
        members: dict[str, Any] = {
            "settings": providers.Object(type("Budgets", (), {"lifecycle": budgets})())
        }
        declared = type(
            "Declared", (Pillars,), members | {f"n{number}": made[f"n{number}"] for number in order}
        )
        self.container: Any = self._redefined(declared, data)()

    def _redefined(self, declared: Any, data: st.DataObject) -> Any:
        """A subclass that redeclares or decorates one of them, or none."""
        how = data.draw(st.sampled_from(["", "redeclared", "decorated"]), label="redefined")
        if not how:
            return declared
        number = data.draw(st.integers(0, len(self.parts) - 1), label="which")
        old = self.parts[number]
        if how == "decorated":
            wrapper = Part(100 + number, "component", (old,))
            self._replace(old, wrapper, keep=True)
            new = decorated(getattr(declared, f"n{number}"), lambda *_: wrapper)
        else:
            wrapper = Part(100 + number, "resource", on_thread=self.threads)
            self._replace(old, wrapper, keep=False)
            new = wrapper.provider([])
        return type("Redefined", (declared,), {f"n{number}": new})

    def _replace(self, old: Part, new: Part, *, keep: bool) -> None:
        for part in self.parts:
            part.needs = tuple(new if need is old else need for need in part.needs)
        self.parts = [*(part for part in self.parts if keep or part is not old), new]
        if not keep:
            self.retired.append(old)

    def _is_redefined(self, part: Part) -> bool:
        return part.number >= 100 or any(other.number == 100 + part.number for other in self.parts)

    @precondition(lambda self: self.state == "stopped")
    @rule(data=st.data())
    def misbehave(self, data: st.DataObject) -> None:
        """From now on one of them fails or hangs, or none does."""
        for part in self.parts:
            part.fate = ""
        part = data.draw(st.sampled_from(self.parts))
        hanging = [] if self.threads or part.kind == "resource" else ["hang start", "hang stop"]
        part.fate = data.draw(st.sampled_from(["", "fail start", "fail stop", *hanging]))

    @precondition(lambda self: self.state == "stopped")
    @rule(data=st.data())
    def override(self, data: st.DataObject) -> None:
        """A test puts a fake in place of one of them, and the real one is out of use."""
        old = data.draw(st.sampled_from([part for part in self.parts if part.number < 100] or self.parts))
        if self._is_redefined(old):
            return
        fake = Part(old.number, "async")
        self.container.override_providers(**{f"n{old.number}": fake.provider([])})
        self._replace(old, fake, keep=False)

    @precondition(lambda self: self.state == "stopped")
    @rule(ending=st.sampled_from(["", "", "cancelled"]))
    def start(self, ending: str) -> None:
        fate = next((part for part in self.parts if "start" in part.fate), None)
        began = self.loop.time()
        try:
            self.loop.run_until_complete(self._start(ending))
        except* StepFailed:  # whatever else there might be in the group goes through
            assert fate is not None
        except* asyncio.CancelledError:
            assert ending
        else:
            assert fate is None
            self.state = "running"
            assert all(part.is_open for part in self.parts)
        assert self.loop.time() - began < self._longest_s()

    async def _start(self, ending: str) -> None:
        starting = asyncio.ensure_future(self.container.start())
        if ending and not self.threads:  # how far it came would be a matter of luck
            for _ in range(3):
                await asyncio.sleep(0)
            starting.cancel()
        try:
            await starting
        finally:
            await self._until_threads_have_ended()

    async def _until_threads_have_ended(self) -> None:
        await until(lambda: not self.container._live._objects._stuck, limit_s=10)

    @precondition(lambda self: self.state == "running")
    @rule(callers=st.integers(1, 3))
    def stop(self, callers: int) -> None:
        """Any number of callers at once are one stop."""
        fate = next((part for part in self.parts if "stop" in part.fate), None)
        began = self.loop.time()
        outcomes = self.loop.run_until_complete(self._stop(callers))
        self.state = "stopped"
        assert self.loop.time() - began < self._longest_s()
        assert [type(one) for one in outcomes] == [ExceptionGroup if fate else type(None)] * callers

    async def _stop(self, callers: int) -> list[Any]:
        return await asyncio.gather(*(self.container.stop() for _ in range(callers)), return_exceptions=True)

    def _longest_s(self) -> float:
        """Each step at its limit and its grace, and a margin for a busy machine."""
        return len(self.parts) * (BUDGET_S + 0.2) + 1

    @precondition(lambda self: self.state == "running")
    @rule(data=st.data())
    def use(self, data: st.DataObject) -> None:
        """Every provider returns its object, and never a future."""
        part = data.draw(st.sampled_from(self.parts))
        provider = self.container.providers.get(f"n{part.number % 100}")
        assert isinstance(provider(), Part | Held)

    @precondition(lambda self: self.state == "stopped")
    @rule(data=st.data())
    def use_too_late(self, data: st.DataObject) -> None:
        """After a stop, a use is an error, and opens nothing."""
        part = data.draw(st.sampled_from(self.parts))
        if not part.opened or self._is_redefined(part):
            return
        before = sum(one.opened for one in self.parts)
        try:
            self.container.providers[f"n{part.number}"]()
        except LifecycleStateError:
            pass
        else:
            raise AssertionError("it could be used after the stop")
        assert sum(one.opened for one in self.parts) == before

    @precondition(lambda self: self.state == "running")
    @rule()
    def start_again(self) -> None:
        """It runs: a second start is refused, and changes nothing."""
        try:
            self.loop.run_until_complete(self.container.start())
        except LifecycleStateError:
            return
        raise AssertionError("it started twice")

    @invariant()
    def nothing_is_used_after_it_was_closed(self) -> None:
        assert [line for part in [*self.parts, *self.retired] for line in part.wrong] == []

    @invariant()
    def what_started_stops_once(self) -> None:
        for part in [*self.parts, *self.retired]:
            alive = 1 if self.state == "running" and part in self.parts else 0
            assert part.opened - part.closed == alive, (
                f"{part.number} is open {part.opened - part.closed} times"
            )

    def teardown(self) -> None:
        try:
            if self.state == "running":
                self.stop(1)
            self.loop.run_until_complete(asyncio.sleep(0))
            assert asyncio.all_tasks(self.loop) == set()
        finally:
            self.loop.close()


TestLifecycle = Lifecycle.TestCase
TestLifecycle.settings = settings(max_examples=60, stateful_step_count=12)


@pytest.mark.soak
def test_lifecycle_for_long() -> None:
    """The same over two thousand graphs."""
    run_state_machine_as_test(Lifecycle, settings=settings(max_examples=2000, stateful_step_count=25))
