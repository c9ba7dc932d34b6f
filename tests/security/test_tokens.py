"""Who may use the orchestrator's API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from arbiter.orchestrator.agents.models import AgentDraft
from arbiter.orchestrator.client import ApiProblem, ArbiterClient
from arbiter.orchestrator.scopes import SCOPES
from arbiter.orchestrator.vocabulary import Capabilities
from arbiter.settings.problems import SettingsInvalid
from arbiter.settings.sources import Sources
from arbiter.testing.application import application
from config import Settings, load
from containers.application import Application
from tests.orchestrator.kit import agent

ALL = {f"server.tokens.{scope.replace(':', '-')}.token": f"t-{scope}" for scope in SCOPES}
TOKENS: dict[str, Any] = {
    **ALL,
    **{f"server.tokens.{scope.replace(':', '-')}.scopes": [scope] for scope in SCOPES},
    "server.tokens.admin.token": "t-admin",
    "server.tokens.admin.scopes": ["*"],
}
OPERATIONS = [
    ("GET", "/v1/agents", "agents:read"),
    ("GET", "/v1/agents/ada", "agents:read"),
    ("GET", "/v1/agents/ada/history", "agents:read"),
    ("GET", "/v1/registry/backup", "agents:read"),
    ("POST", "/v1/agents", "agents:write"),
    ("DELETE", "/v1/agents/ada", "agents:write"),
    ("PUT", "/v1/agents/ada/status", "agents:write"),
    ("PUT", "/v1/agents/ada/capabilities", "agents:write"),
    ("POST", "/v1/agents/ada/heartbeat", "agents:write"),
    ("POST", "/v1/agents/ada/performance", "agents:write"),
    ("POST", "/v1/registry/restore", "agents:write"),
    ("POST", "/v1/performance/events", "agents:write"),
    ("POST", "/v1/tasks/route", "tasks"),
    ("POST", "/v1/tasks/t1/outcome", "tasks"),
    ("GET", "/v1/tasks/t1/decision", "tasks"),
    ("POST", "/v1/specs/validate", "specs"),
    ("GET", "/v1/performance/summary", "performance"),
    ("GET", "/v1/performance/agents/ada", "performance"),
    ("GET", "/v1/performance/agents/ada/profile", "performance"),
    ("GET", "/v1/performance/anomalies", "performance"),
    ("GET", "/v1/performance/integrity", "performance"),
    ("GET", "/v1/performance/training-batches", "performance"),
]


@asynccontextmanager
async def api(folder: Path, **settings: Any) -> AsyncIterator[httpx2.ASGITransport]:
    """The whole application's main port, in the test's process."""
    given = {"storage.url": f"sqlite:///{folder / 'arbiter.db'}", **settings}
    async with application(Application, settings=given, directory=folder) as running:
        yield httpx2.ASGITransport(app=running.asgi())


def bearer(token: str) -> dict[str, str]:
    """The header that presents it."""
    return {"Authorization": f"Bearer {token}"}


async def test_every_operation_asks_for_its_scope(tmp_path: Path) -> None:
    """Without a token 401, with another scope's 403, with its own or `*` neither; each says so in WWW-Authenticate."""
    async with (
        api(tmp_path, **TOKENS) as transport,
        httpx2.AsyncClient(transport=transport, base_url="http://here") as http,
    ):
        for method, path, scope in OPERATIONS:
            none = await http.request(method, path)
            unknown = await http.request(method, path, headers=bearer("t-nobody"))
            others = [
                await http.request(method, path, headers=bearer(f"t-{other}"))
                for other in SCOPES
                if other != scope
            ]
            own = [await http.request(method, path, headers=bearer(f"t-{name}")) for name in (scope, "admin")]

            where = f"{method} {path}"
            assert (none.status_code, unknown.status_code) == (401, 401), where
            assert none.headers["www-authenticate"] == 'Bearer realm="arbiter"'
            assert 'error="invalid_token"' in unknown.headers["www-authenticate"]
            assert {answer.status_code for answer in others} == {403}, where
            assert f'scope="{scope}"' in others[0].headers["www-authenticate"]
            assert {answer.status_code for answer in own}.isdisjoint({401, 403, 500}), where
            assert none.headers["content-type"] == "application/problem+json"


