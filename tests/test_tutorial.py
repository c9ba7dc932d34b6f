"""The tutorial is a program: its blocks run, in order, in an empty folder, and end in `examples/shop`."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.processes import PROJECT, clean_environment, probe, until

TUTORIAL = PROJECT / "docs" / "tutorial.md"
SHOP = PROJECT / "examples" / "shop"
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OWN = {"requirements.txt", "README.md"}
"""What the example has in words of its own: where the framework is, and what it is an example of."""


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, the words after it, its text."""

    language: str
    words: str
    text: str

    @property
    def title(self) -> str:
        """The file that it is, or nothing."""
        found = re.search(r'title="([^"]+)"', self.words)
        return found[1] if found else ""

    def commands(self) -> Iterator[tuple[str, str]]:
        """Each command of a console block with the output that it shows."""
        for part in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output.strip()


@dataclass
class Reader:
    """Somebody who follows the tutorial to the letter, on free ports and with an environment that is there already."""

    folder: Path
    port: int = field(default_factory=free_port)
    management: int = field(default_factory=free_port)
    server: subprocess.Popen[bytes] | None = None
    printed: str = ""

    def follow(self, block: Block) -> None:
        """Do what one block says."""
        match block:
            case Block(title=title) if title:
                (self.folder / title).write_text(block.text, encoding="utf-8")
            case Block("python"):
                self.printed = self.run([sys.executable, "-c", block.text])
            case Block("text"):
                assert self.printed == block.text
            case Block("console", " background"):
                self.serve(next(block.commands())[0])
            case Block("console", " stop"):
                assert self.stop() in {0, -signal.SIGINT}  # make tells that it was interrupted
            case Block("console"):
                for command, output in block.commands():
                    self.type(command, output)
            case _:
                raise AssertionError(f"nobody knows how to follow {block.language!r}")

    def type(self, command: str, output: str) -> None:
        """Run a command and look whether it says what the page says; "..." stands for anything."""
        if command.startswith("cd "):
            self.folder /= command.removeprefix("cd ")
            return
        pattern = ".*".join(re.escape(part) for part in output.split("...")) if output else ".*"
        said: list[str] = []

        def says_it() -> bool:
            said.append(self.run(["bash", "-c", self.moved(command)]).strip())
            return re.fullmatch(pattern, said[-1], re.DOTALL) is not None

        # what the page lets pass a moment for may be asked again; whatever changes something is done once
        asks_only = command.startswith("curl") and " -d " not in command
        try:
            until(says_it, limit_s=5 if asks_only else 0, what=f"$ {command}\n{output}")
        except TimeoutError as error:
            raise AssertionError(f"{error}; it said\n{said[-1]}") from None

    def run(self, command: list[str]) -> str:
        """Both streams of a command that succeeds."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.variables(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if command[0] == sys.executable else subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def serve(self, command: str) -> None:
        """Start the server of the first terminal, and wait until it is ready."""
        self.server = subprocess.Popen(
            command.split(),
            cwd=self.folder,
            env=self.variables(),
            start_new_session=True,
            stderr=subprocess.DEVNULL,
        )
        until(
            lambda: probe(f"http://127.0.0.1:{self.management}/readyz") == 200, what="the tutorial's server"
        )

    def stop(self) -> int:
        """Ctrl-C in the first terminal."""
        assert self.server is not None
        os.killpg(self.server.pid, signal.SIGINT)
        return self.server.wait(30)

    def variables(self) -> dict[str, str]:
        """The reader's environment: the command on the path, and free ports in place of 3000 and 3001."""
        binaries = str(Path(sys.executable).parent)
        return clean_environment(
            PATH=f"{binaries}:{os.environ['PATH']}",
            MAKEFLAGS=f"BIN={binaries}",
            PORT=str(self.port),
            ARBITER_MANAGEMENT__PORT=str(self.management),
            PYTHONPATH="",
        )

    def moved(self, command: str) -> str:
        """The command with the ports that are really used."""
        command = command.replace("localhost:3000", f"localhost:{self.port}")
        return command.replace("127.0.0.1:3001", f"127.0.0.1:{self.management}")


def blocks() -> list[Block]:
    """Every block of the tutorial."""
    return [Block(*found) for found in BLOCK.findall(TUTORIAL.read_text(encoding="utf-8"))]


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """A reader in an empty folder, who leaves no server running."""
    made = Reader(tmp_path)
    yield made
    if made.server is not None and made.server.poll() is None:
        os.killpg(made.server.pid, signal.SIGKILL)
        made.server.wait()


@pytest.mark.skipif(
    shutil.which("curl") is None, reason="the tutorial's reader has curl, and this machine has not"
)
@pytest.mark.timeout(300)
def test_the_tutorial_leads_to_the_example(reader: Reader) -> None:
    """Every block does what the page says, and in the end the folder holds the files of examples/shop."""
    for block in blocks():
        reader.follow(block)

    for path in sorted(path.relative_to(SHOP) for path in files_of(SHOP)):
        if str(path) not in OWN:
            assert (reader.folder / path).read_text() == (SHOP / path).read_text(), path
    assert {path.name for path in files_of(reader.folder)} == {path.name for path in files_of(SHOP)}


def files_of(folder: Path) -> list[Path]:
    """The files of an application, without what running it leaves."""
    left = {"__pycache__", "data", ".pytest_cache", ".ruff_cache", ".mypy_cache", ".venv"}
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and left.isdisjoint(path.relative_to(folder).parts)
    ]
