"""Reading a spec: places, bounds, and an answer to whatever is sent."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from arbiter.orchestrator.caws.composer import MAX_DEPTH
from arbiter.orchestrator.caws.document import read
from arbiter.orchestrator.caws.models import Judgement, NotAMapping, Severity
from arbiter.orchestrator.caws.settings import CawsSettings
from arbiter.orchestrator.caws.validator import CawsValidator
from arbiter.testing.live import Fixed

VALIDATOR = CawsValidator(Fixed(CawsSettings()))

NAMES = st.sampled_from(
    ["id", "title", "risk_tier", "scope", "in", "contracts", "waiver_ids", "length", "toString"]
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20))
TREES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(NAMES, SCALARS), inner, max_size=6)
    ),
    max_leaves=25,
)

JSON: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)),
    max_leaves=25,
)


async def verdict_or_refusal(document: str | bytes) -> Judgement | NotAMapping:
    """What is said of a document; anything else than these two is a fault."""
    try:
        return await VALIDATOR.validate(document)
    except NotAMapping as refusal:
        return refusal


@pytest.mark.parametrize(
    ("document", "place", "words"),
    [
        ("", (1, 1), "empty"),
        ("# only a comment\n", (1, 1), "empty"),
        ("- a\n- b\n", (1, 1), "a list"),
        ("\n  just text\n", (2, 3), "a single value"),
        ("a: 1\nb: [1, 2\n", (3, 1), "no YAML"),
        ("a: 1\n---\nb: 2\n", (2, 1), "second document"),
        ("a: 1\nb: *nowhere\n", (2, 4), "no anchor"),
        ("a: \x07\n", (1, 4), "no YAML"),
        (b"a: \xff\n", (1, 4), "no YAML"),
        ("a: \ud800\n", (1, 4), "no YAML"),
    ],
)
def test_what_is_no_yaml_or_no_mapping_is_refused_with_its_place(
    document: str | bytes, place: tuple[int, int], words: str
) -> None:
    """The error says what is wrong, in which line and column, and what to send instead."""
    with pytest.raises(NotAMapping, match=words) as caught:
        read(document)

    assert (caught.value.line, caught.value.column) == place
    assert f"line {place[0]}, column {place[1]}" in caught.value.message
    assert (caught.value.status, bool(caught.value.hint)) == (422, True)


async def test_a_billion_laughs_get_a_finding() -> None:
    """Of aliases that stand for 10**9 values nothing is judged; what they may cost is measured with the hostile ones."""
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]

    judgement = await VALIDATOR.validate("\n".join(rows))

    assert [finding.code for finding in judgement.findings] == ["alias-limit"]
    assert not judgement.passed


@pytest.mark.parametrize(
    "document",
    [
        "a: " + "[" * 200_000,
        "a: " + "{b: " * 200_000,
        "".join(" " * n + "a:\n" for n in range(1000)),
        "a:\n  " + "- " * 9999,
    ],
)
async def test_deep_nesting_gets_a_finding(document: str) -> None:
    """However deep, the process lives on and says where it became too deep."""
    judgement = await VALIDATOR.validate(document)

    assert [finding.code for finding in judgement.findings] == ["depth-limit"]


def test_deep_nesting_from_the_top_is_refused() -> None:
    """As a list, or for its depth: a parser with a bound of its own does not come as far as telling which it is."""
    with pytest.raises(NotAMapping, match=r"a list|nested deeper than 100 levels"):
        read("[" * 200_000)


async def test_nesting_through_aliases_is_bounded_as_well() -> None:
    """A chain of aliases, each one level deeper, does not get around the bound."""
    rows = ["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, MAX_DEPTH + 50))]

    judgement = await VALIDATOR.validate("\n".join(rows))

    assert [finding.code for finding in judgement.findings] == ["depth-limit"]


async def test_an_alias_within_its_own_anchor_is_a_finding() -> None:
    """A value that contains itself is named by a warning, as the real tools let it pass, and the rest is judged."""
    judgement = await VALIDATOR.validate("title: &t [*t]\n")

    found = {finding.code: finding for finding in judgement.findings}
    assert (found["alias-circle"].path, found["alias-circle"].line, found["alias-circle"].column) == (
        "/title/0",
        1,
        12,
    )
    assert found["alias-circle"].severity is Severity.WARNING
    assert "missing-field" in found


def test_merged_keys_are_there_and_may_be_overridden() -> None:
    """`<<` takes over what is not there yet, from the first of several; overriding is no duplicate."""
    document = read("base: &b {x: 1, y: 2}\nother: &o {x: 9, z: 3}\nspec: {<<: [*b, *o], y: 5}\n'<<': text\n")

    assert document.data["spec"] == {"x": 1, "y": 5, "z": 3}
    assert document.data["<<"] == "text"
    assert document.faults == ()


def test_a_tagged_scalar_has_the_value_of_its_tag() -> None:
    """`!!str 1` is text, a quoted 1 is text, a plain one is a number."""
    document = read("a: !!str 1\nb: '1'\nc: 1\nd: ! 1\ne: !!float 1\nf: !!null ~\n")

    assert list(document.data.values()) == ["1", "1", 1, "1", 1, None]


def test_json_may_be_indented_by_tabs_and_escape_beyond_the_basic_plane() -> None:
    """What is JSON is read, though YAML 1.1's scanner would refuse these two."""
    document = read('{\n\t"id": "FEAT-1",\n\t"title": "\\ud83d\\ude00 a\\/b"\n}')

    assert document.data == {"id": "FEAT-1", "title": "\U0001f600 a/b"}
    assert document.place(("title",)) == (3, 11)


