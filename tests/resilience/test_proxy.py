"""The guarded proxy: what it looks like, what it passes on, how it is named and swapped."""

from __future__ import annotations

import copy
import functools
import inspect
import pickle
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, Protocol, Self, TypeVar, assert_type, runtime_checkable

import pytest
from dependency_injector import providers

from arbiter.errors import DomainError
from arbiter.operation import operation
from arbiter.resilience.outcome import Outcome
from arbiter.resilience.proxy import guarded, inner, swap
from arbiter.resilience.states import CircuitOpen
from tests.resilience.kit import OwnError, World

P = ParamSpec("P")
T = TypeVar("T")


class Stock:
    """A component with something of everything."""

    LIMIT = 3

    def __init__(self, database: str, *, size: int = 1) -> None:
        self.database = database
        self.size = size

    async def reserve(
        self, sku: str, /, count: int = 1, *extra: str, note: str = "x", **more: int
    ) -> tuple[Any, ...]:
        """Take from the shelf."""
        return (sku, count, extra, note, more)

    def count(self, sku: str = "a") -> int:
        """How many there are."""
        return len(sku)

    def lines(self) -> Iterator[int]:
        """A plain generator."""
        yield from range(2)

    async def start(self) -> None:
        """Open."""
        self.opened = True

    async def check(self) -> str:
        """Fine."""
        return "fine"

    @property
    def label(self) -> str:
        """A property."""
        return f"{self.database}:{self.size}"

    @staticmethod
    def unit() -> str:
        """A static method."""
        return "piece"

    @operation(guarded=False)
    async def raw(self) -> str:
        """Unguarded."""
        return "raw"

    def _private(self) -> str:
        return "private"

    def chain(self) -> Self:
        """A builder's step."""
        return self

    def __len__(self) -> int:
        return self.size

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stock) and other.size == self.size

    __hash__ = None  # type: ignore[assignment]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        self.size = 0


@runtime_checkable
class Sized(Protocol):
    """A data protocol."""

    size: int
    opened: bool


def _stock(world: World | None = None) -> Stock:
    return guarded(Stock)("db", guard=(world or World()).guard, size=2)


def test_a_proxy_passes_for_its_component() -> None:
    """isinstance, class patterns and docstrings take it for the component; its repr does not hide what it is."""
    stock = _stock()

    match stock:
        case Stock(size=size):
            found = size
        case _:
            found = 0

    assert isinstance(stock, Stock)
    assert found == 2
    assert type(stock) is not Stock
    assert repr(stock).startswith("<guarded stock: <")
    assert stock.reserve.__doc__ == "Take from the shelf."


def test_signatures_are_exact() -> None:
    """Every method has the signature and the kind of the component's own."""
    stock = _stock()

    for name in ("reserve", "count", "raw", "start"):
        assert inspect.signature(getattr(stock, name)) == inspect.signature(getattr(inner(stock), name))
        kinds = [inspect.iscoroutinefunction(getattr(owner, name)) for owner in (stock, inner(stock))]
        assert kinds[0] == kinds[1]


async def test_arguments_arrive_as_they_were_given() -> None:
    """Positional-only, defaults, extra positionals, keyword-only and extra keywords."""
    stock = _stock()

    assert await stock.reserve("a") == ("a", 1, (), "x", {})
    assert await stock.reserve("a", 2, "b", "c", note="n", z=1) == ("a", 2, ("b", "c"), "n", {"z": 1})


async def test_a_wrong_call_never_reaches_the_guard() -> None:
    """A missing argument is the caller's TypeError, and nothing is admitted."""
    world = World(failure_threshold=1)
    stock = _stock(world)

    with pytest.raises(TypeError, match="sku"):
        await stock.reserve()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

    assert world.breakers.get("stock.reserve").quiet


