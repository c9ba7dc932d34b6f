"""The container engine beside dependency-injector alone, and its peers where they do the same."""

from __future__ import annotations

import asyncio
import functools
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dependency_injector import providers
from dependency_injector.containers import DeclarativeContainer

from arbiter.container.base import Container
from benchmarks.harness import Row, interleaved

__all__ = ["rows"]

PROJECT = Path(__file__).parent.parent
CHAIN = 200
ROUNDS = 200
OURS, THEIRS = (Container,), (DeclarativeContainer,)
LIBRARY = "dependency-injector"


def rows() -> list[Row]:
    return [
        *(_wrong_orders(name, shape) for name, shape in SHAPES.items()),
        *_chains(),
        *_reads(),
        _fresh(),
        *_check(),
    ]


class Held:
    """Holds what it was given."""

    def __init__(self, *needs: object, **named: object) -> None:
        self.needs = (*needs, *named.values())


log: list[str] = []


def _resource(name: str) -> Callable[..., Iterator[str]]:
    def opened(*_: object) -> Iterator[str]:
        log.append(f"+{name}")
        yield name
        log.append(f"-{name}")

    return opened


def _independent(bases: Any) -> Any:
    return type("Eight", bases, {f"r{n}": providers.Resource(_resource(f"r{n}")) for n in range(8)})


def _direct(bases: Any) -> Any:
    a = providers.Resource(_resource("a"))
    b = providers.Resource(_resource("b"), a)
    return type("Direct", bases, {"c": providers.Resource(_resource("c"), b), "b": b, "a": a})


