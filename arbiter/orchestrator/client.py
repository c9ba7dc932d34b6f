"""A small typed client of the orchestrator's API, for the command line, the demo, tests, and other people's programs.

async with ArbiterClient("http://localhost:3000") as arbiter:
    decision = await arbiter.route(Task(task_type="code-review", languages=("Python",)))
    await arbiter.report_outcome(decision.task_id, Outcome(success=True, quality_score=0.9, latency_ms=1200))
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote

import httpx2
import orjson
from pydantic import BaseModel, TypeAdapter, ValidationError

from arbiter.errors import ArbiterError
from arbiter.observability.outgoing import outgoing
from arbiter.orchestrator.address import DEFAULT_URL
from arbiter.orchestrator.agents.models import (
    Agent,
    AgentDraft,
    AgentHistory,
    AgentMatch,
    AgentQuery,
    AgentStatus,
    Backup,
    QueryPage,
)
from arbiter.orchestrator.api.models import AgentSearch, Pulse, Restored, StatusChange
from arbiter.orchestrator.caws.models import Judgement
from arbiter.orchestrator.performance.models import (
    AgentPerformance,
    AgentSummary,
    Anomalies,
    ChainReport,
    Summary,
    TrainingBatch,
)
from arbiter.orchestrator.routing.models import Decision, Explanation, Outcome, OutcomeReceipt, Task
from arbiter.orchestrator.vocabulary import Capabilities, PerformanceReport

__all__ = ["DEFAULT_URL", "AnswerNotUnderstood", "ApiProblem", "ArbiterClient", "ServiceUnreachable"]

M = TypeVar("M")


class ApiProblem(ArbiterError):
    """The service refused, and said why in a problem document (RFC 9457).

    Attributes:
        status: the HTTP status.
        type: the problem's type, `urn:arbiter:problem:...`; `code` is its last part.
        errors: the faults of the input, as pairs of field and message.
        trace_id: finds the request in the service's traces and logs; empty where tracing is off.
        retry_after_s: seconds until it may go better, or None.
    """

    def __init__(self, status: int, body: Mapping[str, Any], *, retry_after_s: float | None = None) -> None:
        super().__init__(str(body.get("detail", "")), hint=str(body.get("hint", "")))
        self.status, self.type = status, str(body.get("type", "about:blank"))
        self.errors = tuple(
            (str(e.get("field", "")), str(e.get("message", ""))) for e in body.get("errors", ())
        )
        self.trace_id = str(body.get("trace_id", ""))
        self.retry_after_s = retry_after_s

    @property
    def code(self) -> str:
        """What went wrong, for programs: `agent-exists`."""
        return self.type.rpartition(":")[2]

    @property
    def message(self) -> str:
        """What the service said, every fault of the input, and the trace to look for."""
        faults = "".join(f"\n  {field}: {message}" for field, message in self.errors[1:])
        trace = f" (trace {self.trace_id})" if self.trace_id else ""
        return f"{super().message or self.code} [{self.status} {self.code}]{trace}{faults}"


class ServiceUnreachable(ArbiterError, ConnectionError):
    """Nobody answered at the address, or not in time."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"The ARBITER service at {url} cannot be reached: {reason}.",
            hint="Is the service running? Start it with: make run. Another address: --url or ARBITER_URL.",
        )
        self.url, self.reason = url, reason


class AnswerNotUnderstood(ArbiterError):
    """Something answered, but not as this client's version of ARBITER does."""

    def __init__(self, url: str, status: int, reason: str) -> None:
        super().__init__(
            f"The answer of {url} (status {status}) is not understood: {reason}.",
            hint="Is it the address of an ARBITER service, of the version that this client was made for?",
        )
        self.url, self.status, self.reason = url, status, reason


