"""The client's connection to the API: one request after the other, and what can become of it."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, TypeVar

import httpx2
import orjson
from pydantic import BaseModel, TypeAdapter, ValidationError

from arbiter.errors import ArbiterError
from arbiter.observability.outgoing import outgoing

__all__ = ["AnswerNotUnderstood", "ApiProblem", "Connection", "ServiceUnreachable"]

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


class Connection:
    """Sends one request at a time and takes its answer apart.

    Args:
        base_url: where the service is; a path prefix is kept.
        token: sent along where it is not empty.
        transport: another way to the service than the network.
        timeout_s: seconds that any one request may take.
    """

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
        self,
        method: str,
        path: str,
        answer: type[M],
        body: BaseModel | bytes | None = None,
        *,
        timeout_s: float | None = None,
        **query: Any,
    ) -> M:
        """The answer to one request, read as `answer`; raises what `send` does, and AnswerNotUnderstood."""
        response = await self.send(method, path, body, timeout_s=timeout_s, **query)
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
        self,
        method: str,
        path: str,
        body: BaseModel | bytes | None = None,
        *,
        timeout_s: float | None = None,
        **query: Any,
    ) -> httpx2.Response:
        """The answer to one request, as it came; `timeout_s` is its own, in place of the connection's.

        Raises:
            ApiProblem: the service refused.
            ServiceUnreachable: nobody answered.
            AnswerNotUnderstood: what refused is not this API.
        """
        content, kind = _encoded(body)
        given = {name: value for name, value in query.items() if value is not None}
        try:
            limit = self.http.timeout if timeout_s is None else timeout_s
            request = self.http.build_request(
                method, path, content=content, headers=kind, params=given, timeout=limit
            )
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
