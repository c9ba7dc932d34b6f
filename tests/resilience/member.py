"""One instance of a fleet, driven by lines of JSON: `[act, breaker, ...]` in, one answer out. Run as a script.

call NAME s|f          one call whose body succeeds or fails at once; the answer says how it ended
begin NAME             a call whose body waits; whether it began
end NAME s|f           ends the oldest waiting body so
status NAME            how the breaker stands
steer NAME open|close  as an operator does
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

from pydantic import SecretStr

from arbiter.clock import SystemClock
from arbiter.events import BreakerChanged
from arbiter.resilience.guard import Guard
from arbiter.resilience.proxy import guarded
from arbiter.resilience.registry import BreakerRegistry
from arbiter.resilience.settings import ResilienceSettings
from arbiter.resilience.shared.fleet import SharedCircuits
from arbiter.testing.live import Fixed
from tests.resilience.kit import Log, Pay, ended, turns


class Member:
    """A guarded `Pay` for each name, and the sharing between this process and the others."""

    def __init__(self, url: str, settings: dict[str, Any]) -> None:
        self._log, live = Log(), Fixed(ResilienceSettings(**settings))
        # The test is about what is agreed on, not about how fast a loaded machine agrees.
        self.sharing = SharedCircuits(SecretStr(url), self._log, patience_s=10)
        self._breakers = BreakerRegistry(live, SystemClock(), self._log, sharing=self.sharing)
        self._guard = Guard(live, self._breakers, clock=SystemClock(), events=self._log)
        self._pays: dict[str, Pay] = {}
        self._waiting: dict[str, list[tuple[asyncio.Task[object], asyncio.Future[object]]]] = {}

    async def do(self, act: str, name: str, *words: str) -> object:
        """One line's answer."""
        pay = self._pays.get(name) or self._make(name)
        match act, words:
            case "call", ["f"]:
                return type(await self._result(pay.charge(ValueError("f")))).__name__
            case "call", _:
                return await self._named(pay.charge("s"))
            case "begin", _:
                return await self._begin(name, pay)
            case "end", [verdict]:
                task, future = self._waiting[name].pop(0)
                future.set_result("s") if verdict == "s" else future.set_exception(ValueError("f"))
                return await self._named(task)
            case "steer", [action]:
                getattr(self._breakers, action)(f"{name}.charge")
                return action
            case _:
                return await self._status(f"{name}.charge")

    def _make(self, name: str) -> Pay:
        pay = self._pays[name] = guarded(Pay)(guard=self._guard)
        self._guard.adopt(name, pay)
        return pay

    async def _begin(self, name: str, pay: Pay) -> bool:
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        task = asyncio.get_running_loop().create_task(pay.charge(future))
        before = pay.invoked
        while pay.invoked == before and not task.done():  # noqa: ASYNC110  either comes about by a thread
            await asyncio.sleep(0.005)
        if not task.done():
            self._waiting.setdefault(name, []).append((task, future))
        else:
            await ended(task)
        return not task.done()

    async def _named(self, call: Any) -> str:
        result = await self._result(call)
        return result if isinstance(result, str) else type(result).__name__

    async def _result(self, call: Any) -> object:
        return await ended(asyncio.ensure_future(call))

    async def _status(self, operation: str) -> dict[str, object]:
        await turns()
        status = self._breakers.snapshot()[operation]
        return {
            "state": status.state,
            "failures": status.failure_count,
            "left": status.retry_after_s,
            "at": time.time(),
            "answers": self.sharing.answers,
            "changes": [
                [e.old, e.new]
                for e in self._log.events
                if isinstance(e, BreakerChanged) and e.name == operation
            ],
        }


async def main(url: str, settings: str) -> None:
    """Answer lines until there are no more."""
    member = Member(url, json.loads(settings))
    await member.sharing.start()
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(await member.do(*json.loads(line))), flush=True)  # noqa: T201  the answer
    await member.sharing.stop()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
