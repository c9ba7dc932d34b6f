"""What every route shares on the wire: how a JSON body is read, and that a query may hold only what is known."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final, TypeVar

import orjson
from fastapi import Depends, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from arbiter.orchestrator.scopes import Scope
from arbiter.orchestrator.vocabulary import Identifier
from arbiter.serving.tokens import Tokens

__all__ = [
    "AgentId",
    "Asker",
    "JsonRoute",
    "NoQuery",
    "TaskId",
    "is_json",
    "json_body",
    "needs",
    "raw_body",
    "understood",
]

_SCHEME: Final = "bearer"

AgentId = Annotated[Identifier, Path(description="The agent's id.", examples=["reviewer-1"])]
"""An agent's id in a path."""

TaskId = Annotated[Identifier, Path(description="The task's id.", examples=["task-1"])]
"""A task's id in a path."""


class _Nothing(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


NoQuery = Annotated[_Nothing, Query()]
"""The query of an operation that takes none: any parameter is refused by name."""


def needs(scope: Scope, **more: Any) -> dict[str, Any]:
    """The `openapi_extra` of an operation that takes a token with this scope; what it says, `JsonRoute` enforces."""
    return {"security": [{_SCHEME: [scope]}], **more}


class JsonRoute(APIRoute):
    """A route that lets in who has the scope, and reads JSON as RFC 8259 has it: no NaN, no lone surrogates, at most 1024
    levels deep. Nothing of the body is read before the caller is known.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of FastAPI, given a request that parses with orjson."""
        handle, scope = super().get_route_handler(), self._scope()

        async def handle_strictly(request: Request) -> Response:
            """What Starlette calls."""
            tokens: Tokens | None = getattr(request.app.state, "tokens", None)
            if scope and tokens is not None:
                refusal = tokens.refusal(request.headers.get("authorization", ""), scope)
                if refusal is not None:
                    return refusal
            return await handle(_StrictRequest(request.scope, request.receive))

        return handle_strictly

    def _scope(self) -> str:
        needed = (self.openapi_extra or {}).get("security", [])
        return str(needed[0][_SCHEME][0]) if needed else ""


def _asker(request: Request) -> str:
    tokens: Tokens | None = getattr(request.app.state, "tokens", None)
    caller = None if tokens is None else tokens.caller(request.headers.get("authorization", ""))
    return "" if caller is None else caller.name


Asker = Annotated[str, Depends(_asker)]
"""Whose token it was, by its name in the settings; empty where none is known."""


async def raw_body(request: Request) -> bytes:
    """The body as it came.

    Raises:
        HTTPException: 400, the body could not be read to its end.
    """
    try:
        return await request.body()
    except Exception as error:
        raise HTTPException(400, "The body could not be read to its end.") from error


M = TypeVar("M", bound=BaseModel)


def understood(model: type[M], document: bytes) -> M:
    """A body as its model; what FastAPI does with one that is small.

    Raises:
        RequestValidationError: it is no JSON, or does not fit.
    """
    try:
        return model.model_validate(orjson.loads(document))
    except orjson.JSONDecodeError as error:
        place = {"type": "json_invalid", "loc": ("body", error.pos), "msg": "no JSON"}
        raise RequestValidationError([{**place, "ctx": {"error": error.msg}}]) from error
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors(include_context=False)]
        raise RequestValidationError(faults) from error


async def json_body(request: Request) -> bytes:
    """The body as it came, which must be declared as JSON.

    Raises:
        RequestValidationError: it is not.
        HTTPException: 400, the body could not be read to its end.
    """
    document = await raw_body(request)
    if not is_json(request):
        raise RequestValidationError(
            [{"type": "not_json", "loc": ("body",), "msg": "no JSON"}], body=document
        )
    return document


def is_json(request: Request) -> bool:
    """Whether the body is declared as JSON."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


class _StrictRequest(Request):
    async def json(self) -> Any:
        return orjson.loads(await self.body())
