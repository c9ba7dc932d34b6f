"""Leases and turnstiles: each lease ends exactly once, each name lets one in at a time."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from arbiter.orchestrator.routing.leases import Lease, Leases
from arbiter.orchestrator.routing.ports import Registration
from arbiter.orchestrator.routing.turnstile import Turnstile
from tests.orchestrator.routing.fakes import REGISTERED

AGENT = Registration("a", REGISTERED)
ACTIONS = st.one_of(
    st.tuples(st.just("hold"), st.integers(0, 5), st.floats(0, 10)),
    st.tuples(st.just("take"), st.integers(0, 5), st.just(0.0)),
    st.tuples(st.just("expire"), st.just(0), st.floats(0, 10)),
)


@given(st.lists(ACTIONS, max_size=30))
def test_every_lease_ends_once_and_never_before_its_time(actions: list[tuple[str, int, float]]) -> None:
    """Whatever is held, taken and expired in any order: what comes out was held, once, and an expiry is due."""
    leases, held = Leases(), dict[str, Lease]()
    for action, task, moment in actions:
        match action:
            case "hold":
                held[f"t{task}"] = Lease(f"t{task}", AGENT, moment)
                leases.hold(held[f"t{task}"])
            case "take":
                assert leases.take(f"t{task}") == held.pop(f"t{task}", None)
            case _:
                expired = leases.take_expired(moment)
                assert {lease.task_id for lease in expired} == {
                    t for t, one in held.items() if one.ends_at <= moment
                }
                for lease in expired:
                    assert held.pop(lease.task_id) == lease

    assert len(leases) == len(held)
    assert leases.next_end() == min((lease.ends_at for lease in held.values()), default=None)


async def test_a_turnstile_lets_one_in_at_a_time() -> None:
    """Calls of one name wait for each other, those of another pass; nothing is kept afterwards."""
    turnstile, inside, most = Turnstile(), 0, 0

    async def visit(name: str) -> None:
        nonlocal inside, most
        async with turnstile.passing(name):
            inside += name == "x"
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= name == "x"

    await asyncio.gather(*(visit(name) for name in "xxyxyx"))

    assert (most, len(turnstile)) == (1, 0)


async def test_a_turnstile_forgets_a_visitor_that_was_cancelled() -> None:
    """One that is cancelled while it waits leaves the others as they were."""
    turnstile, going = Turnstile(), asyncio.Event()

    async def visit() -> None:
        async with turnstile.passing("x"):
            await going.wait()

    visits = [asyncio.create_task(visit()) for _ in range(3)]
    await asyncio.sleep(0)
    visits[1].cancel()
    going.set()
    await asyncio.gather(*visits, return_exceptions=True)

    assert len(turnstile) == 0
