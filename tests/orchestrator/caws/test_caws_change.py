"""What a change touches: diffs, numstat, the repository itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from arbiter.orchestrator.caws.change import (
    Change,
    ChangedFile,
    ChangeUnreadable,
    change_of_diff,
    change_of_numstat,
)
from arbiter.orchestrator.caws.repository import RepositoryUnreadable, change_since

DIFF = """\
diff --git a/bin.dat b/bin.dat
index 8352675..a903574 100644
Binary files a/bin.dat and b/bin.dat differ
diff --git a/del.txt b/del.txt
deleted file mode 100644
index abaddc0..0000000
--- a/del.txt
+++ /dev/null
@@ -1 +0,0 @@
-del
diff --git a/old.txt b/new/name.txt
similarity index 100%
rename from old.txt
rename to new/name.txt
diff --git a/run.sh b/run.sh
old mode 100644
new mode 100755
diff --git "a/\\303\\274ml\\"aut.txt" "b/\\303\\274ml\\"aut.txt"
index 8be8316..c079234 100644
--- "a/\\303\\274ml\\"aut.txt"
+++ "b/\\303\\274ml\\"aut.txt"
@@ -1 +1,2 @@
 x
+y
diff --git a/sql.sql b/sql.sql
index 8e20063..58fc7f8 100644
--- a/sql.sql
+++ b/sql.sql
@@ -1,2 +1,2 @@
--- x
 -- y
+++ plus
"""
FILES = (
    ChangedFile("bin.dat", binary=True),
    ChangedFile("del.txt", removed=1, deleted=True),
    ChangedFile("new/name.txt", old_path="old.txt"),
    ChangedFile("run.sh"),
    ChangedFile('üml"aut.txt', added=1),
    ChangedFile("sql.sql", added=1, removed=1),
)


def test_a_diff_is_read_with_all_that_git_writes() -> None:
    """Binaries, deletions, pure renames, changed modes, quoted names, and lines that look like headers."""
    assert change_of_diff(DIFF).files == FILES


@pytest.mark.parametrize(("old", "new"), [("a/", "b/"), ("i/", "w/"), ("c/", "i/"), ("1/", "2/"), ("", "")])
def test_prefixes_are_those_that_git_is_set_to(old: str, new: str) -> None:
    """`diff.mnemonicPrefix` and `diff.noprefix` change no path, also in a folder that is called like a prefix."""
    diff = (
        f"diff --git {old}b/x.py {new}b/x.py\n--- {old}b/x.py\n+++ {new}b/x.py\n@@ -1 +1 @@\n-1\n+2\n"
        f"diff --git {old}a/y.py {new}a/y.py\ndeleted file mode 100644\n--- {old}a/y.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n"
        f"diff --git {old}c/z.py {new}c/z.py\nnew file mode 100644\n--- /dev/null\n+++ {new}c/z.py\n@@ -0,0 +1 @@\n+1\n"
    )

    assert [file.path for file in change_of_diff(diff).files] == ["b/x.py", "a/y.py", "c/z.py"]


def test_a_combined_diff_is_refused() -> None:
    """Its lines have a column for each parent: counted as any other they would be none."""
    diff = "diff --cc f\nindex 1,2..0\n--- a/f\n+++ b/f\n@@@ -1,1 -1,1 +1,2 @@@\n  a\n++b\n"

    with pytest.raises(ChangeUnreadable, match="merge"):
        change_of_diff(diff)


def test_numstat_says_the_same() -> None:
    """Plain, with braces and quotes; only that a file is gone it does not say."""
    plain = '-\t-\tbin.dat\n0\t1\tdel.txt\n0\t0\told.txt => new/name.txt\n0\t0\trun.sh\n1\t0\t"\\303\\274ml\\"aut.txt"\n1\t1\tsql.sql\n'
    records = '-\t-\tbin.dat\x000\t1\tdel.txt\x000\t0\t\x00old.txt\x00new/name.txt\x000\t0\trun.sh\x001\t0\tüml"aut.txt\x001\t1\tsql.sql\x00'
    expected = tuple(ChangedFile(f.path, f.added, f.removed, f.old_path, binary=f.binary) for f in FILES)

    assert change_of_numstat(plain).files == expected
    assert change_of_numstat(records).files == expected


def test_a_name_may_hold_what_unicode_calls_a_lines_end() -> None:
    """Lines of numstat end where git ends them, with a carriage return before it on some systems."""
    change = change_of_numstat("1\t0\tsrc/a\u2028b\x85.py\r\n2\t1\tc.py\n")

    assert [(file.path, file.added) for file in change.files] == [("src/a\u2028b\x85.py", 1), ("c.py", 2)]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("src/{a => b}/c.py", "src/a/c.py", "src/b/c.py"),
        ("src/{ => b}/c.py", "src/c.py", "src/b/c.py"),
        ("{a => b}/c.py", "a/c.py", "b/c.py"),
    ],
)
def test_renames_in_braces_have_two_paths(name: str, old: str, new: str) -> None:
    """As git shortens them; both ends belong to the change."""
    assert change_of_numstat(f"1\t2\t{name}\n").files[0].paths == (new, old)


@pytest.mark.parametrize("text", ["hello\n", "--- a/x\n+++ b/x\n@@ -1,3 +1,1 @@\n-a\n"])
def test_what_is_no_diff_is_refused(text: str) -> None:
    """Text that names no file, and hunks that are shorter than they say, are errors and no empty change."""
    with pytest.raises(ChangeUnreadable):
        change_of_diff(text)


@pytest.mark.parametrize("text", ["hello\n", "1\t2\n", "a\tb\tc\n", "1\t2\t\n"])
def test_what_is_no_numstat_is_refused(text: str) -> None:
    """So is a line that is none of numstat's."""
    with pytest.raises(ChangeUnreadable):
        change_of_numstat(text)


