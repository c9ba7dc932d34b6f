"""Dependencies first, declaration order as tie-break."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbiter.lifecycle.order import CycleFound, in_order


def test_independent_things_keep_their_declaration_order() -> None:
    """What does not need each other starts in the order in which it was declared."""
    assert in_order(dict.fromkeys("zaxbq", ())) == list("zaxbq")


def test_what_is_needed_comes_first() -> None:
    """A need goes before its user, and the others stay where they were declared."""
    assert in_order({"user": ("database",), "other": (), "database": ()}) == ["other", "database", "user"]


def test_a_circle_is_drawn() -> None:
    """A circle of needs is an error that holds its path."""
    with pytest.raises(CycleFound) as caught:
        in_order({"free": (), "a": ("b",), "b": ("c",), "c": ("a",)})

    assert caught.value.path == ("a", "b", "c", "a")
    assert "a -> b -> c -> a" in str(caught.value)


def test_needs_of_nobody_count_as_met() -> None:
    """A need that is not among the things does not hold them up."""
    assert in_order({"a": ("elsewhere",)}) == ["a"]


@given(
    st.integers(1, 30).flatmap(lambda n: st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1))))
)
def test_no_order_breaks_a_need(pairs: list[tuple[int, int]]) -> None:
    """Whatever the graph, each thing comes after all that it needs."""
    needs: dict[int, list[int]] = {number: [] for number in range(30)}
    for one, other in pairs:
        if one != other:
            needs[max(one, other)].append(min(one, other))

    place = {key: index for index, key in enumerate(in_order(needs))}

    assert all(place[need] < place[user] for user, wanted in needs.items() for need in wanted)