async def test_attributes_and_everything_else_pass_through() -> None:
    """Attributes, properties, constants, static, private and unguarded methods, and what start() makes later."""
    stock = _stock()
    await stock.start()

    stock.size = 5

    assert (stock.database, stock.label, stock.LIMIT, stock.unit()) == ("db", "db:5", 3, "piece")
    assert (stock._private(), await stock.raw(), await stock.check(), list(stock.lines())) == (
        "private",
        "raw",
        "fine",
        [0, 1],
    )
    assert inner(stock).size == 5
    assert isinstance(stock, Sized)
    assert not hasattr(stock, "nonsense")
    assert "reserve" in dir(stock)


async def test_dunder_methods_pass_through_and_self_stays_guarded() -> None:
    """len, ==, hash and async with work; where the component returns itself, the proxy does."""
    stock = _stock()

    async with stock as entered:
        length = len(stock)

    assert entered is stock
    assert stock.chain() is stock
    assert (length, stock.size) == (2, 0)
    assert stock == Stock("other", size=0)
    with pytest.raises(TypeError, match="unhashable"):
        hash(stock)


def test_only_operations_have_breakers() -> None:
    """Lifecycle methods, checks, private and unguarded methods and plain generators have none."""
    world = World()
    _stock(world)

    named = [status.name for status in world.breakers.list() if status.name.startswith("stock.")]

    assert named == ["stock.chain", "stock.count", "stock.reserve"]


def test_a_proxy_is_not_copied_nor_pickled() -> None:
    """Its guard belongs to this process."""
    stock = _stock()

    with pytest.raises(TypeError, match="cannot be copied"):
        copy.copy(stock)
    with pytest.raises(TypeError, match="cannot be copied"):
        pickle.dumps(stock)


def test_operations_are_named_by_provider() -> None:
    """Two providers of one class share nothing once the engine named them; the class's name is forgotten."""
    world = World()
    first, second = _stock(world), _stock(world)
    before = {status.name for status in world.breakers.list()}

    world.guard.adopt("east", first)
    world.guard.adopt("west", second)
    world.guard.adopt("clock", world.clock)

    after = {status.name for status in world.breakers.list()}
    assert "stock.count" in before
    assert {name for name in after if name.endswith(".count")} == {"east.count", "west.count"}
    assert repr(first).startswith("<guarded east: ")


def test_what_is_behind_the_guard_can_be_swapped() -> None:
    """A fake put behind the guard is called; the breaker stays."""
    world = World(failure_threshold=1)
    stock = _stock(world)
    real = inner(stock)

    class Broken:
        """Has only what the test needs."""

        def count(self, sku: str = "a") -> int:
            """Fail."""
            raise OwnError

    before = swap(stock, Broken())
    with pytest.raises(OwnError):
        stock.count()
    with pytest.raises(CircuitOpen):
        stock.count()

    assert before is real
    assert not hasattr(stock, "database")


def test_swapping_needs_a_guard() -> None:
    """What is not guarded cannot be swapped; its inner is itself."""
    bare = Stock("db")

    assert inner(bare) is bare
    with pytest.raises(TypeError, match="is not guarded"):
        swap(bare, Stock("other"))


def test_types_and_signature_are_the_components() -> None:
    """A type checker and inspect see the class's constructor with `guard`, and a provider that gives a Stock."""
    world = World()
    factory = guarded(Stock)
    provider = providers.Singleton(factory, "db", guard=world.guard)

    stock = provider()
    assert_type(stock, Stock)

    assert list(inspect.signature(factory).parameters) == ["database", "size", "guard"]
    assert provider() is stock
    assert factory.component is Stock


def test_a_component_with_a_guard_of_its_own_is_refused() -> None:
    """Its constructor's parameter `guard` would be ours."""

    class Castle:
        """Takes a guard."""

        def __init__(self, guard: str) -> None:
            self.guard = guard

    with pytest.raises(TypeError, match="rename it"):
        guarded(Castle)


def _decorated(function: Callable[P, T]) -> Callable[P, T]:
    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        return function(*args, **kwargs)

    return wrapper