def test_an_empty_diff_is_an_empty_change() -> None:
    """Nothing changed is an answer."""
    assert change_of_diff("").files == change_of_numstat("\n").files == ()


def test_a_file_in_several_commits_counts_once() -> None:
    """The lines of both are added up."""
    text = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n"

    assert change_of_diff(text + text).files == (ChangedFile("x", 2, 2),)


def git(folder: Path, *arguments: str) -> None:
    """Run git as somebody, whoever runs the test."""
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def test_the_repository_itself_tells_its_change(tmp_path: Path) -> None:
    """Since the branch left its base: commits, the working tree and unknown files, and what the base calls generated."""
    git(tmp_path, "init", "-q", "-b", "main")
    for name in ("keep.py", "gone.py", "moved.py"):
        (tmp_path / name).write_text("".join(f"{name} line {n}\n" for n in range(9)))
    (tmp_path / ".gitattributes").write_text("api.gen.py linguist-generated\n")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "base")
    git(tmp_path, "checkout", "-qb", "work")
    git(tmp_path, "mv", "moved.py", "new name.py")
    git(tmp_path, "rm", "-q", "gone.py")
    git(tmp_path, "commit", "-qam", "work")
    (tmp_path / "keep.py").write_text("other\n")
    (tmp_path / "api.gen.py").write_text("1\n2")
    (tmp_path / "blob").write_bytes(b"\0\1")
    git(tmp_path, "checkout", "-q", "main")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "main goes on")
    git(tmp_path, "checkout", "-q", "work")

    change = change_since("main", tmp_path)

    found = {file.path: file for file in change.files}
    assert found["new name.py"] == ChangedFile("new name.py", old_path="moved.py")
    assert found["gone.py"] == ChangedFile("gone.py", removed=9, deleted=True)
    assert found["keep.py"] == ChangedFile("keep.py", added=1, removed=9)
    assert found["api.gen.py"] == ChangedFile("api.gen.py", added=2, generated=True)
    assert found["blob"].binary
    assert isinstance(change, Change)


@pytest.mark.parametrize("base", ["nowhere", "--output=x", "HEAD~99"])
def test_a_revision_that_is_not_there_is_refused(tmp_path: Path, base: str) -> None:
    """Nor can a revision be smuggled in as an option."""
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "first")

    with pytest.raises(RepositoryUnreadable):
        change_since(base, tmp_path)


def test_a_folder_without_repository_is_refused(tmp_path: Path) -> None:
    """The error says so, with git's own words."""
    with pytest.raises(RepositoryUnreadable, match="repository"):
        change_since("HEAD", tmp_path)
