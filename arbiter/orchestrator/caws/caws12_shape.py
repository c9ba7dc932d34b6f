"""The shape that release 12 asks of a spec (its schema spec.v1), in words of ours, and the check of it.

JSON Schema 2020-12 for `jsonschema_rs`, which is loaded when the first spec is judged by these rules. Formats are checked
as ajv-formats 3 checks them, which the real validator uses.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from arbiter.orchestrator.caws.javascript import Plain

__all__ = ["ID_PATTERN", "MODES", "Breach", "breaches", "schema"]

ID_PATTERN: Final = r"^[A-Z][A-Z0-9]*(-[A-Z0-9]+)*-\d+[a-z]*$"
MODES: Final = ("feature", "refactor", "fix", "doc", "chore")

_TEXT: Final = {"type": "string"}
_SAID: Final = {"type": "string", "minLength": 1}
_WHEN: Final = {"type": "string", "format": "date-time"}
_ID: Final = {"type": "string", "pattern": ID_PATTERN}
_CRITERION: Final = {"type": "string", "pattern": r"^A\d+$"}


def _list(items: dict[str, Any], at_least: int = 0) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": at_least}


def _one_of(*words: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(words)}


def _mapping(required: tuple[str, ...] = (), /, **properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": properties,
    }


def schema() -> dict[str, Any]:
    """The shape as JSON Schema 2020-12."""
    shape = _mapping(
        (
            *("id", "title", "risk_tier", "mode", "lifecycle_state", "blast_radius", "scope", "invariants"),
            *("acceptance", "non_functional", "contracts"),
        ),
        id=_ID,
        title={**_SAID, "maxLength": 200},
        risk_tier={"type": "integer", "enum": [1, 2, 3]},
        mode=_one_of(*MODES),
        lifecycle_state=_one_of("draft", "active", "closed", "archived"),
        resolution=_one_of("completed", "superseded", "abandoned"),
        blockers=_list(_mapping(("reason",), reason=_SAID, waiting_on=_TEXT, since=_WHEN)),
        supersedes=_ID,
        superseded_by=_ID,
        successors=_list(_successor()),
        worktree={"type": "string", "pattern": "^[a-zA-Z0-9_-]+$"},
        operational_rollback_slo=_TEXT,
        blast_radius=_mapping(("modules",), modules=_list(_SAID, 1), data_migration={"type": "boolean"}),
        invariants=_list(_SAID, 1),
        acceptance=_list(_acceptance(), 1),
        non_functional=_mapping(
            performance=_list(_TEXT),
            security=_list(_TEXT),
            accessibility=_list(_TEXT),
            reliability=_list(_TEXT),
        ),
        contracts=_list(_contract()),
        observability=_list(_TEXT),
        rollback=_list(_TEXT),
        experimental_mode=_mapping(
            ("enabled", "rationale", "expires_at"),
            enabled={"type": "boolean"},
            rationale=_SAID,
            expires_at=_WHEN,
        ),
        created_at=_WHEN,
        updated_at=_WHEN,
        owner=_TEXT,
        closure_notes=_TEXT,
        evidence=_list(_evidence()),
    )
    shape["properties"]["scope"] = _scope()
    return shape


def _scope() -> dict[str, Any]:
    outside = {**_SAID, "not": {"pattern": "[*?]"}}
    scope = _mapping(("in",), out=_list(outside), support=_list(_SAID))
    scope["properties"]["in"] = _list(_SAID, 1)
    return scope


def _successor() -> dict[str, Any]:
    return _mapping(
        ("target_spec_id", "disposition"),
        target_spec_id=_ID,
        disposition=_one_of("required", "declined", "absorbed"),
        rationale=_SAID,
        absorbed_by=_ID,
    )


def _acceptance() -> dict[str, Any]:
    return _mapping(
        ("id", "given", "when", "then"),
        id=_CRITERION,
        given=_SAID,
        when=_SAID,
        then=_SAID,
        test_command=_TEXT,
        test_nodeids=_list(_TEXT),
        evidence=_TEXT,
        narrative=_TEXT,
    )


def _contract() -> dict[str, Any]:
    kind = _one_of("api", "schema", "contract-test", "behavior")
    return _mapping(("name", "type"), name=_SAID, type=kind, path=_TEXT, description=_TEXT)


def _evidence() -> dict[str, Any]:
    return _mapping(
        ("criterion_id", "status", "recorded_at"),
        criterion_id=_CRITERION,
        status=_one_of("pass", "fail", "unchecked", "waived"),
        evidence_ref=_SAID,
        waiver_reason=_SAID,
        recorded_at=_WHEN,
        test_nodeid=_TEXT,
        command=_TEXT,
        exit_code={"type": "integer"},
        artifact_path=_TEXT,
        commit_sha={"type": "string", "pattern": "^[0-9a-f]{7,40}$"},
    )


@dataclass(frozen=True, slots=True)
class Breach:
    """One place where the shape is another.

    Attributes:
        keyword: the schema's word that was broken, `required` and so on.
        path: to the value; for `required` and `additionalProperties` to the key itself.
        value: what the schema has there: the allowed words, the bound, the type.
    """

    keyword: str
    path: tuple[str, ...]
    value: Any


def breaches(data: dict[str, Plain]) -> Iterator[Breach]:
    """Where `data` is not of the shape."""
    for error in _validator().iter_errors(_as_json(data)):
        path, kind = tuple(str(step) for step in error.instance_path), error.kind
        match kind.name:
            case "required":
                yield Breach("required", (*path, str(kind.property)), None)
            case "additionalProperties":
                for name in kind.unexpected:
                    yield Breach("additionalProperties", (*path, str(name)), None)
            case keyword:
                yield Breach(keyword, path, kind.value)


@functools.cache
def _validator() -> Any:
    import jsonschema_rs  # noqa: PLC0415  10 MB that only these rules need

    return jsonschema_rs.Draft202012Validator(
        schema(), validate_formats=True, formats={"date-time": _is_date_time}
    )


def _as_json(value: Plain) -> Any:
    """What the checker takes: plain types, and numbers as JavaScript has them."""
    match value:
        case dict():
            return {name: _as_json(item) for name, item in value.items()}
        case list():
            return [_as_json(item) for item in value]
        case bool() | None:
            return value
        case str():
            return str(value) if type(value) is not str else value
        case int() | float():
            return value if _is_double(value) else 0.5  # a number, and no integer, as NaN and Infinity are
        case _:
            return None


def _is_double(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


_MOMENT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[tT\s](\d\d):(\d\d):(\d\d(?:\.\d+)?)(?:[zZ]|([+-])(\d\d)(?::?(\d\d))?)", re.ASCII
)
_DAYS: Final = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def _is_date_time(written: str) -> bool:
    """RFC 3339's date-time, with the liberties that ajv-formats takes: any blank for T, `+01` for `+01:00`."""
    found = _MOMENT.fullmatch(written)
    if found is None:
        return False
    year, month, day, hour, minute = (int(found[i]) for i in range(1, 6))
    sign, ahead_h, ahead_m = (-1 if found[7] == "-" else 1), int(found[8] or 0), int(found[9] or 0)
    leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not (1 <= month <= 12 and 1 <= day <= (29 if leap else _DAYS[month])) or ahead_h > 23 or ahead_m > 59:
        return False
    second = float(found[6])
    if hour <= 23 and minute <= 59 and second < 60:
        return True
    utc_minute = minute - ahead_m * sign
    utc_hour = hour - ahead_h * sign - (utc_minute < 0)
    return utc_hour in (23, -1) and utc_minute in (59, -1) and second < 61