class Dynamic:
    """Makes attributes up, and decorates a method."""

    def __getattr__(self, name: str) -> str:
        if name.startswith("_"):
            raise AttributeError(name)
        return f"made up: {name}"

    @_decorated
    def count(self, sku: str, *, times: int = 1) -> int:
        """Decorated."""
        return len(sku) * times


def test_dynamic_attributes_pass_through() -> None:
    """A class with __getattr__ keeps it; a decorated method shows what it wraps."""
    dynamic = guarded(Dynamic)(guard=World().guard)

    assert dynamic.anything == "made up: anything"
    assert dynamic.count("abc", times=2) == 6
    assert str(inspect.signature(dynamic.count)) == "(sku: 'str', *, times: 'int' = 1) -> 'int'"


class Weather:
    """Methods with fallbacks."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    @operation(fallback="cached", name="ask", span_attributes=("city",))
    async def forecast(self, city: str, *, error: BaseException | None = None) -> str:
        """Ask."""
        self.asked.append("forecast")
        if error is not None:
            raise error
        return f"{city}: sun"

    @operation(fallback="guess")
    async def cached(self, city: str, *, error: BaseException | None = None) -> str:
        """Remember, or not."""
        self.asked.append("cached")
        if city == "nowhere":
            raise LookupError(city)
        return f"{city}: sun yesterday"

    @operation(guarded=False)
    def guess(self, city: str, *, error: BaseException | None = None) -> str:
        """A guess."""
        self.asked.append("guess")
        return f"{city}: rain"


def _weather(world: World) -> Weather:
    return guarded(Weather)(guard=world.guard)


async def test_h62_the_fallback_answers_a_failure_and_a_rejection() -> None:
    """It gets the same arguments, runs outside the breaker, and is counted."""
    world = World(failure_threshold=1)
    weather = _weather(world)

    failed = await weather.forecast("Oslo", error=OwnError())
    rejected = await weather.forecast("Rome")

    assert (failed, rejected) == ("Oslo: sun yesterday", "Rome: sun yesterday")
    assert weather.asked == ["forecast", "cached", "cached"]
    counts = {
        m.attributes: m.value for m in world.guard.measurements() if m.name == "arbiter.operation.calls"
    }
    assert counts[("operation", "weather.ask"), ("outcome", Outcome.FALLBACK.value)] == 2


async def test_h62_fallbacks_form_a_chain() -> None:
    """When the first raises, its own fallback answers; breakers are not touched by it."""
    world = World()
    weather = _weather(world)

    answer = await weather.forecast("nowhere", error=OwnError())

    assert answer == "nowhere: rain"
    assert weather.asked == ["forecast", "cached", "guess"]
    assert world.breakers.get("weather.ask").fail_counter == 1
    assert world.breakers.get("weather.cached").fail_counter == 0


@pytest.mark.parametrize("error", [KeyboardInterrupt(), GeneratorExit(), DomainError("no")])
async def test_h63_answers_and_cancellation_have_no_fallback(error: BaseException) -> None:
    """A domain error is an answer already, and whoever cancels wants none."""
    weather = _weather(World())

    with pytest.raises(type(error)) as caught:
        await weather.forecast("Oslo", error=error)

    assert caught.value is error
    assert weather.asked == ["forecast"]


def test_impossible_fallbacks_are_refused() -> None:
    """One that does not exist, or that a plain method cannot await, is named when the proxy is made."""

    class Missing:
        """Names nothing."""

        @operation(fallback="nowhere")
        def ask(self) -> None:
            """Ask."""

    class Unawaitable:
        """Names a coroutine function."""

        @operation(fallback="later")
        def ask(self) -> None:
            """Ask."""

        async def later(self) -> None:
            """Answer."""

    class Circle:
        """Comes back to itself."""

        @operation(fallback="again")
        def ask(self) -> None:
            """Ask."""

        @operation(fallback="ask")
        def again(self) -> None:
            """Ask again."""

    for wrong, words in ((Missing, "no method"), (Unawaitable, "coroutine function"), (Circle, "circle")):
        with pytest.raises(TypeError, match=words):
            guarded(wrong)(guard=World().guard)
