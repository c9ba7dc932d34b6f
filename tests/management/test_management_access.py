"""Who may read and change what at the management port."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.management.kit import TOKEN, management

ON = {"on": True}


async def test_reading_is_free_from_this_machine_and_needs_the_token_from_elsewhere(tmp_path: Path) -> None:
    """A remote reader without the token, or with a wrong one, gets 401; with it, what a local one gets without."""
    async with management(tmp_path) as port, port.from_address("10.0.0.9") as remote:
        local = await port.http.get("/config")
        bare = await remote.get("/config")
        wrong = await remote.get("/config", headers={"Authorization": "Bearer wrong"})
        right = await remote.get("/config", headers=TOKEN)

    assert [answer.status_code for answer in (local, bare, wrong, right)] == [200, 401, 401, 200]
    assert bare.headers["www-authenticate"] == "Bearer"


async def test_a_name_that_leads_here_is_not_this_machine(tmp_path: Path) -> None:
    """A browser that was led to loopback under a foreign name (DNS rebinding) reads nothing without the token."""
    async with management(tmp_path) as port:
        rebound = await port.http.get("/config", headers={"Host": "evil.example:3001"})
        named = await port.http.get("/config", headers={"Host": "localhost:3001"})
        address = await port.http.get("/config", headers={"Host": "[::1]:3001"})

    assert [answer.status_code for answer in (rebound, named, address)] == [401, 200, 200]


@pytest.mark.parametrize(
    ("environment", "token", "presented", "status"),
    [
        ("production", "right", "Bearer right", 200),
        ("production", "right", "bearer   right", 200),
        ("production", "right", "Bearer wrong", 401),
        ("production", "right", "Basic right", 401),
        ("production", "right", "", 401),
        ("production", "", "Bearer right", 403),
        ("staging", "", "", 403),
        ("development", "", "", 200),
        ("development", "right", "", 401),
    ],
)
async def test_changing_needs_the_token(
    tmp_path: Path, environment: str, token: str, presented: str, status: int
) -> None:
    """A change is carried out for who presents the token; without one in the settings only in development."""
    headers = {"Authorization": presented} if presented else {}
    async with management(tmp_path, environment=environment, token=token) as port:
        answer = await port.http.put("/maintenance", json=ON, headers=headers)
        now = (await port.http.get("/maintenance")).json()

    assert answer.status_code == status
    assert now == {"on": status == 200}


async def test_a_web_page_cannot_change_anything_in_development(tmp_path: Path) -> None:
    """Without a token, what a browser sends for a page is refused, since a page may send an empty POST anywhere."""
    async with management(tmp_path, environment="development", token="") as port:
        answers = [
            await port.http.post("/refresh", headers={"Origin": "http://evil.example"}),
            await port.http.post("/refresh", headers={"Sec-Fetch-Site": "cross-site"}),
            await port.http.put(
                "/maintenance", content=b'{"on":true}', headers={"Content-Type": "text/plain"}
            ),
        ]

    assert [answer.status_code for answer in answers] == [403, 403, 415]


async def test_development_is_open_to_this_machine_only(tmp_path: Path) -> None:
    """Without a token another machine changes nothing, in development neither."""
    async with (
        management(tmp_path, environment="development", token="") as port,
        port.from_address("10.0.0.9") as remote,
    ):
        answer = await remote.put("/maintenance", json=ON)

    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("cap", "own", "reads", "changes"),
    [
        ("unrestricted", "unrestricted", 200, 200),
        ("unrestricted", "read-only", 200, 403),
        ("unrestricted", "none", 404, 404),
        ("read-only", "unrestricted", 200, 403),
        ("none", "unrestricted", 404, 404),
        ("read-only", "none", 404, 404),
    ],
)
async def test_each_endpoint_has_its_level_under_one_cap(
    tmp_path: Path, cap: str, own: str, reads: int, changes: int
) -> None:
    """The stricter of an endpoint's own level and the global one holds, for the token's bearer as well."""
    levels = {"management__access": cap, "management__endpoints__maintenance": own}
    async with management(tmp_path, **levels) as port:
        read = await port.http.get("/maintenance", headers=TOKEN)
        changed = await port.http.put("/maintenance", json=ON, headers=TOKEN)
        probe = await port.http.get("/livez")

    assert (read.status_code, changed.status_code, probe.status_code) == (reads, changes, 200)


async def test_one_endpoint_can_be_hidden(tmp_path: Path) -> None:
    """`none` hides that endpoint and no other."""
    async with management(tmp_path, management__endpoints__config="none") as port:
        found = {
            path: (await port.http.get(path)).status_code
            for path in (
                "/config",
                "/info",
                "/graph",
                "/startup",
                "/loggers",
                "/breakers",
                "/events",
                "/metrics",
            )
        }

    assert found.pop("/config") == 404
    assert set(found.values()) == {200}, found


async def test_a_refused_change_is_logged_and_not_audited(tmp_path: Path) -> None:
    """Who tries without the token leaves a line with address and path; the audit holds only what was carried out."""
    async with management(tmp_path) as port:
        await port.http.put("/maintenance", json=ON)
        audit = await port.audit()

    assert audit == []
    assert "management.refused" in port.log.getvalue()
    assert "PUT /maintenance" in port.log.getvalue()


async def test_the_token_appears_nowhere(tmp_path: Path) -> None:
    """Neither answers nor log lines hold the token or what was presented in its place."""
    async with management(tmp_path, token="s3cr3t-XYZ") as port:
        seen = [
            await port.http.put("/maintenance", json=ON, headers={"Authorization": f"Bearer {word}"})
            for word in ("s3cr3t-XYZ", "gu3ss-ABC")
        ]
        seen += [await port.http.get(path) for path in ("/events", "/config", "/info")]

    told = "".join(answer.text for answer in seen) + port.log.getvalue()
    assert "s3cr3t-XYZ" not in told
    assert "gu3ss-ABC" not in told
