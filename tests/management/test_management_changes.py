"""What an operator changes at the management port, and the audit of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest
import structlog

from arbiter.events import CallRejected, OperatorActed
from tests.management.kit import TOKEN, Port, management


async def test_maintenance_fails_readiness_and_keeps_serving(tmp_path: Path) -> None:
    """In maintenance `/readyz` is 503 and says why, liveness and health stay, requests are served; off undoes it."""
    async with management(tmp_path) as port:
        transport = httpx2.ASGITransport(app=port.container.asgi())
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as main:
            before = await port.http.get("/readyz")
            on = await port.http.put("/maintenance", json={"on": True}, headers=TOKEN)
            during = {
                path: await port.http.get(path) for path in ("/readyz", "/livez", "/healthz", "/startupz")
            }
            served = await main.get("/anything")
            await port.http.put("/maintenance", json={"on": False}, headers=TOKEN)
            after = await port.http.get("/readyz")

    assert (before.status_code, on.json(), after.status_code) == (200, {"on": True}, 200)
    assert {path: answer.status_code for path, answer in during.items()} == {
        "/readyz": 503, "/livez": 200, "/healthz": 200, "/startupz": 200,
    }  # fmt: skip
    assert "maintenance" in during["/readyz"].text
    assert served.status_code == 404  # the pillars alone serve nothing, and say so; no 503


async def test_t07_a_level_changes_from_the_next_line_on(tmp_path: Path) -> None:
    """POST /loggers/{name} holds for a logger that was used before, and null takes it back."""
    log = structlog.get_logger("app.db")
    async with management(tmp_path) as port:
        log.debug("too early")
        raised = await port.http.post("/loggers/app.db", json={"level": "DEBUG"}, headers=TOKEN)
        log.debug("just right")
        shown = (await port.http.get("/loggers")).json()["loggers"]["app.db"]
        reset = await port.http.post("/loggers/app.db", json={"level": None}, headers=TOKEN)
        log.debug("too late")

    assert raised.json() == {"name": "app.db", "configured": "debug", "effective": "debug"}
    assert shown == {"configured": "debug", "effective": "debug"}
    assert reset.json() == {"name": "app.db", "configured": None, "effective": "info"}
    assert "just right" in port.log.getvalue()
    assert "too early" not in port.log.getvalue()
    assert "too late" not in port.log.getvalue()


async def test_the_root_level_changes_for_all(tmp_path: Path) -> None:
    """`root` is the level of every logger that has none of its own."""
    async with management(tmp_path) as port:
        await port.http.post("/loggers/root", json={"level": "error"}, headers=TOKEN)
        structlog.get_logger("app").warning("unheard")
        shown = (await port.http.get("/loggers")).json()["loggers"]["root"]

    assert shown == {"configured": "error", "effective": "error"}
    assert "unheard" not in port.log.getvalue()


async def _maintenance(port: Port) -> httpx2.Response:
    return await port.http.put("/maintenance", json={"on": True}, headers=TOKEN)


async def _level(port: Port) -> httpx2.Response:
    return await port.http.post("/loggers/app", json={"level": "debug"}, headers=TOKEN)


async def _refresh(port: Port) -> httpx2.Response:
    return await port.http.post("/refresh", headers=TOKEN)


@pytest.mark.parametrize(
    ("change", "what", "before", "after"),
    [
        (_maintenance, "PUT /maintenance", {"on": False}, {"on": True}),
        (
            _level,
            "POST /loggers/app",
            {"configured": None, "effective": "info"},
            {"configured": "debug", "effective": "debug"},
        ),
        (
            _refresh,
            "POST /refresh",
            {"generation": 1},
            {
                "outcome": "unchanged",
                "generation": 1,
                "changed": [],
                "restart_required": [],
                "dry_run": False,
            },
        ),
    ],
)
async def test_every_change_is_audited(
    tmp_path: Path, change: Any, what: str, before: object, after: object
) -> None:
    """Who, what, before and after stand in `/events` and in the log."""
    async with management(tmp_path) as port:
        answer = await change(port)
        (audited,) = await port.audit()

    assert answer.status_code == 200
    assert audited["who"] == "127.0.0.1:4711 (token)"
    assert (audited["what"], audited["before"], audited["after"]) == (what, before, after)
    assert "operator.acted" in port.log.getvalue()


async def test_a_refused_reload_is_audited_as_rejected(tmp_path: Path) -> None:
    """A reload that the files forbid is answered with 422 and its faults, and audited."""
    async with management(tmp_path) as port:
        (tmp_path / "settings.toml").write_text("[default.health]\ninterval_s = -1\n")
        answer = await port.http.post("/refresh", headers=TOKEN)
        (audited,) = await port.audit()

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "health.interval_s"
    assert audited["outcome"] == "rejected"


@pytest.mark.parametrize(
    ("method", "path", "body", "kind", "status"),
    [
        ("PUT", "/maintenance", b'{"on": 1}', "application/json", 422),
        ("PUT", "/maintenance", b'{"on": true, "off": 1}', "application/json", 422),
        ("PUT", "/maintenance", b"[]", "application/json", 422),
        ("PUT", "/maintenance", b"", "application/json", 422),
        ("PUT", "/maintenance", b"{", "application/json", 400),
        ("PUT", "/maintenance", b'{"on": NaN}', "application/json", 400),
        ("PUT", "/maintenance", b"[" * 5000, "application/json", 400),
        ("PUT", "/maintenance", b'{"on": true}', "application/x-www-form-urlencoded", 415),
        ("PUT", "/maintenance", b"x" * 70_000, "application/json", 413),
        ("POST", "/loggers/app", b'{"level": "loud"}', "application/json", 422),
        ("POST", "/loggers/app", b'{"level": 3}', "application/json", 422),
        ("POST", "/loggers/a%20b", b'{"level": "debug"}', "application/json", 422),
        ("POST", "/refresh", b'{"now": true}', "application/json", 422),
        ("POST", "/refresh", b"now", "text/plain", 415),
        ("DELETE", "/maintenance", b"", "application/json", 405),
        ("POST", "/info", b"", "application/json", 405),
        ("GET", "/nothing", b"", "application/json", 404),
    ],
)
async def test_what_cannot_be_used_is_refused_by_a_problem(
    tmp_path: Path, method: str, path: str, body: bytes, kind: str, status: int
) -> None:
    """Every unusable request is a 4xx problem document, and changes nothing."""
    async with management(tmp_path) as port:
        answer = await port.http.request(method, path, content=body, headers={**TOKEN, "Content-Type": kind})
        audit = await port.audit()

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert audit == []


async def test_a_level_that_there_is_not_is_answered_with_those_that_there_are(tmp_path: Path) -> None:
    """The detail is a sentence that names the field, and every level."""
    async with management(tmp_path) as port:
        answer = await port.http.post("/loggers/app", json={"level": "loud"}, headers=TOKEN)

    assert (
        answer.json()["detail"] == "level is not a log level, one of debug, info, warning, error, critical."
    )


async def test_the_last_two_hundred_events_are_shown(tmp_path: Path) -> None:
    """`/events` keeps the newest 200, without the calls that breakers reject by the thousand."""
    async with management(tmp_path) as port:
        for number in range(210):
            port.container.events().publish(OperatorActed("somebody", "test", number, number + 1))
        for _ in range(1000):
            port.container.events().publish(CallRejected("stock.take", "open"))
        events = (await port.http.get("/events")).json()

    assert [event["before"] for event in events] == list(range(10, 210))
