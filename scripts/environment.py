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
    say(f"Installing the packages of {lock.name}")
    install = install_lock(python, lock)
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


def install_lock(python: Path, lock: Path) -> list[str]:
    """Install what the lock says, with uv if it can be had and else with pip; returns the command that did it."""
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    uv = [str(python), "-m", "uv", "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python)]
    locked = ["--require-hashes", "-r"]
    with tempfile.TemporaryDirectory() as folder:
        only_uv = Path(folder) / "uv.txt"
        only_uv.write_text(entry(lock, "uv"), encoding="utf-8")
        if succeeds([*pip, *locked, str(only_uv)]) and succeeds([*uv, *locked, str(lock)]):
            return uv
    say("uv cannot be had here, or cannot do it; plain pip does, more slowly")
    run([*pip, *locked, str(lock)])
    return pip


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


def succeeds(command: list[str]) -> bool:
    """Run a step whose failure is no end."""
    # uv knows only its own certificates unless told; a company's proxy is known to the system.
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never", "UV_SYSTEM_CERTS": "1", "VIRTUAL_ENV": ""}
    return subprocess.run(command, check=False, env=environment, cwd=ROOT).returncode == 0


def run(command: list[str]) -> None:
    """Run a step, or end with what it was."""
    if not succeeds(command):
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
