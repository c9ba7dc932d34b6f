"""Fields that are documented by the string below them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from arbiter.documented import Documented


class Address(Documented):
    """Where somebody lives."""

    street: str
    """The street,
    with its number."""
    town: str = ""


class Person(Documented):
    """Somebody."""

    name: str = Field(default="", description="said by the field itself")
    """said below it"""
    home: Address
    """Where they
    are to be found."""
    undescribed: int = 0

    class Habits(Documented):
        """A model inside a model."""

        strict: bool = False
        """Whether nothing is let pass."""


class Employee(Person):
    """Somebody who works."""

    home: Address
    """Where letters go."""
    desk: int = 0
    """Where they sit."""


def properties(model: type[BaseModel]) -> dict[str, Any]:
    """What the schema says of each field."""
    declared: dict[str, Any] = model.model_json_schema()["properties"]
    return declared


def test_a_schema_holds_the_text_below_each_field() -> None:
    """The text stands in the schema, its indentation taken away; a field without one has none."""
    assert properties(Address)["street"]["description"] == "The street,\nwith its number."
    assert "description" not in properties(Address)["town"]


def test_a_field_that_holds_a_model_is_described_beside_the_reference() -> None:
    """The description belongs to the field, not to the model that it refers to."""
    schema = Person.model_json_schema()

    assert schema["properties"]["home"]["description"] == "Where they\nare to be found."
    assert schema["$defs"]["Address"]["description"] == "Where somebody lives."


def test_what_the_field_says_itself_goes_before() -> None:
    """`Field(description=...)` is not overwritten by a string that happens to follow."""
    assert properties(Person)["name"]["description"] == "said by the field itself"


def test_inherited_fields_keep_their_text_unless_it_is_said_anew() -> None:
    """A subclass describes what it declares, and inherits the rest."""
    assert properties(Employee)["home"]["description"] == "Where letters go."
    assert properties(Employee)["desk"]["description"] == "Where they sit."
    assert properties(Employee)["name"]["description"] == "said by the field itself"


def test_models_inside_models_and_functions_are_found() -> None:
    """A class is known by its qualified name, wherever it is defined."""

    class Local(Documented):
        key: str = ""
        """Opens the door."""

    assert properties(Local)["key"]["description"] == "Opens the door."
    assert properties(Person.Habits)["strict"]["description"] == "Whether nothing is let pass."


def test_a_model_without_source_has_no_text() -> None:
    """A class that was made at run time has a schema all the same."""
    made = type("Made", (Documented,), {"__annotations__": {"key": str}, "__module__": "nowhere"})

    assert properties(made)["key"] == {"title": "Key", "type": "string"}


def test_no_model_reads_its_source_when_it_is_made() -> None:
    """Pydantic's own way costs a sixth of a start: it is used nowhere below the base."""
    known = [Documented]
    for kind in known:
        known += kind.__subclasses__()

    assert len(known) > 5
    assert not [kind for kind in known if kind.model_config.get("use_attribute_docstrings")]
