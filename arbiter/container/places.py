"""Where a provider is declared: the class, the file and the line, read from the source when somebody asks."""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dependency_injector import providers

__all__ = ["Place", "place_of"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a provider is declared.

    Attributes:
        container: the name of the class that declares it.
        file: the path of the source, or an empty string.
        line: the line of the declaration, or 0.
    """

    container: str = ""
    file: str = ""
    line: int = 0


def place_of(container: Any, name: str) -> Place:
    """Where the provider of this dotted name is declared.

    Args:
        container: a container's instance or class.
        name: `stock`, or `billing.invoices` for one of a nested container.
    """
    first, _, rest = name.partition(".")
    provider = container.providers.get(first)
    if rest and isinstance(provider, providers.Container):
        return place_of(provider.container, rest)
    declared = container if isinstance(container, type) else getattr(container, "declarative_parent", None)
    if not isinstance(declared, type):
        return Place(type(container).__name__)
    return _declaration(_declaring(declared, first), first)


def _declaring(declared: type, name: str) -> type:
    has = (base for base in declared.__mro__ if name in vars(base).get("cls_providers", {}))
    return next(has, declared)


def _declaration(declared: type, name: str) -> Place:
    module = sys.modules.get(declared.__module__)
    file = getattr(module, "__file__", None) or ""
    body = _body_of(file, declared.__qualname__) if file else None
    if body is None:
        return Place(declared.__name__, file)
    lines = [node.lineno for node in body.body if name in _assigned(node)]
    return Place(declared.__name__, file, lines[-1] if lines else body.lineno)


def _body_of(file: str, qualname: str) -> ast.ClassDef | None:
    return _classes_in(file).get(qualname)


@functools.lru_cache(maxsize=64)
def _classes_in(file: str) -> dict[str, ast.ClassDef]:
    try:
        tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):  # compiled, generated, gone: nothing can be said
        return {}
    return dict(_named(tree, ""))


def _named(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.ClassDef]]:
    for child in ast.iter_child_nodes(node):
        below = prefix
        if isinstance(child, ast.ClassDef):
            yield f"{prefix}{child.name}", child
            below = f"{prefix}{child.name}."
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            below = f"{prefix}{child.name}.<locals>."
        yield from _named(child, below)


def _assigned(node: ast.stmt) -> set[str]:
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    return {target.id for target in targets if isinstance(target, ast.Name)}
