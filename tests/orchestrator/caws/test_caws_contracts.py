"""Contracts: the files exist, and parse as what they claim to be."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from arbiter.orchestrator.caws.contracts import Attached, Folder, faults
from arbiter.orchestrator.caws.document import read

GOOD = [
    ("openapi", "api.yaml", "openapi: 3.1.0\ninfo: {title: a, version: '1'}\npaths: {}\n"),
    ("swagger", "api.json", '{"swagger": "2.0", "info": {}, "paths": {}}'),
    ("graphql", "a.graphql", 'type Query { "a } in text" a(b: [Int!]): String } # {\n'),
    ("proto", "a.proto", 'syntax = "proto3";\nmessage A { int32 b = 1; } // {\n'),
    ("pact", "p.json", '{"consumer": {}, "provider": {}, "interactions": []}'),
    ("avro", "a.avsc", '{"type": "record", "name": "A", "fields": []}'),
    ("thrift", "a.thrift", "struct A { 1: i32 b }\n"),
    ("api", "a.proto", "service A {}\n"),
    ("schema", "s.json", '{"type": "object"}'),
    ("project_setup", "setup.txt", "anything"),
]
BAD = [
    ("openapi", "api.yaml", "just: text\n", "neither"),
    ("openapi", "api.yaml", "openapi: 3.1.0\ninfo: {}\n", "no paths"),
    ("openapi", "api.yaml", "openapi: [\n", "no YAML"),
    ("openapi", "api.yaml", "openapi: 3.0.0\nopenapi: 3.1.0\ninfo: {}\npaths: {}\n", "twice"),
    ("graphql", "a.graphql", "type Query { a: Int \n", "not closed"),
    ("graphql", "a.graphql", "hello world\n", "defines none"),
    ("proto", "a.proto", "message A { } }\n", "line 1"),
    ("proto", "a.proto", "\xff".encode("latin-1").decode("latin-1"), "defines none"),
    ("pact", "p.json", '{"consumer": {}}', "no provider"),
    ("avro", "a.avsc", "{}", "no type"),
    ("schema", "s.json", '{"a": 1}', "says nothing"),
]


def wrong(kind: str, path: str, content: str | None) -> list[str]:
    """What is wrong with a contract of that kind, at that path, with that content."""
    document = read(f"contracts: [{{type: {kind}, name: x, path: {path}}}]\n")
    files = Attached({} if content is None else {path: content.encode()})
    return [fault.message for fault in faults(document, files)]


@pytest.mark.parametrize(("kind", "path", "content"), GOOD)
def test_what_parses_as_it_claims_holds(kind: str, path: str, content: str) -> None:
    """Nothing is said of it."""
    assert wrong(kind, path, content) == []


@pytest.mark.parametrize(("kind", "path", "content", "words"), BAD)
def test_what_does_not_is_told_with_the_reason(kind: str, path: str, content: str, words: str) -> None:
    """One sentence, with the file and what is wrong in it."""
    (message,) = wrong(kind, path, content)

    assert path in message
    assert words in message


def test_a_missing_file_is_told() -> None:
    """And so is a contract without a path, unless release 12 lets it do without."""
    assert wrong("openapi", "api.yaml", None) == ["api.yaml is not there"]
    assert len(list(faults(read("contracts: [{type: openapi}, text]\n"), Attached({})))) == 2
    assert list(faults(read("contracts: [{type: behavior, name: a}]\n"), Attached({}))) == []


def test_a_path_cannot_leave_the_folder(tmp_path: Path) -> None:
    """Neither by dots, nor by a link, nor by being absolute."""
    inner = tmp_path / "inner"
    inner.mkdir()
    secret = tmp_path / "secret.yaml"
    secret.write_text("openapi: 3.1.0\n")
    (inner / "link.yaml").symlink_to(secret)
    (inner / "own.yaml").write_text("a: 1\n")

    found = [
        Folder(inner).read(path)
        for path in ("../secret.yaml", "link.yaml", str(secret), "a\0b", ".", "own.yaml")
    ]

    assert found == [None, None, None, None, None, b"a: 1\n"]


def test_no_content_takes_long() -> None:
    """Comments and texts that never end are read once."""
    began = time.thread_time()
    for content in ("type A {" + "/*" * 100_000, 'type A {"""' * 20_000, "type A {" + '"' * 100_001):
        wrong("graphql", "a.graphql", content)

    assert time.thread_time() - began < 1.0
