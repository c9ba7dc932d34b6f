"""`make check` for what is not on its paths: `examples/shop`, and what `arbiter new` writes, by the rules of this repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
RULES = PROJECT / "pyproject.toml"
# What newcomers read first stays free of the marks that tell our linter why: an import where it is needed, an assert.
ALLOWED = 'lint.extend-per-file-ignores={"containers/__init__.py"=["PLC0415"], "*/http.py"=["S101"]}'


def main() -> int:
    """Check both; the exit code of the first check that fails."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        leave = shutil.ignore_patterns("data", "__pycache__", ".*cache")
        shutil.copytree(PROJECT / "examples" / "shop", folder / "shop", ignore=leave)
        _run(folder, "arbiter", "new", "tea-shop")
        for application, package in (("shop", "shop"), ("tea-shop", "tea_shop")):
            _check(folder / application, package)
    return 0


def _check(folder: Path, package: str) -> None:
    own = f'lint.isort.known-first-party=["config", "containers", "tests", "{package}"]'
    _run(
        folder, "ruff", "check", "--quiet", "--config", str(RULES), "--config", own, "--config", ALLOWED, "."
    )
    _run(folder, "ruff", "format", "--quiet", "--check", "--config", str(RULES), ".")
    cache = PROJECT / ".mypy_cache" / "examples"
    _run(folder, "mypy", "--config-file", str(RULES), "--cache-dir", str(cache), "--no-error-summary", ".")


def _run(folder: Path, program: str, *arguments: str) -> None:
    # mypy does not see the framework through the hook by which it is installed here
    environment = {**os.environ, "MYPYPATH": str(PROJECT)}
    done = subprocess.run(
        [BIN / program, *arguments], cwd=folder, env=environment, check=False, capture_output=True, text=True
    )
    if done.returncode:
        print(f"{folder.name}: {program} {arguments[0]}:\n{done.stdout}{done.stderr}", file=sys.stderr)
        sys.exit(done.returncode)


if __name__ == "__main__":
    sys.exit(main())
