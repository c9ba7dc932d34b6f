"""Make a virtual environment that holds exactly what a lock file says, and the project itself.

    python scripts/environment.py .venv requirements.lock

Needs Python 3.11 or newer and nothing else. uv is installed inside the environment, from the same lock, and installs
the rest in seconds; where it cannot be had, plain pip does it. A stamp makes the second run return at once, offline.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INPUTS = ("pyproject.toml", "arbiter/_version.py", "scripts/environment.py")


def main(environment: Path, lock: Path) -> None:
    """Make `environment` hold what `lock` says, unless its stamp shows that it does."""
    stamp = environment / "arbiter.stamp"
    wanted = fingerprint(lock)
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return
    say(f"Setting up {environment.name} (the first time takes a minute, later runs none)")
    python = create(environment)
    install = installer(python, lock)
    say(f"Installing the packages of {lock.name}")
    run([*install, "--require-hashes", "-r", str(lock)])
    say("Installing the project")
    run([*install, "--no-deps", "--no-build-isolation", "-e", str(ROOT)])
    run([str(python), "-m", "compileall", "-q", str(ROOT / "arbiter")])
    stamp.write_text(wanted, encoding="utf-8")


def fingerprint(lock: Path) -> str:
    """What the environment depends on; another Python, lock or build file means to set it up again."""
    digest = hashlib.sha256(f"{sys.version}{ROOT}".encode())
    for path in (lock, *(ROOT / name for name in INPUTS)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def create(environment: Path) -> Path:
    """An empty environment with pip; returns its interpreter."""
    try:
        venv.EnvBuilder(clear=True, with_pip=True, symlinks=os.name != "nt").create(environment)
    except (subprocess.CalledProcessError, OSError) as error:
        fail(
            f"Python {sys.version.split()[0]} cannot make a virtual environment ({error}).",
            "On Debian and Ubuntu: apt-get install python3-venv.",
        )
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def installer(python: Path, lock: Path) -> list[str]:
    """The command that installs into the environment: uv if it can be had, else pip."""
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    with tempfile.NamedTemporaryFile("w", suffix=".txt", delete=False, encoding="utf-8") as only_uv:
        only_uv.write(entry(lock, "uv"))
    try:
        subprocess.run([*pip, "--require-hashes", "-r", only_uv.name], check=True)
        uv = [
            str(python),
            "-m",
            "uv",
            "pip",
            "install",
            "--quiet",
            "--compile-bytecode",
            "--python",
            str(python),
        ]
        subprocess.run([str(python), "-m", "uv", "--version"], check=True, stdout=subprocess.DEVNULL)
    except (subprocess.CalledProcessError, OSError):
        say("uv cannot be had here; plain pip does it, more slowly")
        return pip
    finally:
        Path(only_uv.name).unlink(missing_ok=True)
    return uv


def entry(lock: Path, package: str) -> str:
    """The lines of one package in a hashed requirement file."""
    lines: list[str] = []
    for line in lock.read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{package}=="):
            lines = [line]
        elif lines and line.startswith((" ", "\t")):
            lines.append(line)
        elif lines:
            break
    return "\n".join(lines) + "\n"


def run(command: list[str]) -> None:
    """Run a step, or end with what it was."""
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never", "VIRTUAL_ENV": ""}
    outcome = subprocess.run(command, check=False, env=environment, cwd=ROOT)
    if outcome.returncode:
        fail(
            f"This step failed: {' '.join(command)}",
            "Its own message stands above. The next run starts afresh.",
        )


def say(sentence: str) -> None:
    """Tell what happens now."""
    print(f"==> {sentence}", file=sys.stderr, flush=True)


def fail(what: str, hint: str) -> None:
    """End with a sentence and its mend."""
    sys.exit(f"Error: {what}\nHint:  {hint}")


if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036  this file is what a newcomer's Python runs first
        fail(
            f"ARBITER needs Python 3.11 or newer; this is {sys.version.split()[0]}.",
            "make run PYTHON=python3.12",
        )
    if len(sys.argv) != 3:
        fail("Two arguments are needed.", "python scripts/environment.py .venv requirements.lock")
    main(ROOT / sys.argv[1], ROOT / sys.argv[2])
