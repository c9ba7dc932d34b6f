"""How many requests a caller may send."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from arbiter.section import Reload
from arbiter.serving.rates import RateLimit
from arbiter.serving.settings import ApiToken, ServerSettings
from arbiter.serving.tokens import Tokens
from arbiter.settings.framework import FrameworkSettings
from arbiter.settings.shape import Shape
from arbiter.testing.clock import FakeClock
from arbiter.testing.live import Fixed
from tests.security.kit import echo

SETTINGS = ServerSettings(
    rate_per_s=2, rate_burst=3, tokens={"ci": ApiToken.model_validate({"token": "t-1", "scopes": ["tasks"]})}
)


class Limited:
    """The layer over an application that always answers, on a clock in the test's hand."""

    def __init__(self, settings: ServerSettings = SETTINGS, most: int = 10_000) -> None:
        self.last: httpx2.Response
        self.clock = FakeClock()
        live: Any = Fixed(settings)
        self.layer = RateLimit(echo, live, Tokens(live), self.clock, most)

    async def ask(self, times: int, *, address: str = "10.0.0.1", token: str = "") -> list[int]:
        """Send some requests; their statuses."""
        transport = httpx2.ASGITransport(app=self.layer, client=(address, 1))
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with httpx2.AsyncClient(transport=transport, base_url="http://here") as client:
            answers = [await client.get("/", headers=headers) for _ in range(times)]
        self.last = answers[-1]
        return [answer.status_code for answer in answers]


async def test_a_burst_passes_and_the_rest_waits() -> None:
    """Three come at once, the fourth is refused and told when; then two a second come through."""
    limited = Limited()

    at_once = await limited.ask(4)
    told = limited.last
    limited.clock.advance(1)
    later = await limited.ask(3)

    assert at_once == [200, 200, 200, 429]
    assert told.headers["retry-after"] == "1"
    assert told.headers["content-type"] == "application/problem+json"
    assert later == [200, 200, 429]


async def test_an_empty_bucket_is_not_emptied_further() -> None:
    """Who keeps knocking waits no longer than who waits quietly."""
    limited = Limited()

    await limited.ask(50)
    limited.clock.advance(0.5)

    assert await limited.ask(2) == [200, 429]


async def test_a_rest_fills_the_bucket_and_no_more() -> None:
    """After an hour the burst is what it was, not an hour's worth."""
    limited = Limited()

    await limited.ask(3)
    limited.clock.advance(3600)

    assert await limited.ask(4) == [200, 200, 200, 429]


async def test_each_caller_has_a_bucket() -> None:
    """Addresses do not share, nor does a token with its address; a wrong token counts as its address."""
    limited = Limited()

    first = await limited.ask(4)
    other = await limited.ask(1, address="10.0.0.2")
    token = await limited.ask(1, token="t-1")
    wrong = await limited.ask(1, token="t-2")

    assert first[-1] == 429
    assert (other, token, wrong) == ([200], [200], [429])


async def test_a_network_of_ipv6_is_one_caller() -> None:
    """Who owns a /64 has 2^64 addresses, and one bucket."""
    limited = Limited()

    await limited.ask(3, address="2001:db8::1")

    assert await limited.ask(1, address="2001:db8::2") == [429]
    assert await limited.ask(1, address="2001:db8:0:1::1") == [200]


async def test_callers_without_number_take_no_memory() -> None:
    """No more than so many callers are remembered."""
    limited = Limited(most=10)

    for number in range(50):
        await limited.ask(1, address=f"10.0.1.{number}")

    assert len(limited.layer._full_at) == 10


async def test_without_a_rate_there_is_no_limit() -> None:
    """0, the default, lets everything through."""
    limited = Limited(ServerSettings())

    assert set(await limited.ask(300)) == {200}


@pytest.mark.parametrize("key", ["rate_per_s", "rate_burst"])
def test_the_limits_are_live(key: str) -> None:
    """A reload changes the limits of a running service."""
    assert Shape.of(FrameworkSettings).reload_of(("server", key)) is Reload.LIVE
