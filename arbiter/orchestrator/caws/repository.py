"""The change in a git repository itself: everything since the point where it left a base revision.

Counted are commits, the index, the working tree and files that git does not know yet, so an agent cannot hide a change by
not committing it. Runs git as a process, with hooks, external diffs and text conversion off.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from arbiter.errors import Invalid
from arbiter.orchestrator.caws.change import Change, ChangedFile, change_of_numstat
from arbiter.orchestrator.caws.globs import matches

__all__ = ["RepositoryUnreadable", "change_since"]

_TIMEOUT_S: Final = 60
_LARGEST_NEW_FILE: Final = 8 * 1024 * 1024
_GIT: Final = ("git", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false", "-c", "diff.external=")


class RepositoryUnreadable(Invalid):
    """The folder is no git repository, the revision is not there, or there is no git."""

    code = "repository-unreadable"

    def __init__(self, reason: str) -> None:
        hint = "Give --base a revision that this clone holds; in CI fetch enough history (fetch-depth: 0)."
        super().__init__(f"the repository cannot be read: {reason}", hint=hint, field="base")


def change_since(base: str, folder: Path) -> Change:
    """What changed in the repository around `folder` since it left `base`.

    Args:
        base: a revision: a branch, a tag, a commit.
        folder: a folder of the repository; paths come out relative to the repository's root.

    Raises:
        RepositoryUnreadable: see there.
    """
    if base.startswith("-"):
        raise RepositoryUnreadable(f"{base!r} is no revision")
    root = Path(_git(folder, "rev-parse", "--show-toplevel").rstrip("\n"))
    commit = _git(root, "rev-parse", "--verify", "--end-of-options", base + "^{commit}").strip()
    left = _git(root, "merge-base", commit, "HEAD", accept=(0, 1)).strip() or commit
    options = ("--numstat", "-z", "--find-renames", "--no-ext-diff", "--no-textconv", left, "--")
    tracked = change_of_numstat(_git(root, "diff", *options)).files
    kinds = _git(root, "diff", "--name-status", "-z", "--no-renames", "--diff-filter=D", left, "--").split(
        "\0"
    )
    deleted = set(kinds[1::2])
    patterns = _generated_patterns(_git(root, "show", f"{left}:.gitattributes", accept=(0, 128)))
    files = [replace(file, deleted=file.path in deleted) for file in tracked] + list(_untracked(root))
    marked = (replace(file, generated=any(matches(file.path, p) for p in patterns)) for file in files)
    return Change(tuple(marked), f"the change since {base}")


def _untracked(root: Path) -> Iterable[ChangedFile]:
    for name in _git(root, "ls-files", "--others", "--exclude-standard", "-z").split("\0"):
        if name:
            yield _new_file(root, name)


def _new_file(root: Path, name: str) -> ChangedFile:
    path = root / name
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _LARGEST_NEW_FILE:
        return ChangedFile(name, binary=True)
    content = path.read_bytes()
    if b"\0" in content[:8000]:  # as git itself decides
        return ChangedFile(name, binary=True)
    return ChangedFile(name, added=content.count(b"\n") + bool(content and not content.endswith(b"\n")))


def _generated_patterns(attributes: str) -> tuple[str, ...]:
    """What the base says is generated; the change's own word on that would be worth nothing."""
    lines = (line.split() for line in attributes.splitlines() if not line.startswith("#"))
    wanted = {"linguist-generated", "linguist-generated=true"}
    found = (words[0] for words in lines if len(words) > 1 and wanted & set(words[1:]))
    return tuple(name.lstrip("/") if "/" in name else f"**/{name}" for name in found)


def _git(folder: Path, *arguments: str, accept: tuple[int, ...] = (0,)) -> str:
    try:
        done = subprocess.run(  # noqa: S603  a fixed program, and revisions that cannot be options
            [*_GIT, "-C", str(folder), *arguments], capture_output=True, timeout=_TIMEOUT_S, check=False
        )
    except FileNotFoundError as error:
        raise RepositoryUnreadable("git is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise RepositoryUnreadable(f"git took longer than {_TIMEOUT_S} s") from error
    if done.returncode not in accept:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise RepositoryUnreadable(said[-1] if said else f"git {arguments[0]} ended with {done.returncode}")
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""
