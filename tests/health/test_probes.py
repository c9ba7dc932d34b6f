"""The probes' answers, asked over ASGI from wherever a test says."""

from __future__ import annotations

import hmac

import httpx2
import pytest
from pydantic import SecretStr
from starlette.types import Receive, Scope, Send

from arbiter.health.liveness import Heartbeat
from arbiter.health.settings import HealthSettings
from arbiter.management.probes import ProbeLayer, Probes, presents_token
from arbiter.protocols import CheckResult, Status
from tests.health.kit import FAIL, PASS, WARN, House, Scripted, a_house, settle

ELSEWHERE = "203.0.113.9"
TOKEN = "right-token"
DSN = "postgres://app:hunter2@db.internal/shop"


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """What is behind the probes."""
    raise AssertionError("no probe may get here")


@pytest.fixture
async def house() -> House:
    """A started application: one check passes, one warns, one of no weight fails with a password in its words."""
    house = a_house()
    house.registry.register("database", Scripted(PASS), groups=["storage"])
    house.registry.register("cache", Scripted(WARN))
    failing = Scripted(ConnectionError(f"cannot reach {DSN}"))
    house.registry.register("search", failing, critical=False, groups=["storage"])
    house.registry.mark_started()
    await house.registry.refresh()
    return house


def client(house: House, host: str = "127.0.0.1", token: str = TOKEN) -> httpx2.AsyncClient:
    """Somebody who asks from this address."""
    layer = ProbeLayer(nothing, Probes(house.registry, Heartbeat(house.clock), SecretStr(token)))
    transport = httpx2.ASGITransport(app=layer, client=(host, 5000))
    return httpx2.AsyncClient(transport=transport, base_url="http://localhost")


async def test_h11_json_is_the_default(house: House) -> None:
    """The answer is `application/health+json` with status, checks and time, not to be stored."""
    async with client(house) as asking:
        answer = await asking.get("/healthz")

    body = answer.json()
    (database,) = body["checks"]["database:responseTime"]
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/health+json"
    assert answer.headers["cache-control"] == "no-store"
    assert (body["status"], body["serviceId"], body["version"]) == ("warn", "shop", "1.0")
    assert body["time"].endswith("Z")
    assert {"status": "pass", "observedUnit": "ms", "critical": True}.items() <= database.items()


async def test_h11_verbose_is_text_for_people(house: House) -> None:
    """`?verbose` lists each check with a mark, why it is not well, and the verdict."""
    async with client(house) as asking:
        answer = await asking.get("/readyz?verbose")

    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text.splitlines() == [
        "[+]database ok",
        "[!]cache warn: told",
        "[-]search fail (not critical): ConnectionError: cannot reach postgres://app:******@db.internal/shop",
        "readiness check passed",
    ]


async def test_h11_verbose_names_the_closed_gates(house: House) -> None:
    """A gate that keeps readiness from passing has a line of its own."""
    house.registry.set_maintenance(True)
    async with client(house) as asking:
        answer = await asking.get("/readyz?verbose")

    assert answer.status_code == 503
    assert answer.text.splitlines()[-2:] == ["[-]maintenance", "readiness check failed"]


async def test_h11_every_probe_answers_every_way_and_never_500(house: House) -> None:
    """GET and HEAD of every path in every form are 200, 503 or 404, an unknown group is a problem document."""
    house.registry.register("odd", Scripted(CheckResult(Status.FAIL, "\ud800 \x00 ünï \n second")))
    await house.registry.refresh()
    paths = (
        "/livez",
        "/readyz",
        "/startupz",
        "/healthz",
        "/health/storage",
        "/health/odd",
        "/health/",
        "/health/no/no",
    )
    async with client(house) as asking:
        answers = [
            await asking.request(method, f"{path}{query}", headers={"Accept": accept})
            for path in paths
            for method in ("GET", "HEAD")
            for query in ("", "?verbose", "?exclude=odd,cache&exclude=nobody", "?verbose=%00", "?refresh")
            for accept in ("*/*", "text/plain")
        ]
        unknown = await asking.get("/health/stroage")
        posted = await asking.post("/readyz")

    assert {answer.status_code for answer in answers} == {200, 404, 503}
    assert {answer.headers["cache-control"] for answer in answers} == {"no-store"}
    assert unknown.headers["content-type"] == "application/problem+json"
    assert "storage" in unknown.json()["hint"]
    assert (posted.status_code, posted.headers["allow"]) == (405, "GET, HEAD")


