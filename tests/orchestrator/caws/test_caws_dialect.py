"""Where YAML 1.2 as js-yaml 4.1.0 reads it parts from the parser's 1.1; each case was tried with js-yaml."""

from __future__ import annotations

from typing import Any

import pytest

from arbiter.orchestrator.caws.document import read
from arbiter.orchestrator.caws.models import NotAMapping

ASTRAL = chr(0x100000)


def reads(document: str, data: dict[str, Any] | None) -> None:
    """It is read as that; or refused, where that is None."""
    if data is None:
        with pytest.raises(NotAMapping):
            read(document)
    else:
        found = read(document)
        assert (found.data, found.faults) == (data, ())


@pytest.mark.parametrize(
    ("document", "data"),
    [
        ("a: x\x85y\nb: 1\n", {"a": "x\x85y", "b": 1}),
        ("a: \u2028\nb: 1\n", {"a": "\u2028", "b": 1}),
        ("a: 'x\u2029y'\nb: \"\\N\"\n", {"a": "x\u2029y", "b": "\x85"}),
        (f"a: {ASTRAL}\u2028\n", {"a": f"{ASTRAL}\u2028"}),
    ],
)
@pytest.mark.parametrize("encoded", [False, True])
def test_three_line_ends_of_yaml_1_1_are_characters(
    document: str, data: dict[str, Any], *, encoded: bool
) -> None:
    """Next line, line and paragraph separator end no line, whatever else stands in the document."""
    found = read(document.encode() if encoded else document)

    assert found.data == data
    assert found.faults == ()


def test_such_characters_move_no_place() -> None:
    """Lines and columns count them as one character each."""
    found = read("a: x\u2028y\nb: {c: \u2028, d: 1}\n")

    assert found.place(("b", "d")) == (2, 14)


@pytest.mark.parametrize(
    ("document", "data"),
    [
        ("a: {b:,c: 1}\n", {"a": {"b": None, "c": 1}}),
        ("a: {b:[1], c:{d: 2}}\n", {"a": {"b": [1], "c": {"d": 2}}}),
        ("a: [b:]\n", {"a": [{"b": None}]}),
    ],
)
def test_a_colon_may_stand_before_what_ends_a_value(document: str, data: dict[str, Any]) -> None:
    """The key has no value, or the one that follows."""
    assert read(document).data == data


@pytest.mark.parametrize(
    ("document", "data"),
    [
        ("a: &b: 1\nc: *b: \n", {"a": 1, "c": 1}),
        ("a: {x: 1,&b: c}\n", {"a": {"x": 1, "c": None}}),
        ("a:\n  &b: [1]\n", {"a": [1]}),
        ("a:\n  &b: [1]\n  c: 2\n", None),
    ],
)
def test_a_colon_belongs_to_the_name_of_an_anchor(document: str, data: dict[str, Any] | None) -> None:
    """`&b: 1` is the value 1 called `b:`, no key without a name; what follows must fit that."""
    reads(document, data)


@pytest.mark.parametrize(
    ("document", "data"),
    [
        ("a: {i,: x}\n", {"a": {"i": None, "null": "x"}}),
        ("a: [: x]\n", {"a": [{"null": "x"}]}),
        ("a: {b,:,c: 1}\n", {"a": {"b": None, "null": None, "c": 1}}),
        ("a: [,: x]\n", None),
        ("a: {i,:x}\n", {"a": {"i": None, ":x": None}}),
        ("a: {:n: :1, b: 2}\n", {"a": {":n": ":1", "b": 2}}),
        ("a: {?d: ?1, b: [?c d]}\n", {"a": {"?d": "?1", "b": ["?c d"]}}),
        ('a: ["c",?"d"]\n', {"a": ["c", '?"d"']}),
        ("a: {? d: 1}\nb: ?c\nd: 'x?y'\n", {"a": {"d": 1}, "b": "?c", "d": "x?y"}),
        ("a: [:'b c' d#e , :f # g\n  ]\n", {"a": [":'b c' d#e", ":f"]}),
    ],
)
def test_a_key_before_a_colon_may_be_missed_in_brackets(document: str, data: dict[str, Any] | None) -> None:
    """It is null, whose text as a key is `null`; a colon or question mark with something behind it begins a text."""
    reads(document, data)