async def test_the_document_names_the_scope_of_each_operation(tmp_path: Path) -> None:
    """The OpenAPI document declares the scheme, each operation's scope, 401 and 403; what it names is what is asked."""
    async with (
        api(tmp_path, **TOKENS) as transport,
        httpx2.AsyncClient(transport=transport, base_url="http://here") as http,
    ):
        document = (await http.get("/openapi.json")).json()

    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    described = {
        (method.upper(), path): operation["security"]
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert sorted(described.values(), key=str) == sorted(
        ([{"bearer": [scope]}] for _, _, scope in OPERATIONS), key=str
    )
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert {"401", "403", "429", "431"} <= set(operation["responses"]), path


async def test_nothing_of_a_body_is_read_before_the_caller_is_known(tmp_path: Path) -> None:
    """A stranger's malformed body is answered with 401, not with what is wrong with it."""
    async with (
        api(tmp_path, **TOKENS) as transport,
        httpx2.AsyncClient(transport=transport, base_url="http://here") as http,
    ):
        answer = await http.post("/v1/agents", content=b"{", headers={"Content-Type": "application/json"})

    assert answer.status_code == 401


async def test_the_open_parts_stay_open(tmp_path: Path) -> None:
    """Probes, the document and its page need no token; an unknown path is 404 for everybody."""
    async with (
        api(tmp_path, **TOKENS) as transport,
        httpx2.AsyncClient(transport=transport, base_url="http://here") as http,
    ):
        found = {
            path: (await http.get(path)).status_code for path in ("/livez", "/openapi.json", "/docs", "/no")
        }

    assert found == {"/livez": 200, "/openapi.json": 200, "/docs": 200, "/no": 404}


async def test_without_tokens_everybody_is_let_in(tmp_path: Path) -> None:
    """In development, where none are set, no operation asks; a token that is sent all the same is passed over."""
    async with (
        api(tmp_path) as transport,
        httpx2.AsyncClient(transport=transport, base_url="http://here") as http,
    ):
        answers = [await http.get("/v1/agents"), await http.get("/v1/agents", headers=bearer("x"))]

    assert [answer.status_code for answer in answers] == [200, 200]


async def test_the_client_presents_its_token(tmp_path: Path) -> None:
    """`ArbiterClient(token=...)` is let in, and without one is told why not."""
    draft = AgentDraft.model_validate(agent("ada"))
    async with (
        api(tmp_path, **TOKENS) as transport,
        ArbiterClient("http://here", token="t-agents:write", transport=transport) as client,
    ):
        registered = await client.register_agent(draft)
        with pytest.raises(ApiProblem) as refused:
            await client.get_agent("ada")

    assert registered.id == "ada"
    assert refused.value.code == "insufficient-scope"
    assert "agents:read" in str(refused.value)


async def test_a_version_of_capabilities_says_whose_token_it_was(tmp_path: Path) -> None:
    """Who registered an agent, and who changed what it can do, stands in its history by the token's name."""
    async with (
        api(tmp_path, **TOKENS) as transport,
        ArbiterClient("http://here", token="t-agents:write", transport=transport) as writer,
        ArbiterClient("http://here", token="t-admin", transport=transport) as admin,
    ):
        await writer.register_agent(AgentDraft.model_validate(agent("ada")))
        await admin.set_capabilities("ada", Capabilities(task_types=("testing",)))
        history = await admin.history("ada")

    assert [one.changed_by for one in history.capabilities] == ["agents-write", "admin"]


def test_production_is_refused_without_a_token(tmp_path: Path) -> None:
    """The settings of production are no settings without a token, and say how to set one; elsewhere they are."""
    with pytest.raises(SettingsInvalid) as refused:
        load(Sources(tmp_path, "production"))
    empty = {"server.tokens.ci.scopes": '["*"]'}
    with pytest.raises(SettingsInvalid):
        load(Sources(tmp_path, "production", overrides=empty))
    given = load(Sources(tmp_path, "production", overrides={**empty, "server.tokens.ci.token": "x"}))

    assert "ARBITER_SERVER__TOKENS__ADMIN__TOKEN" in str(refused.value)
    assert isinstance(given.settings, Settings)
    assert load(Sources(tmp_path, "staging")).settings.server.tokens == {}


def test_a_scope_that_nothing_asks_for_is_warned_of(tmp_path: Path) -> None:
    """A misspelt scope, and an open API on a public address, are warnings of `arbiter check`."""
    overrides = {
        "server.tokens.ci.token": "x", "server.tokens.ci.scopes": '["agent:read"]', "server.host": "10.0.0.1",
    }  # fmt: skip

    misspelt = load(Sources(tmp_path, overrides=overrides)).warnings
    opened = load(Sources(tmp_path, overrides={"server.host": "10.0.0.1"})).warnings

    assert any("agent:read" in warning for warning in misspelt)
    assert any("server.tokens is empty" in warning for warning in opened)


async def test_a_token_is_taken_away_by_a_reload(tmp_path: Path) -> None:
    """Tokens are live: the request after the reload is refused."""
    file = tmp_path / "settings.toml"
    file.write_text('[default.server.tokens.ci]\ntoken = "old"\nscopes = ["*"]\n')
    given = {"storage.url": f"sqlite:///{tmp_path / 'arbiter.db'}"}
    async with application(Application, settings=given, directory=tmp_path) as running:
        transport = httpx2.ASGITransport(app=running.asgi())
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://here", headers=bearer("old")
        ) as http:
            before = await http.get("/v1/agents")
            file.write_text('[default.server.tokens.ci]\ntoken = "new"\nscopes = ["*"]\n')
            running.settings.source().reload()
            after = await http.get("/v1/agents")

    assert (before.status_code, after.status_code) == (200, 401)
