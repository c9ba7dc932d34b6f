"""What the type checkers are asked about the application is asked about all of it."""

from __future__ import annotations

import ast
from pathlib import Path

from containers.application import Application

ASKED = Path(__file__).with_name("typing_application.py")


def test_the_type_of_every_provider_is_checked() -> None:
    """`make check` has mypy and pyright read what each provider of `Application` returns; none is left out."""
    (check,) = (
        node
        for node in ast.parse(ASKED.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name == "check"
    )
    asked = {
        seen.attr
        for call in ast.walk(check)
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "assert_type"
        for seen in ast.walk(call.args[0])
        if isinstance(seen, ast.Attribute)
    }

    assert asked == {name for name in Application.providers if name.isidentifier()}
