"""The description of the management port (OpenAPI 3.1), in words; `endpoints.py` says which operations there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from arbiter._version import __version__
from arbiter.resilience.registry import ACTIONS

__all__ = [
    "MAINTENANCE",
    "METRICS",
    "PROBES",
    "READINGS",
    "REFRESH",
    "SET_LEVEL",
    "STEER_BREAKER",
    "Words",
    "document",
]

Schema = Mapping[str, Any]

_OBJECT: Final[Schema] = {"type": "object"}
_LIST: Final[Schema] = {"type": "array", "items": _OBJECT}
_TIME: Final[Schema] = {"type": "string", "format": "date-time"}
_LEVEL: Final[Schema] = {
    "type": ["string", "null"],
    "pattern": r"^\s*(?i:debug|info|warning|error|critical)\s*$",
}
_LEVELS: Final[Schema] = {
    "type": "object",
    "required": ["configured", "effective"],
    "properties": {"configured": {"type": ["string", "null"]}, "effective": {"type": "string"}},
}
_GATE: Final[Schema] = {"type": "object", "required": ["on"], "properties": {"on": {"type": "boolean"}}}
_STATUS: Final[Schema] = {
    "type": "object",
    "required": ["status"],
    "properties": {"status": {"enum": ["pass", "warn", "fail"]}},
}
_PROBLEM: Final[Schema] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "hint": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object", "required": ["field", "message"]}},
    },
}
_WORDS: Final[Mapping[int, str]] = {
    400: "The body is not JSON; the position is named.",
    401: "The management token is needed; WWW-Authenticate says how.",
    403: "Changes are not allowed here; the problem's type says why.",
    404: "There is no such thing, or the settings do not show it.",
    409: "It cannot be done from the state that it is in.",
    413: "The body is larger than this port reads.",
    415: "The body is not declared as JSON.",
    422: "The input cannot be accepted; each fault is named.",
}
_REFUSALS: Final = (400, 401, 403, 404, 413, 415, 422)


@dataclass(frozen=True, slots=True)
class Words:
    """How one operation is described.

    Attributes:
        summary: what it is for.
        answer: the schema of a 200.
        media: the media type of a 200.
        refusals: the problems that it may answer with.
        body: the schema of what is sent, where something is.
        parameters: of path and query.
        fails: whether 503 is an answer, too, in the shape of a 200.
        is_open: whether anybody may ask.
    """

    summary: str
    answer: Schema
    media: str = "application/json"
    refusals: tuple[int, ...] = (401, 404)
    body: Schema | None = None
    parameters: tuple[Schema, ...] = field(default=())
    fails: bool = False
    is_open: bool = False


def _probe(summary: str, *parameters: Schema, refusals: tuple[int, ...] = ()) -> Words:
    media = "application/health+json"
    return Words(summary, _STATUS, media, refusals, parameters=parameters, fails=True, is_open=True)


def _in_path(name: str, about: str, pattern: str) -> Schema:
    schema = {"type": "string", "pattern": pattern}
    return {"name": name, "in": "path", "required": True, "description": about, "schema": schema}


PROBES: Final[Mapping[str, Words]] = {
    "/livez": _probe("Is the process alive? Looks only inside; a failure asks for a restart."),
    "/readyz": _probe("May work be sent here?"),
    "/startupz": _probe("Has it started? Passes for good once it has."),
    "/healthz": _probe("How are all checks?"),
    "/health/{group:path}": _probe(
        "How are the checks of one group, or one check?",
        _in_path("group", "A group's or a check's name.", "^.+$"),
        refusals=(404,),
    ),
}
METRICS: Final = Words("Everything that is counted, for Prometheus.", {"type": "string"}, "text/plain")
READINGS: Final[Mapping[str, Words]] = {
    "info": Words("Name, version, process, environment, settings' generation, telemetry delivery.", _OBJECT),
    "config": Words("The settings in force, secrets masked, each with its source.", _OBJECT),
    "breakers": Words("Every circuit breaker with its state.", _LIST),
    "events": Words(
        "What happened lately, the oldest first; `OperatorActed` is a change made by hand.",
        {
            "type": "array",
            "maxItems": 200,
            "items": {
                "type": "object",
                "required": ["time", "event"],
                "properties": {"time": _TIME, "event": {"type": "string"}},
            },
        },
    ),
    "maintenance": Words("Whether readiness fails because an operator wants it to.", _GATE),
    "graph": Words("The components with what they need.", _OBJECT),
    "startup": Words("The last start with the time of each component.", _OBJECT),
    "loggers": Words(
        "The level of every logger that has written or has one.",
        {
            "type": "object",
            "required": ["loggers"],
            "properties": {"loggers": {"type": "object", "additionalProperties": _LEVELS}},
        },
    ),
    "tasks": Words("The background tasks.", {"type": ["object", "array"]}),
    "openapi": Words("This document.", _OBJECT),
}
REFRESH: Final = Words(
    "Read the settings anew; 422 lists everything that is wrong with them, and those in force stay.",
    {
        "type": "object",
        "required": ["outcome", "generation", "changed", "restart_required", "dry_run"],
        "properties": {
            "outcome": {"enum": ["applied", "unchanged"]},
            "generation": {"type": "integer"},
            "changed": {"type": "array", "items": {"type": "string"}},
            "restart_required": {"type": "array", "items": {"type": "string"}},
            "dry_run": {"type": "boolean"},
        },
    },
    refusals=_REFUSALS,
    parameters=(
        {
            "name": "dry_run",
            "in": "query",
            "description": "Only say what it would do.",
            "schema": {"enum": ["1", "0", "true", "false"]},
        },
    ),
)
MAINTENANCE: Final = Words(
    "Let readiness fail, or pass again; what is sent here all the same is served.",
    _GATE,
    refusals=_REFUSALS,
    body={**_GATE, "additionalProperties": False},
)
STEER_BREAKER: Final = Words(
    "Open, close, reset or disable a circuit breaker, or let it only observe; how it stands then.",
    {**_OBJECT, "required": ["name", "state"]},
    refusals=(*_REFUSALS, 409),
    body={
        "type": "object",
        "required": ["action"],
        "properties": {"action": {"enum": list(ACTIONS)}},
        "additionalProperties": False,
    },
    parameters=(_in_path("name", "The operation, such as registry.query.", "^[^/]+$"),),
)
SET_LEVEL: Final = Words(
    "Give a logger a level, or with null take it back; `root` is all that have none of their own.",
    {**_LEVELS, "required": ["name", "configured", "effective"]},
    refusals=_REFUSALS,
    body={
        "type": "object",
        "required": ["level"],
        "properties": {"level": _LEVEL},
        "additionalProperties": False,
    },
    parameters=(_in_path("name", "The logger's name.", r"^[A-Za-z0-9_.\-]{1,200}$"),),
)


def document(operations: Iterable[tuple[str, str, Words]]) -> dict[str, Any]:
    """The OpenAPI document of these operations: method, path as Starlette has it, words."""
    paths: dict[str, dict[str, Any]] = {}
    for method, path, words in operations:
        paths.setdefault(path.replace(":path}", "}"), {})[method.lower()] = _operation(words)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ARBITER management port",
            "version": __version__,
            "description": "For operators and platforms. Reading from the same machine is free; changes need the token.",
        },
        "paths": paths,
        "components": {
            "schemas": {"Problem": _PROBLEM},
            "securitySchemes": {
                "management": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "management.token of the settings.",
                }
            },
        },
    }


def _operation(words: Words) -> dict[str, Any]:
    content: dict[str, Schema] = {words.media: {"schema": words.answer}}
    if words.media == "application/health+json":
        content["text/plain"] = {"schema": {"type": "string"}}
    good = {"description": words.summary, "content": content}
    operation: dict[str, Any] = {
        "summary": words.summary,
        "responses": {"200": good, **{str(status): _refusal(status) for status in words.refusals}},
    }
    if words.fails:
        operation["responses"]["503"] = good
    if words.parameters:
        operation["parameters"] = list(words.parameters)
    if words.body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": words.body}}}
    if not words.is_open:
        operation["security"] = [{"management": []}, {}]
    return operation


def _refusal(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": _WORDS[status],
        "content": {"application/problem+json": {"schema": schema}},
    }
