"""What an operator can change: the settings' reload, a logger's level, a circuit breaker, maintenance."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any, Final

from starlette.requests import Request

from arbiter.errors import ArbiterError, Invalid
from arbiter.health.registry import HealthRegistry
from arbiter.management.access import Change, Unusable
from arbiter.management.answers import as_json
from arbiter.management.operator import Loggers, Operator
from arbiter.resilience.registry import ACTIONS, BreakerUnknown
from arbiter.resilience.states import TransitionRefused
from arbiter.serving.problems import FieldError, problem
from arbiter.settings.live import ReloadResult

__all__ = ["Changes", "maintenance_of", "only_keys"]

_LOGGER: Final = re.compile(r"[A-Za-z0-9_.\-]{1,200}")


@dataclass(frozen=True, slots=True)
class Changes:
    """The writing endpoints over what the operator steers; each gets the request and the JSON of its body."""

    operator: Operator

    async def refresh(self, request: Request, body: Any) -> Change:
        """Load the settings anew, or only say what that would do."""
        only_keys(body or {}, ())
        dry_run = request.query_params.get("dry_run", "0").lower() not in {"0", "false"}
        before = {"generation": self.operator.generation()}
        result = await self.operator.refresh(dry_run)
        after = {**_shown(result), "dry_run": dry_run}
        if result.outcome == "rejected":
            faults = [FieldError(fault.key, str(fault)) for fault in result.problems]
            detail = "The settings on disk cannot be used; those in force stay."
            answer = problem(HTTPStatus.UNPROCESSABLE_ENTITY, "settings-rejected", detail, errors=faults)
            return Change(before, after, answer, "rejected")
        return Change(before, after, as_json(after))

    async def set_level(self, request: Request, body: Any) -> Change:
        """Give a logger a level, or with null take it back; `root` is all that have none of their own."""
        loggers, name = self.operator.loggers, request.path_params["name"]
        if loggers is None or not _LOGGER.fullmatch(name):
            raise _invalid("name", "is not the name of a logger")
        level = only_keys(body, ("level",))["level"]
        if not (level is None or isinstance(level, str)):
            raise _invalid("level", "is not a text or null")
        before = _level_of(loggers, name)
        try:
            loggers.set_level(None if name == "root" else name, level)
        except Invalid as error:
            raise _invalid("level", f"is not a log level, {error.hint.rstrip('.').lower()}") from None
        after = _level_of(loggers, name)
        return Change(before, after, as_json({"name": name, **after}))

    async def steer_breaker(self, request: Request, body: Any) -> Change:
        """Open, close, reset, disable or only observe one circuit."""
        action, name = only_keys(body, ("action",))["action"], request.path_params["name"]
        if action not in ACTIONS:
            raise _invalid("action", f"is none of {', '.join(ACTIONS)}")
        try:
            before, after = self.operator.breakers.act(name, action)
        except BreakerUnknown as error:
            raise _refused(HTTPStatus.NOT_FOUND, error.code, error) from None
        except TransitionRefused as error:
            raise _refused(HTTPStatus.CONFLICT, "transition-refused", error) from None
        return Change({"state": before.state}, {"state": after.state}, as_json(asdict(after)))

    async def set_maintenance(self, _: Request, body: Any) -> Change:
        """Let readiness fail, or pass again; what is sent here all the same is served."""
        on = only_keys(body, ("on",))["on"]
        if not isinstance(on, bool):
            raise _invalid("on", "is not true or false")
        before = maintenance_of(self.operator.health)
        self.operator.health.set_maintenance(on)
        after = maintenance_of(self.operator.health)
        return Change(before, after, as_json(after))


def maintenance_of(health: HealthRegistry) -> dict[str, object]:
    """Whether the application is in maintenance."""
    return {"on": "maintenance" in health.readiness().notes}


def only_keys(body: Any, keys: Iterable[str]) -> dict[str, Any]:
    """The body, which must be an object of exactly these keys.

    Raises:
        Unusable: it is something else; every fault is named.
    """
    if not isinstance(body, dict):
        raise _invalid("body", "is not an object")
    wanted = set(keys)
    faults = [
        *(FieldError(key, "is required") for key in sorted(wanted - set(body))),
        *(FieldError(key[:100], "is not a known field") for key in sorted(set(body) - wanted)[:20]),
    ]
    if faults:
        raise _unusable(faults)
    return body


def _refused(status: HTTPStatus, code: str, error: ArbiterError) -> Unusable:
    return Unusable(problem(status, code, error.message, hint=error.hint))


def _invalid(field: str, message: str) -> Unusable:
    return _unusable([FieldError(field, message)])


def _unusable(faults: list[FieldError]) -> Unusable:
    detail = f"{faults[0].field} {faults[0].message}."
    return Unusable(problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", detail, errors=faults))


def _level_of(loggers: Loggers, name: str) -> dict[str, str | None]:
    known = loggers.listing()
    if name in known:
        return dict(known[name])
    above = name
    while above and above not in known:
        above = above.rpartition(".")[0]
    return {"configured": None, "effective": known[above or "root"]["effective"]}


def _shown(result: ReloadResult) -> dict[str, object]:
    return {
        "outcome": result.outcome,
        "generation": result.generation,
        "changed": list(result.changed),
        "restart_required": list(result.restart_required),
    }
