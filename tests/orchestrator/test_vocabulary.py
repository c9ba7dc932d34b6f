"""The shared words: bounded, printable, finite; near misses are found."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from arbiter.orchestrator.vocabulary import (
    KNOWN_LANGUAGES,
    Capabilities,
    Identifier,
    Metadata,
    PerformanceReport,
    Word,
    near_misses,
)

IDENTIFIER = TypeAdapter[str](Identifier)
WORD = TypeAdapter[str](Word)
METADATA = TypeAdapter[dict[str, Any]](Metadata)


@pytest.mark.parametrize("good", ["a", "a.b-c_1", "x" * 255, "7", ".hidden"])
def test_an_identifier_is_letters_digits_and_three_signs(good: str) -> None:
    """What the design allows is taken as it is."""
    assert IDENTIFIER.validate_python(good) == good


@pytest.mark.parametrize("bad", ["", "..", ".", "a b", "a\n", "a\x00", "é", "a/b", "x" * 256])
def test_anything_else_is_no_identifier(bad: str) -> None:
    """Blanks, control characters, slashes and dots alone are refused."""
    with pytest.raises(ValidationError):
        IDENTIFIER.validate_python(bad)


@given(st.text())
def test_a_word_is_printable_whatever_comes(text: str) -> None:
    """What is taken is printable, trimmed and 1 to 100 characters long."""
    try:
        word = WORD.validate_python(text)
    except ValidationError:
        return
    assert word.isprintable()
    assert word == word.strip()
    assert 1 <= len(word) <= 100


def test_words_are_kept_once_in_their_order() -> None:
    """A capability that is named twice counts once."""
    assert Capabilities(task_types=("b", "a ", "b", "a")).task_types == ("b", "a")


def test_an_agent_without_a_task_type_is_refused() -> None:
    """At least one task type is required."""
    with pytest.raises(ValidationError):
        Capabilities(task_types=())


@pytest.mark.parametrize(
    ("field", "value"),
    [("quality_score", 1.5), ("quality_score", -0.1), ("latency_ms", -1), ("latency_ms", math.inf),
     ("quality_score", math.nan), ("cost", -1), ("tokens_used", -1), ("tokens_used", 10**30), ("extra", 1)],
)  # fmt: skip
def test_a_report_out_of_range_names_its_field(field: str, value: float) -> None:
    """A rate of 1.5, a negative latency, infinity and unknown fields are errors of that field."""
    report = {"success": True, "quality_score": 0.5, "latency_ms": 1.0, field: value}

    with pytest.raises(ValidationError) as caught:
        PerformanceReport.model_validate(report)

    assert [error["loc"] for error in caught.value.errors()] == [(field,)]


@pytest.mark.parametrize(
    ("field", "value"),
    [("success", 1), ("success", "yes"), ("quality_score", "0.5"), ("quality_score", True), ("latency_ms", True),
     ("cost", "1"), ("tokens_used", "7"), ("tokens_used", True), ("tokens_used", 1.5)],
)  # fmt: skip
def test_a_report_of_another_type_names_its_field(field: str, value: object) -> None:
    """Text is no number, true is no 1 and 1 is not true: what a client mixed up is not counted as what it may have meant."""
    report = {"success": True, "quality_score": 0.5, "latency_ms": 1, "tokens_used": 3.0, field: value}

    with pytest.raises(ValidationError) as caught:
        PerformanceReport.model_validate(report)

    assert [error["loc"] for error in caught.value.errors()] == [(field,)]


@pytest.mark.parametrize(
    ("value", "words"),
    [({"b": 1}, "text, a number, true, false or null"), ([], "text, a number"), ("x" * 1001, "1000 characters"),
     ("\0", "control characters"), (2**60, "53 bits"), (math.nan, "finite")],
)  # fmt: skip
def test_metadata_says_once_what_it_takes(value: object, words: str) -> None:
    """One fault, at its key, in words: not one for each kind of scalar that it is not."""
    with pytest.raises(ValidationError) as caught:
        METADATA.validate_python({"a": value})

    (fault,) = caught.value.errors()
    assert fault["loc"] == ("a",)
    assert words in fault["msg"]


def test_metadata_keeps_scalars_as_they_are() -> None:
    """Text, numbers, booleans and null keep their kind."""
    given_ = {"a": 1, "b": True, "c": 1.5, "d": "x", "e": None}

    assert METADATA.validate_python(given_) == given_
    assert isinstance(METADATA.validate_python(given_)["b"], bool)


def test_near_misses_pass_over_case_and_never_name_the_word_itself() -> None:
    """A word in the wrong case finds the right one."""
    assert near_misses("python", KNOWN_LANGUAGES) == ["Python"]
    assert near_misses("Python", KNOWN_LANGUAGES) == []
    assert near_misses("Fortran", KNOWN_LANGUAGES) == []