async def test_h11_parts_of_the_whole_can_be_asked_for(house: House) -> None:
    """A group, one check of a group, and the whole without a check are answered by their own status."""
    house.registry.register("broken", Scripted(FAIL), groups=["storage"])
    await house.registry.refresh()
    async with client(house) as asking:
        codes = {
            path: (await asking.get(path)).status_code
            for path in ("/readyz", "/readyz?exclude=broken", "/health/storage", "/health/storage/database", "/health/broken", "/livez")
        }  # fmt: skip

    assert codes == {
        "/readyz": 503, "/readyz?exclude=broken": 200, "/health/storage": 503, "/health/storage/database": 200,
        "/health/broken": 503, "/livez": 200,
    }  # fmt: skip


async def test_h12_a_stranger_learns_the_status_only(house: House) -> None:
    """From another machine without a token there is the status and nothing else, in every form."""
    async with client(house, ELSEWHERE) as asking:
        health, verbose = await asking.get("/healthz"), await asking.get("/healthz?verbose")
        unknown = await asking.get("/health/nobody")

    assert health.json() == {"status": "warn"}
    assert verbose.text == "health check passed\n"
    assert "database" not in unknown.text


async def test_h12_the_token_shows_everything_and_a_wrong_one_is_401(house: House) -> None:
    """The token shows details from anywhere; a wrong one is refused from anywhere; passwords are masked for everybody."""
    right, wrong = {"Authorization": f"Bearer {TOKEN}"}, {"Authorization": "Bearer wrong"}
    async with client(house, ELSEWHERE) as stranger, client(house) as neighbour:
        shown = await stranger.get("/healthz", headers=right)
        codes = {
            (await asking.get(path, headers=wrong)).status_code
            for asking in (stranger, neighbour)
            for path in ("/healthz", "/livez", "/health/nobody")
        }
        refused = await stranger.get("/healthz", headers=wrong)

    assert set(shown.json()["checks"]) == {f"{name}:responseTime" for name in ("database", "cache", "search")}
    assert "hunter2" not in shown.text
    assert codes == {401}
    assert refused.headers["www-authenticate"] == "Bearer"
    assert refused.headers["content-type"] == "application/problem+json"


async def test_h12_without_a_token_in_the_settings_none_is_wrong(house: House) -> None:
    """Where no token is set, whatever a client sends shows no more than nothing would."""
    async with client(house, ELSEWHERE, token="") as asking:
        answer = await asking.get("/healthz", headers={"Authorization": "Bearer "})

    assert answer.json() == {"status": "warn"}


def test_h12_the_token_is_compared_in_constant_time() -> None:
    """The comparison is the library's, whose time does not tell how much of a guess was right."""
    assert "compare_digest" in presents_token.__code__.co_names
    assert presents_token.__globals__["hmac"] is hmac


async def test_a_stranger_cannot_make_the_checks_run(house: House) -> None:
    """`?refresh` is for those who may see details; it runs what is older than a second, and nothing else does."""
    database = Scripted()
    house.registry.register("counted", database)
    house.settings.current = HealthSettings(interval_s=3600)
    await house.registry.start()
    await settle()
    async with client(house, ELSEWHERE) as stranger, client(house) as neighbour:
        house.clock.advance(0.5)
        refused = await stranger.get("/readyz?refresh")
        await neighbour.get("/readyz?refresh")
        before = database.runs
        house.clock.advance(0.6)
        answer = await neighbour.get("/readyz?refresh")
        await neighbour.get("/readyz")
    await house.registry.stop()

    assert refused.status_code == 401
    assert (before, database.runs, answer.status_code) == (1, 2, 200)
