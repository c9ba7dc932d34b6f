"""The generated reference and the schema: current, complete, and right about the files that we ship."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import jsonschema_rs
import pytest
from pydantic import BaseModel

from arbiter.section import Reload
from arbiter.settings.reference import reference
from arbiter.settings.schema import file_schema
from arbiter.settings.shape import Shape
from config import Settings

PROJECT = Path(__file__).parent.parent.parent


def keys(
    model: type[BaseModel], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], type[BaseModel]]]:
    """Every key of a tree of sections, with the section that declares it."""
    for name, field in model.model_fields.items():
        below = field.annotation
        if isinstance(below, type) and issubclass(below, BaseModel):
            yield from keys(below, (*path, name))
        else:
            yield (*path, name), model


def test_the_page_in_the_repository_is_current() -> None:
    """Whoever changes a key writes the page anew: `arbiter config docs > docs/configuration.md`."""
    page = (PROJECT / "docs" / "configuration.md").read_text(encoding="utf-8")

    assert page == reference(Settings), "run: arbiter config docs > docs/configuration.md"


@pytest.fixture(scope="module")
def page() -> str:
    """The reference, written once for all keys."""
    return reference(Settings)


@pytest.mark.parametrize(("path", "section"), list(keys(Settings)), ids=str)
def test_every_key_is_documented(path: tuple[str, ...], section: type[BaseModel], page: str) -> None:
    """Each key has a sentence, a row in the reference and a word on how it reloads."""
    declared = section.model_json_schema()["properties"][path[-1]]

    assert declared.get("description"), f"{'.'.join(path)} has no docstring"
    assert f"| `{path[-1]}` |" in page
    assert Shape.of(Settings).reload_of(path) in Reload


@pytest.mark.parametrize("name", ["settings.toml", ".secrets.toml"])
def test_the_schema_accepts_the_files_that_we_ship(name: str) -> None:
    """An editor finds nothing wrong in them."""
    document = tomllib.loads((PROJECT / name).read_text(encoding="utf-8"))

    jsonschema_rs.validator_for(file_schema(Settings)).validate(document)


@pytest.mark.parametrize(
    "text",
    [
        "[default.server]\nhots = 'x'",
        "[default.sever]\nhost = 'x'",
        "[production.routing]\nexploration_rate = 2",
        "[mine.server]\nport = 'x'",
        "port = 3000",
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(text: str) -> None:
    """A misspelt key or section, a value out of range and a key outside of every table are marked in the editor."""
    validator = jsonschema_rs.validator_for(file_schema(Settings))

    assert not validator.is_valid(tomllib.loads(text))


def test_the_schema_says_how_keys_reload() -> None:
    """`x-reload` stands at each key."""
    definitions = file_schema(Settings)["$defs"]

    assert definitions["RoutingSettings"]["properties"]["exploration_rate"]["x-reload"] == "live"
    assert definitions["ServerSettings"]["properties"]["port"]["x-reload"] == "restart"
