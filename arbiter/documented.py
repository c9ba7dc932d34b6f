"""Models whose fields are documented by the string below each of them, for JSON Schemas and the pages made of these.

pydantic's own `use_attribute_docstrings` reads the source of every class when it is made, which took a sixth of the
start of a process that shows no schema (docs/start.md). Here the source is read when a schema is asked for.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

__all__ = ["Documented", "described"]


class Documented(BaseModel):
    """The base of a model that describes each field by a string below it; `Field(description=...)` goes before."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler, /
    ) -> JsonSchemaValue:
        return described(cls, core_schema, handler)


def described(kind: type, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
    """The schema of a model or dataclass, with what stands below each of its fields.

    Args:
        kind: the model or dataclass; its `__get_pydantic_json_schema__` calls this.
        core_schema: as pydantic hands it over.
        handler: as well.
    """
    schema = handler(core_schema)
    properties = handler.resolve_ref_schema(schema).get("properties", {})
    fields: Mapping[str, Any] = getattr(kind, "model_fields", None) or getattr(
        kind, "__dataclass_fields__", {}
    )
    for name, text in _described(kind).items():
        if (field := fields.get(name)) is not None:
            declared = properties.get(getattr(field, "alias", None) or name)
            if declared is not None:
                declared.setdefault("description", text)
    return schema


def _described(model: type) -> dict[str, str]:
    """The text of each field that has one; what a class says of an inherited field goes before its base's."""
    described: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        described |= _of_module(kind.__module__).get(kind.__qualname__, {}) if kind is not BaseModel else {}
    return described


@cache
def _of_module(name: str) -> Mapping[str, Mapping[str, str]]:
    """For each class of a module, by its qualified name, the strings below its annotated names."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[name]))
    except (KeyError, OSError, TypeError):  # typed into a prompt, built in, or shipped without source
        return {}
    return dict(_classes(tree, ""))


def _classes(node: ast.AST, prefix: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.ClassDef(name=name):
                yield f"{prefix}{name}", dict(_texts(child.body))
                yield from _classes(child, f"{prefix}{name}.")
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield from _classes(child, f"{prefix}{name}.<locals>.")
            case ast.stmt():
                yield from _classes(child, prefix)


def _texts(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for declared, below in pairwise(body):
        match declared, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, inspect.cleandoc(text)