class ArbiterClient:
    """One method per operation of the API; each answers with the components' own models.

    A request that is sent within a span belongs to its trace, in the service as well.

    Args:
        base_url: where the service is; a path prefix is kept.
        token: one of the service's `server.tokens`, where it asks for one.
        transport: another way to the service, such as `httpx2.ASGITransport(app)` in tests.
        timeout_s: seconds that any one request may take.

    Raises:
        ApiProblem: the service refused.
        ServiceUnreachable: nobody answered.
        AnswerNotUnderstood: what answered is not this API.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        *,
        token: str = "",
        transport: httpx2.AsyncBaseTransport | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        self._connection = _Connection(base_url, token, transport, timeout_s)

    async def __aenter__(self) -> ArbiterClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let go of the connections."""
        await self._connection.http.aclose()

    async def register_agent(self, draft: AgentDraft) -> Agent:
        """Register an agent; a taken id is an `ApiProblem` with the code `agent-exists`."""
        return await self._connection.ask("POST", "/v1/agents", Agent, draft)

    async def find_agents(self, query: AgentQuery | None = None) -> QueryPage:
        """One page of agents that fit, the best first."""
        search = AgentSearch() if query is None else AgentSearch.of(query)
        given = search.model_dump(mode="json", exclude_defaults=True)
        return await self._connection.ask("GET", "/v1/agents", QueryPage, **given)

    async def all_agents(self, query: AgentQuery | None = None) -> list[AgentMatch]:
        """Every agent that fits, page after page."""
        query, found = query or AgentQuery(), list[AgentMatch]()
        while True:
            page = await self.find_agents(query)
            found += page.agents
            if page.next is None:
                return found
            query = query.model_copy(update={"cursor": page.next})

    async def get_agent(self, agent_id: str) -> Agent:
        """One agent."""
        return await self._connection.ask("GET", _agent(agent_id), Agent)

    async def unregister_agent(self, agent_id: str) -> None:
        """Remove an agent."""
        await self._connection.send("DELETE", _agent(agent_id))

    async def report_performance(self, agent_id: str, report: PerformanceReport) -> Agent:
        """Count one task's performance into an agent's averages, outside of routing."""
        return await self._connection.ask("POST", f"{_agent(agent_id)}/performance", Agent, report)

    async def set_status(self, agent_id: str, status: AgentStatus) -> Agent:
        """Say what an agent may be asked for."""
        return await self._connection.ask(
            "PUT", f"{_agent(agent_id)}/status", Agent, StatusChange(status=status)
        )

    async def set_capabilities(self, agent_id: str, capabilities: Capabilities) -> Agent:
        """Replace an agent's capabilities."""
        return await self._connection.ask("PUT", f"{_agent(agent_id)}/capabilities", Agent, capabilities)

    async def heartbeat(self, agent_id: str, queued_tasks: int | None = None) -> Agent:
        """Give an agent's sign of life."""
        return await self._connection.ask(
            "POST", f"{_agent(agent_id)}/heartbeat", Agent, Pulse(queued_tasks=queued_tasks)
        )

    async def history(self, agent_id: str) -> AgentHistory:
        """What is kept of an agent's past."""
        return await self._connection.ask("GET", f"{_agent(agent_id)}/history", AgentHistory)

    async def route(self, task: Task) -> Decision:
        """Choose an agent for a task."""
        return await self._connection.ask("POST", "/v1/tasks/route", Decision, task)

    async def report_outcome(self, task_id: str, outcome: Outcome) -> OutcomeReceipt:
        """Say how a routed task went."""
        path = f"/v1/tasks/{quote(task_id, safe='')}/outcome"
        return await self._connection.ask("POST", path, OutcomeReceipt, outcome)

    async def explain(self, decision_or_task_id: str) -> Explanation:
        """Why a task went where it went, by its id or the decision's."""
        path = f"/v1/tasks/{quote(decision_or_task_id, safe='')}/decision"
        return await self._connection.ask("GET", path, Explanation)

    async def validate_spec(self, document: str | bytes, ruleset: str | None = None) -> Judgement:
        """Judge a working spec, YAML or JSON."""
        body = document.encode() if isinstance(document, str) else document
        return await self._connection.ask("POST", "/v1/specs/validate", Judgement, body, ruleset=ruleset)

    async def agent_summary(self, agent_id: str) -> AgentSummary:
        """What one agent's events add up to."""
        return await self._connection.ask(
            "GET", f"/v1/performance/agents/{quote(agent_id, safe='')}", AgentSummary
        )

    async def summary(self) -> Summary:
        """What all events add up to."""
        return await self._connection.ask("GET", "/v1/performance/summary", Summary)

    async def agent_performance(self, agent_id: str) -> AgentPerformance:
        """How one agent does now, next to how it usually does."""
        path = f"/v1/performance/agents/{quote(agent_id, safe='')}/profile"
        return await self._connection.ask("GET", path, AgentPerformance)

    async def anomalies(self) -> Anomalies:
        """Everything that is out of the ordinary now."""
        return await self._connection.ask("GET", "/v1/performance/anomalies", Anomalies)

    async def verify_integrity(self, *, limit: int = 10_000, cursor: str = "") -> ChainReport:
        """Whether the next portion of the stored events is as it was written; `next` leads to the one after it."""
        return await self._connection.ask(
            "GET", "/v1/performance/integrity", ChainReport, limit=limit, cursor=cursor
        )

    async def training_batch(self, *, limit: int = 100, cursor: str = "") -> TrainingBatch:
        """One batch of anonymised training samples."""
        return await self._connection.ask(
            "GET", "/v1/performance/training-batches", TrainingBatch, limit=limit, cursor=cursor
        )

    async def backup(self) -> Backup:
        """The whole registry."""
        return await self._connection.ask("GET", "/v1/registry/backup", Backup)

    async def restore(self, backup: Backup) -> Restored:
        """Replace the whole registry."""
        return await self._connection.ask("POST", "/v1/registry/restore", Restored, backup)


