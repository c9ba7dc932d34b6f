"""Scopes: which paths an entry means, and which changed files a spec allows."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from arbiter.orchestrator.caws.change import Change, ChangedFile
from arbiter.orchestrator.caws.document import read
from arbiter.orchestrator.caws.globs import matches
from arbiter.orchestrator.caws.policy import Policy, policy_of
from arbiter.orchestrator.caws.scope import strays

MEANT = [
    ("src", "src/a.py"),
    ("src/", "src/a.py"),
    ("./src", "src/x/a.py"),
    ("src", "src"),
    ("src/*.py", "src/a.py"),
    ("src/**", "src/x/y.py"),
    ("src/**/*.py", "src/a.py"),
    ("src/**/*.py", "src/x/y/a.py"),
    ("**/test_*.py", "a/b/test_x.py"),
    ("src/{a,b}/*.ts", "src/b/x.ts"),
    ("src/?.py", "src/a.py"),
    ("src/[ab].py", "src/a.py"),
    ("*.md", "README.md"),
    ("src/*/", "src/a/b.py"),
    ("**", "any/thing"),
]
OTHER = [
    ("src", "srcx/a.py"),
    ("src", "lib/src/a.py"),
    ("src/*.py", "src/x/a.py"),
    ("*.md", "docs/README.md"),
    ("src/**/*.py", "lib/a.py"),
    ("src/{a,b}/*.ts", "src/c/x.ts"),
    ("", "src"),
    ("src/a.py", "src/a.pyc"),
]


@pytest.mark.parametrize(("entry", "path"), MEANT)
def test_an_entry_means_these(entry: str, path: str) -> None:
    """Paths, directories and globs, as release 12 reads them."""
    assert matches(path, entry)


@pytest.mark.parametrize(("entry", "path"), OTHER)
def test_an_entry_does_not_mean_these(entry: str, path: str) -> None:
    """Nothing beside a directory, and no star across one."""
    assert not matches(path, entry)


def test_an_exclusion_is_read_as_widely_as_it_can_be_meant() -> None:
    """`*.pyc` without a slash is asked of the name, wherever the file is."""
    assert matches("src/x/a.pyc", "*.pyc", anywhere=True)


def test_no_entry_takes_long() -> None:
    """Stars upon stars are answered at once."""
    path, entry = "a/" * 60 + "b", "**/" * 60 + "*a*a*a*a*a*a*a*c" + "{x,y}" * 30

    began = time.process_time()

    assert not matches(path, entry)
    assert time.process_time() - began < 0.1


def outside(scope: str, *files: ChangedFile, policy: Policy | None = None) -> list[tuple[str, str]]:
    """Path and step of each stray."""
    document = read(f"id: FEAT-1\nscope: {scope}\n")
    found = strays(Change(files), document, policy or policy_of("3.4.0"))
    return [(stray.path, stray.step) for stray in found]


def test_files_inside_are_allowed_and_all_others_are_not() -> None:
    """Inside `in`, outside `out`; an exclusion goes before an admission."""
    files = [ChangedFile(name) for name in ("src/a.py", "src/secret/b.py", "lib/c.py")]

    assert outside("{in: [src], out: [src/secret]}", *files) == [
        ("src/secret/b.py", "out"),
        ("lib/c.py", "in"),
    ]


def test_both_ends_of_a_rename_are_asked() -> None:
    """What moves out of a foreign place changes that place."""
    moved = ChangedFile("src/a.py", old_path="lib/a.py")

    assert outside("{in: [src]}", moved) == [("lib/a.py", "in")]


def test_a_path_cannot_leave_the_repository() -> None:
    """Dots that climb are refused, whatever the scope admits."""
    assert outside("{in: ['**']}", ChangedFile("src/../../etc/passwd")) == [("src/../../etc/passwd", "in")]


def test_the_specs_own_folder_and_what_the_policy_frees_are_exempt() -> None:
    """Specs and waivers, ungoverned zones, and named files of the root."""
    policy = replace(policy_of("3.4.0"), ungoverned=("tmp/**",), passthrough=("README.md",))
    files = [ChangedFile(name) for name in (".caws/waivers/a.yaml", "tmp/x/y", "README.md")]

    assert outside("{in: [src]}", *files, policy=policy) == []


def test_support_admits_as_in_does() -> None:
    """Release 12's `scope.support`."""
    assert outside("{in: [src], support: [CHANGELOG.md]}", ChangedFile("CHANGELOG.md")) == []


@pytest.mark.parametrize("scope", ["{}", "src", "[]", "null", "{in: 7}"])
def test_a_scope_of_any_shape_gets_an_answer(scope: str) -> None:
    """Where nothing is admitted, nothing is inside."""
    assert outside(scope, ChangedFile("src/a.py")) == [("src/a.py", "in")]
