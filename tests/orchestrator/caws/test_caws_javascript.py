"""JavaScript's truths (ECMA-262), where they decide a verdict."""

from __future__ import annotations

import math

import pytest

from arbiter.orchestrator.caws.javascript import (
    UNDEFINED,
    NotPrimitive,
    Plain,
    Timestamp,
    falsy,
    length,
    number,
    same,
    text,
)


@pytest.mark.parametrize("value", [UNDEFINED, None, False, 0, 0.0, -0.0, math.nan, ""])
def test_these_are_falsy(value: Plain) -> None:
    """`!value` is true for these and for nothing else that data can be."""
    assert falsy(value)


@pytest.mark.parametrize("value", [True, 1, -1, math.inf, "0", " ", "false", [], {}, [0]])
def test_these_are_truthy(value: Plain) -> None:
    """An empty list is present, and so is the text "0"."""
    assert not falsy(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, 0),
        (True, 1),
        ("", 0),
        (" \t\n2\ufeff", 2),
        ("0x10", 16),
        ("0b11", 3),
        ("1e1", 10),
        (".5", 0.5),
        ("-Infinity", -math.inf),
        ([], 0),
        ([5], 5),
        ([["7"]], 7),
        ([None], 0),
        (10**400, math.inf),
        (Timestamp("2026-01-01"), math.inf),
    ],
)
def test_a_value_compares_as_this_number(value: Plain, expected: float) -> None:
    """What `<` and `>` see."""
    assert number(value) == expected


@pytest.mark.parametrize("value", [UNDEFINED, "T3", "1_0", "infinity", "nan", "1 2", "-0x1", [1, 2], {}, "٣"])
def test_these_are_no_number(value: Plain) -> None:
    """And so neither below nor above anything."""
    assert math.isnan(number(value))


def test_strict_equality_knows_types() -> None:
    """Text and booleans are never equal to a number; 1.0 is 1."""
    assert (same("1", 1), same(True, 1), same(1.0, 1), same([1], 1)) == (False, False, True, False)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "null"),
        (True, "true"),
        (1.0, "1"),
        (1.5, "1.5"),
        (math.inf, "Infinity"),
        (math.nan, "NaN"),
        (["a", None, [1, 2]], "a,,1,2"),
        ({"a": 1}, "[object Object]"),
        (UNDEFINED, "undefined"),
    ],
)
def test_a_value_becomes_this_text(value: Plain, expected: str) -> None:
    """What a regular expression is tested against."""
    assert text(value) == expected


def test_a_key_named_tostring_hides_the_method() -> None:
    """JavaScript raises a TypeError there, also for a list that holds such a mapping."""
    with pytest.raises(NotPrimitive):
        text([{"toString": 1}])


def test_length_is_a_key_like_any_other_of_a_mapping() -> None:
    """A number or a mapping without that key has none."""
    assert (length([1, 2]), length("ab"), length({"length": 0}), length({}), length(7)) == (
        2,
        2,
        0,
        UNDEFINED,
        UNDEFINED,
    )