def _through(between: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def shape(bases: Any) -> Any:
        a = providers.Resource(_resource("a"))
        middle = between(a)
        return type("Through", bases, {"a": a, "m": middle, "b": providers.Resource(_resource("b"), middle)})

    return shape


def _dependency(bases: Any) -> Any:
    inner: dict[str, Any] = {"need": providers.Dependency()}
    part = type(
        "Part", (DeclarativeContainer,), inner | {"b": providers.Resource(_resource("b"), inner["need"])}
    )
    a = providers.Resource(_resource("a"))
    return type("Root", bases, {"a": a, "part": providers.Container(part, need=providers.Singleton(Held, a))})


def _siblings(bases: Any) -> Any:
    adapters = type("Adapters", (DeclarativeContainer,), {"a": providers.Resource(_resource("a"))})
    needs = providers.DependenciesContainer()
    users = type(
        "Users",
        (DeclarativeContainer,),
        {"adapters": needs, "b": providers.Resource(_resource("b"), needs.a)},
    )
    first: Any = providers.Container(adapters)
    return type("Root", bases, {"adapters": first, "users": providers.Container(users, adapters=first)})


SHAPES: dict[str, Callable[[Any], Any]] = {
    "8 independent (declared order kept)": _independent,
    "direct chain": _direct,
    "through a Singleton": _through(lambda a: providers.Singleton(Held, a)),
    "through .provided": _through(lambda a: providers.Singleton(Held, a).provided.needs[0]),
    "through a Dependency": _dependency,
    "between sibling containers": _siblings,
}


def _wrong_orders(name: str, shape: Callable[[Any], Any]) -> Row:
    return Row(
        f"wrong stop orders of {ROUNDS}: {name}", _wrong(shape, OURS), LIBRARY, _wrong(shape, THEIRS), "", "0"
    )


def _wrong(shape: Callable[[Any], Any], bases: Any) -> int:
    """How many stops were not the exact reverse of the only right start."""
    wrong = 0
    for _ in range(ROUNDS):
        log.clear()
        container = shape(bases)()
        container.init_resources()
        container.shutdown_resources()
        opened = [line[1:] for line in log if line[0] == "+"]
        closed = [line[1:] for line in log if line[0] == "-"]
        wrong += opened != sorted(opened) or closed != sorted(opened, reverse=True)
    return wrong


def _chain(bases: Any, length: int) -> Any:
    links: dict[str, Any] = {}
    for number in range(length):
        below = [links[f"n{number - 1}"]] if number else []
        links[f"n{number}"] = providers.Resource(_resource("x"), *below)
    return type("Chain", bases, links)()


def _timed(work: Callable[[], object]) -> float:
    """Seconds of CPU, of all threads: what else the machine does counts for nothing."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def _at_the_call(bases: Any, length: int) -> tuple[float, float]:
    """Seconds of start and of stop, by the library's own calls."""
    container = _chain(bases, length)
    return _timed(container.init_resources), _timed(container.shutdown_resources)


async def _in_a_loop(length: int) -> tuple[float, float]:
    """The same by `start()` and `stop()`: every resource on a daemon thread, within its budget."""
    container = _chain(OURS, length)
    begun = time.process_time()
    await container.start()
    between = time.process_time()
    await container.stop()
    return between - begun, time.process_time() - between


def _medians(measure: Callable[[], tuple[float, float]]) -> tuple[float, float]:
    taken = [measure() for _ in range(5)]
    return statistics.median(one for one, _ in taken), statistics.median(other for _, other in taken)


def _chains() -> Iterator[Row]:
    start, stop = _medians(lambda: _at_the_call(OURS, CHAIN))
    live_start, live_stop = _medians(lambda: asyncio.run(_in_a_loop(CHAIN)))
    long_start, long_stop = _medians(lambda: _at_the_call(OURS, 10 * CHAIN))
    their_start, their_stop = _at_the_call(THEIRS, CHAIN)
    most = "<= 1/500"
    yield Row("stop a chain of 200, shutdown_resources()", 1e3 * stop, LIBRARY, 1e3 * their_stop, "ms", most)
    yield Row("stop a chain of 200, await stop()", 1e3 * live_stop, LIBRARY, 1e3 * their_stop, "ms", most)
    yield Row(
        "start a chain of 200, init_resources()", 1e3 * start, LIBRARY, 1e3 * their_start, "ms", "linear"
    )
    yield Row(
        "start a chain of 200, await start()", 1e3 * live_start, LIBRARY, 1e3 * their_start, "ms", "linear"
    )
    of_ten = "10 times that of 200"
    yield Row("stop a chain of 2000", 1e3 * long_stop, of_ten, 1e4 * stop, "ms", "ratio about 1: linear")
    yield Row("start a chain of 2000", 1e3 * long_start, of_ten, 1e4 * start, "ms", "ratio about 1: linear")


class Conf:
    def __init__(self) -> None:
        self.size = 1


class A:
    def __init__(self, conf: Conf) -> None:
        self.conf = conf


def _reads() -> Iterator[Row]:
    conf = providers.Singleton(Conf)
    declared: dict[str, Any] = {"conf": conf, "a": providers.Singleton(A, conf)}
    ours: Any = type("Ours", OURS, dict(declared))()
    theirs: Any = type("Theirs", THEIRS, dict(declared))()
    asyncio.run(_start_only(ours))
    theirs.a()
    reads = {"ours": lambda: ours.a(), LIBRARY: lambda: theirs.a(), **_peers()}  # noqa: PLW0108  a read, as users write it
    taken = interleaved(
        {name: functools.partial(_repeat, read) for name, read in reads.items()}, calls=20_000
    )
    for peer in reads:
        if peer != "ours":
            target = "<= 1 (within noise)" if peer == LIBRARY else ""
            yield Row("read a Singleton", 1e9 * taken["ours"], peer, 1e9 * taken[peer], "ns", target)


async def _start_only(container: Any) -> None:
    await container.start()


def _peers() -> dict[str, Callable[[], object]]:
    import dishka
    import svcs
    import wireup

    provider = dishka.Provider(scope=dishka.Scope.APP)
    provider.provide(Conf)
    provider.provide(A)
    theirs = dishka.make_container(provider)
    registry = svcs.Registry()
    registry.register_value(A, A(Conf()))
    services = svcs.Container(registry)
    wired = wireup.create_sync_container(injectables=[wireup.injectable(Conf), wireup.injectable(A)])
    return {
        "dishka": lambda: theirs.get(A),
        "svcs": lambda: services.get(A),
        "wireup": lambda: wired.get(A),
    }


def _repeat(read: Callable[[], object], calls: int) -> float:
    begun = time.perf_counter()
    for _ in range(calls):
        read()
    return time.perf_counter() - begun


def _fresh() -> Row:
    """A container of 30 providers, as a test makes one."""
    declared: dict[str, Any] = {"p0": providers.Singleton(Held)}
    for number in range(1, 30):
        declared[f"p{number}"] = providers.Singleton(Held, declared[f"p{number - 1}"], number)
    ours, theirs = type("Ours", OURS, dict(declared)), type("Theirs", THEIRS, dict(declared))
    cases = {"ours": functools.partial(_repeat, ours), "theirs": functools.partial(_repeat, theirs)}
    taken = interleaved(cases, calls=100)
    return Row(
        "a fresh container of 30 providers",
        1e3 * taken["ours"],
        f"{LIBRARY} + 1 ms",
        1e3 * taken["theirs"] + 1,
        "ms",
        "< 1 ms over the library's",
    )


def _check() -> Iterator[Row]:
    command = PROJECT / ".venv" / "bin" / "arbiter"
    if not command.exists():  # the product's environment, which `make run` makes
        return
    taken = [_run_check(command) for _ in range(12)][1:]
    walls, cpus = [wall for wall, _ in taken], [cpu for _, cpu in taken]
    yield Row("arbiter check, whole process", statistics.median(walls), "limit", 1.0, "s", "< 1 s")
    # what it takes where the machine does nothing else
    yield Row("arbiter check, user + system", statistics.median(cpus), "limit", 1.0, "s", "< 1 s")


def _run_check(command: Path) -> tuple[float, float]:
    """Seconds by the clock, and of CPU."""
    environment = {**os.environ, "ARBITER_ENV": "test"}
    begun, before = time.perf_counter(), os.times()
    subprocess.run([command, "check"], check=True, cwd=PROJECT, env=environment, capture_output=True)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - begun, cpu