@pytest.mark.parametrize(
    ("document", "data"),
    [
        ("a: {k: -}", None),
        ("a: [-, b]", None),
        ("a: [x, -]", None),
        ("a: [-[b]]", None),
        ("a: {-: b}", {"a": {"-": "b"}}),
        ("a: [-x, '-', \"-,\"]", {"a": ["-x", "-", "-,"]}),
        ("a: -,\nb: '[-]'", {"a": "-,", "b": "[-]"}),
    ],
)
def test_a_dash_is_no_value_in_brackets(document: str, data: dict[str, Any] | None) -> None:
    """It begins an entry of a list of lines, unless something follows it or it is quoted."""
    reads(document, data)


@pytest.mark.parametrize(
    ("document", "data"),
    [
        ("a: &b/c 1\nd: *b/c\n", {"a": 1, "d": 1}),
        ('a: [&"x 1, *"x]\n', {"a": [1, 1]}),
        ("a: &\u00e9 1\nb: [*\u00e9]\n", {"a": 1, "b": [1]}),
        ("a: &# x\nb: 'R&D/x'\n", {"a": "x", "b": "R&D/x"}),
        ("a: &b/c 1\nd: *b/d\n", None),
    ],
)
def test_an_anchors_name_is_what_has_no_blank_comma_or_bracket(
    document: str, data: dict[str, Any] | None
) -> None:
    """The parser knows letters, digits, dash and underscore; names that differ stay different."""
    reads(document, data)


@pytest.mark.parametrize(
    ("document", "data"),
    [
        ("a:\n  -\tx\n  -\t'y: 1'\n  - \t[z]\n", {"a": ["x", "y: 1", ["z"]]}),
        ("a:\n  -\tx: 1\n", None),
        ("a:\n  -\t- x\n", None),
        ("a:\n\tx\n", None),
        ("a:\n  \t x\n  y\n", {"a": "x y"}),
        ("a:\n  b:\n  \t'x'\n", None),
        ("a:\n  \tb: 1\n", None),
        ("a:\n\t# why\n  - 1\n \t # not\n", {"a": [1]}),
    ],
)
def test_tabs_may_part_but_not_indent(document: str, data: dict[str, Any] | None) -> None:
    """Before one value and before a comment; not before a list or mapping of lines, nor in place of blanks."""
    reads(document, data)


@pytest.mark.parametrize(
    ("document", "data"),
    [("a: >-#\n  b\n", None), ("a: |2#\n  b\n", None), ("a: | # x\n  >-#\n", {"a": ">-#\n"})],
)
def test_a_blank_stands_between_the_sign_of_a_block_and_a_comment(
    document: str, data: dict[str, Any] | None
) -> None:
    """Else it is no comment, and nothing else may stand there."""
    reads(document, data)


@pytest.mark.parametrize("blank", ["\t", " \t ", "\t\t\r"])
def test_a_line_of_tabs_is_an_empty_line(blank: str) -> None:
    """Editors leave them behind, at the end most of all."""
    assert read(f"a: 1\n{blank}\nb: 2\n{blank}").data == {"a": 1, "b": 2}
    assert read("a: x\n\t\n  y\n" + 9 * "\t\n").data == {"a": "x\ny"}


def test_a_line_of_tabs_ends_a_block_of_text() -> None:
    """It is indented by nothing; where blanks go before the tab it belongs to the text."""
    reads("a: >\n  x\n\t\nb: 1\n", {"a": "x\n", "b": 1})
    reads("a: >\n  x\n\t\n  y\n", None)
    reads("a: |\n  x\n  \t\n  y\n", {"a": "x\n\t\ny\n"})


@pytest.mark.parametrize(
    "document",
    ["{" + "a:," * 40 + "}", "a: {" + ",".join(f"&b{n}: 1" for n in range(40)) + "}", "{a:,\rb:,\r@}"],
)
def test_what_needs_much_mending_is_refused(document: str) -> None:
    """Each mend costs a reading, so there are few; what cannot be mended is refused as well."""
    with pytest.raises(NotAMapping):
        read(document)


@pytest.mark.parametrize(
    ("written", "is_fault"),
    [
        ('!!null ""', True),
        ("!!null", False),
        ("!!null ~", False),
        ("!", False),
        ("!!omap [a: 1, b: 2]", False),
        ("!!omap [a: 1, a: 2]", True),
        ("!!omap [a]", True),
        ("!!pairs [a: 1, a: 2]", False),
        ("!!pairs [{a: 1, b: 2}]", True),
        ("!!set {a, b}", False),
        ("!!set {a: 1}", True),
    ],
)
def test_a_tag_is_held_against_its_contents(written: str, *, is_fault: bool) -> None:
    """js-yaml refuses contents that are none of the tag."""
    assert [fault.code for fault in read(f"a: {written}\n").faults] == ["unknown-tag"] * is_fault