def test_json_may_have_keys_of_any_length() -> None:
    """YAML itself stops at 1,024 characters."""
    tree = {"a": {"\u0301" * 2000: ["x" * 2000, {"y" * 1100: 1}]}, "b": 2}

    assert read(json.dumps(tree)).data == tree


def test_paths_are_json_pointers() -> None:
    """Slashes and tildes in keys are escaped as RFC 6901 has it."""
    document = read("a/b~c: {x: 1, x: 2}\n")

    assert document.faults[0].path == "/a~1b~0c/x"


@given(TREES)
@settings(max_examples=150)
async def test_any_tree_gets_a_verdict_or_a_refusal(tree: Any) -> None:
    """Whatever YAML is sent, as a tree that another library wrote, nobody sees a traceback."""
    document = yaml.safe_dump(tree, allow_unicode=True)

    assert isinstance(await verdict_or_refusal(document), Judgement | NotAMapping)


@given(st.dictionaries(st.text(max_size=10), JSON, max_size=4))
@settings(max_examples=100)
async def test_any_json_object_is_read(tree: dict[str, Any]) -> None:
    """A JSON object is a mapping to YAML, whatever stands in it."""
    assert isinstance(await VALIDATOR.validate(json.dumps(tree)), Judgement)


@given(
    st.one_of(
        st.text(max_size=200), st.binary(max_size=200), st.text("[]{}:-,&*!|>'\"%@`#a1 \n\t<", max_size=80)
    )
)
@settings(max_examples=300)
async def test_any_text_gets_a_verdict_or_a_refusal(document: str | bytes) -> None:
    """Nor when it is no YAML at all."""
    assert isinstance(await verdict_or_refusal(document), Judgement | NotAMapping)


async def test_a_long_document_is_judged_all_the_same() -> None:
    """Beyond the size that is judged at once a thread does it, with the same answer."""
    document = "id: FEAT-1\nfiller: [" + ", ".join(["some text"] * 10_000) + "]\n"

    judgement = await VALIDATOR.validate(document)

    assert {finding.code for finding in judgement.findings} >= {"missing-field"}
