"""The JSON Schema of a settings file: what editors complete and check while somebody types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

from arbiter.settings.documents import DEFAULT_TABLE
from arbiter.settings.shape import Shape
from arbiter.settings.sources import STANDARD_ENVIRONMENTS

__all__ = ["file_schema", "tree_schema"]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def file_schema(settings_type: type[BaseModel]) -> dict[str, Any]:
    """The schema of `settings.toml` and its neighbours: a table for each environment, each key optional.

    Every key carries `x-reload` ("live" or "restart"). A key may also be the table of an environment of one's own.
    """
    tree = tree_schema(settings_type)
    definitions = {**tree.pop("$defs", {}), "environment": tree}
    table = {"$ref": "#/$defs/environment"}
    return {
        "$schema": DIALECT,
        "title": "Settings of an ARBITER application",
        "type": "object",
        "properties": dict.fromkeys((DEFAULT_TABLE, *STANDARD_ENVIRONMENTS), table),
        "patternProperties": {"^[a-z0-9_-]+$": table},
        "additionalProperties": False,
        "$defs": definitions,
    }


def tree_schema(settings_type: type[BaseModel]) -> dict[str, Any]:
    """The schema of one environment's tree: pydantic's, nothing required, each key marked with how it reloads."""
    schema = settings_type.model_json_schema()
    definitions: Mapping[str, dict[str, Any]] = schema.get("$defs", {})
    for part in (schema, *definitions.values()):
        part.pop("required", None)  # a layer need not say everything
    _mark(schema, (), Shape.of(settings_type), definitions)
    return schema


def _mark(
    node: dict[str, Any], path: tuple[str, ...], shape: Shape, definitions: Mapping[str, dict[str, Any]]
) -> None:
    for name, declared in node.get("properties", {}).items():
        below = _referred(declared, definitions)
        if below is not None:
            _mark(below, (*path, name), shape, definitions)
        else:
            declared["x-reload"] = shape.reload_of((*path, name)).value


def _referred(
    declared: Mapping[str, Any], definitions: Mapping[str, dict[str, Any]]
) -> dict[str, Any] | None:
    reference = declared.get("$ref")
    return definitions.get(str(reference).removeprefix("#/$defs/")) if reference else None