class _Connection:
    """Sends one request and takes its answer apart."""

    def __init__(
        self, base_url: str, token: str, transport: httpx2.AsyncBaseTransport | None, timeout_s: float
    ) -> None:
        self.url = base_url.rstrip("/")
        self._readers: dict[type, TypeAdapter[Any]] = {}
        self.http = httpx2.AsyncClient(
            base_url=self.url,
            transport=transport,
            timeout=timeout_s,
            headers={"Authorization": f"Bearer {token}"} if token else None,
            # A proxy of the environment cannot know this machine's own loopback.
            trust_env=not _is_loopback(self.url),
        )

    async def ask(
        self, method: str, path: str, answer: type[M], body: BaseModel | bytes | None = None, **query: Any
    ) -> M:
        response = await self.send(method, path, body, **query)
        try:
            understood: M = self._reader(answer).validate_json(response.content)
        except ValidationError as error:
            raise AnswerNotUnderstood(str(response.url), response.status_code, str(error)) from error
        return understood

    def _reader(self, answer: type) -> TypeAdapter[Any]:
        """What reads answers of that kind, model or dataclass; kept, since making it takes longer than reading."""
        if answer not in self._readers:
            self._readers[answer] = TypeAdapter(answer)
        return self._readers[answer]

    async def send(
        self, method: str, path: str, body: BaseModel | bytes | None = None, **query: Any
    ) -> httpx2.Response:
        content, kind = _encoded(body)
        given = {name: value for name, value in query.items() if value is not None}
        try:
            request = self.http.build_request(method, path, content=content, headers=kind, params=given)
            with outgoing(method, str(request.url)) as call:
                request.headers.update(call.headers)
                response = await self.http.send(request)
                call.answered(response.status_code)
        except httpx2.InvalidURL as error:
            raise ServiceUnreachable(self.url, f"it is no URL ({error})") from error
        except httpx2.TimeoutException as error:
            raise ServiceUnreachable(self.url, "it did not answer in time") from error
        except httpx2.TransportError as error:
            raise ServiceUnreachable(self.url, str(error) or type(error).__name__) from error
        if response.is_success:
            return response
        raise _refusal(response)


def _encoded(body: BaseModel | bytes | None) -> tuple[bytes | None, dict[str, str]]:
    match body:
        case None:
            return None, {}
        case bytes():
            return body, {"Content-Type": "application/yaml"}
        case _:
            return body.model_dump_json(exclude_none=True).encode(), {"Content-Type": "application/json"}


def _refusal(response: httpx2.Response) -> ArbiterError:
    try:
        body = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict) or "type" not in body:
        return AnswerNotUnderstood(str(response.url), response.status_code, "it is no problem document")
    after = response.headers.get("retry-after", "")
    return ApiProblem(response.status_code, body, retry_after_s=float(after) if after.isdigit() else None)


def _is_loopback(url: str) -> bool:
    try:
        host = httpx2.URL(url).host
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except (ValueError, httpx2.InvalidURL):
        return False


def _agent(agent_id: str) -> str:
    return f"/v1/agents/{quote(agent_id, safe='')}"
