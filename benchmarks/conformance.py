"""Twelve things that a circuit breaker of coroutines must do, asked of ours and of its peers from the outside."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.breakers import BREAKERS, OURS, Make, Through
from benchmarks.harness import Row

__all__ = ["rows"]

_OPEN_S = 0.05
"""How long the circuits stay open; every waiting scenario takes a small multiple of it."""


class OwnError(Exception):
    """What the bodies raise."""


class Line:
    """Calls through one breaker, and whether they reached their body."""

    def __init__(self, through: Through) -> None:
        self._through = through
        self.invoked = 0

    async def fails(self) -> BaseException | None:
        """A call whose body raises; what came of it."""
        return await self._end(self._raising)

    async def passes(self) -> bool:
        """Whether a call that would succeed is let through."""
        before = self.invoked
        await self._end(self._nothing)
        return self.invoked > before

    def starts(self, end: asyncio.Future[object]) -> asyncio.Task[Any]:
        """A call whose body waits for `end`."""

        async def body() -> object:
            self.invoked += 1
            return await end

        async def call() -> object:
            return await self._through(body)

        return asyncio.create_task(call())

    async def trips(self) -> None:
        """Three failures."""
        for _ in range(3):
            await self.fails()

    async def _raising(self) -> None:
        self.invoked += 1
        raise OwnError

    async def _nothing(self) -> None:
        self.invoked += 1

    async def _end(self, body: Callable[[], Awaitable[None]]) -> BaseException | None:
        try:
            await self._through(body)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  whatever a peer makes of it
            return error
        return None


def _future() -> asyncio.Future[object]:
    return asyncio.get_running_loop().create_future()


async def _ended(task: asyncio.Task[Any]) -> None:
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()  # asyncio complains of one that nobody looked at


async def _cancelled(line: Line) -> asyncio.Task[Any]:
    task = line.starts(_future())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    await _ended(task)
    return task


async def _trips_at_the_third(make: Make) -> bool:
    line = Line(make())
    await line.trips()
    return line.invoked == 3 and not await line.passes()


async def _tripping_caller_sees_its_own(make: Make) -> bool:
    line = Line(make())
    return [type(await line.fails()) for _ in range(3)] == [OwnError] * 3


async def _success_resets(make: Make) -> bool:
    line = Line(make())
    await line.fails(), await line.fails(), await line.passes(), await line.fails(), await line.fails()
    return await line.passes()


async def _open_rejects(make: Make) -> bool:
    line = Line(make())
    await line.trips()
    before = line.invoked
    error = await line.fails()
    return line.invoked == before and error is not None and not isinstance(error, OwnError)


async def _one_trial(make: Make) -> bool:
    line = Line(make(open_s=_OPEN_S))
    await line.trips()
    await asyncio.sleep(_OPEN_S * 1.2)
    before, end = line.invoked, _future()
    tasks = [line.starts(end) for _ in range(20)]
    await asyncio.sleep(0.01)
    invoked = line.invoked - before
    end.set_result(None)
    await asyncio.gather(*tasks, return_exceptions=True)
    return invoked == 1


async def _cancellation_is_neutral(make: Make) -> bool:
    line = Line(make())
    await line.fails(), await line.fails()
    await _cancelled(line)
    before = line.invoked
    await line.fails()
    was_closed = line.invoked > before
    return was_closed and not await line.passes()


async def _cancellation_surfaces(make: Make) -> bool:
    line = Line(make())
    await line.fails(), await line.fails()
    return (await _cancelled(line)).cancelled()


async def _cancelled_trial_says_nothing(make: Make) -> bool:
    line = Line(make(open_s=_OPEN_S))
    await line.trips()
    await asyncio.sleep(_OPEN_S * 1.2)
    await _cancelled(line)
    before = line.invoked
    await line.fails()
    was_admitted = line.invoked > before
    return was_admitted and not await line.passes()


async def _late_success_does_not_close(make: Make) -> bool:
    line, end = Line(make()), _future()
    slow = line.starts(end)
    await asyncio.sleep(0)
    await line.trips()
    end.set_result(None)
    await _ended(slow)
    return not await line.passes()


async def _late_failure_is_its_own(make: Make) -> bool:
    line, end = Line(make(open_s=_OPEN_S)), _future()
    slow = line.starts(end)
    await asyncio.sleep(0)
    await line.trips()
    await asyncio.sleep(_OPEN_S * 0.6)
    own = OwnError()
    end.set_exception(own)
    await _ended(slow)
    await asyncio.sleep(_OPEN_S * 0.6)
    return slow.exception() is own and await line.passes()


async def _older_trial_does_not_close(make: Make) -> bool:
    line, end = Line(make(open_s=_OPEN_S, trials=2)), _future()
    await line.trips()
    await asyncio.sleep(_OPEN_S * 1.2)
    older = line.starts(end)
    await asyncio.sleep(0)
    await line.fails()
    end.set_result(None)
    await _ended(older)
    return not await line.passes()


async def _no_lock_over_the_call(make: Make) -> bool:
    through = make()

    async def rest() -> None:
        await asyncio.sleep(0.01)

    async def call() -> None:
        await through(rest)

    began = time.monotonic()
    await asyncio.gather(*(call() for _ in range(20)))
    return time.monotonic() - began < 0.1


_SCENARIOS: Mapping[str, Callable[[Make], Awaitable[bool]]] = {
    "trips at the 3rd consecutive failure": _trips_at_the_third,
    "the tripping caller sees its own exception": _tripping_caller_sees_its_own,
    "a success resets the streak": _success_resets,
    "open: rejected without invoking": _open_rejects,
    "half-open: 1 of 20 concurrent calls invoked": _one_trial,
    "cancellation neither counts nor resets": _cancellation_is_neutral,
    "a cancelled call surfaces CancelledError": _cancellation_surfaces,
    "cancelled trial: no verdict, next call admitted": _cancelled_trial_says_nothing,
    "late success after the trip does not close": _late_success_does_not_close,
    "late failure keeps its exception, extends nothing": _late_failure_is_its_own,
    "a trial fails beside an older one: stays open": _older_trial_does_not_close,
    "no lock across the await": _no_lock_over_the_call,
}


def rows() -> list[Row]:
    """How many of the twelve each breaker does, and a table of which."""
    found = {name: asyncio.run(_passed(make)) for name, make in BREAKERS.items()}
    table = Table("scenario", *found, header_style="bold")
    for number, scenario in enumerate(_SCENARIOS):
        table.add_row(scenario, *("yes" if passed[number] else "NO" for passed in found.values()))
    Console(width=170).print(table)
    counts = {name: sum(passed) for name, passed in found.items()}
    return [
        Row("breaker: basic scenarios", counts[OURS], name, count, "of 12", "12, no peer above")
        for name, count in counts.items()
        if name != OURS
    ]


async def _passed(make: Make) -> list[bool]:
    return [await scenario(make) for scenario in _SCENARIOS.values()]
