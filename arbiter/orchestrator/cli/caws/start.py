"""`arbiter caws init`: a spec to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from arbiter.cli.console import out_console, print_json
from arbiter.errors import Conflict
from arbiter.orchestrator.caws.scaffold import scaffold
from arbiter.orchestrator.cli.options import AsJson

__all__ = ["FileExists", "init"]


class FileExists(Conflict, FileExistsError):
    """There is a spec already, and nobody said that it may be lost."""

    code = "file-exists"

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} is there already.", hint="Name another file, or write over it: --force.")
        self.path = path


def init(
    file: Annotated[str, Parameter(help="Where to write it.")] = ".caws/working-spec.yaml",
    /,
    *,
    ruleset: Annotated[
        Literal["caws-3.4", "caws-8", "caws-12", "arbiter"], Parameter(help="The rules that it must pass.")
    ] = "caws-3.4",
    id: Annotated[str, Parameter(help="Its id.")] = "FEAT-0001",  # noqa: A002  the option's name
    title: Annotated[str, Parameter(help="What the change is, in a sentence.")] = "Say what the change is",
    tier: Annotated[Literal[1, 2, 3], Parameter(help="1 critical, 2 standard, 3 low risk.")] = 2,
    mode: Annotated[
        Literal["feature", "refactor", "fix", "doc", "chore"], Parameter(help="The kind of change.")
    ] = "feature",
    module: Annotated[str, Parameter(help="The directory that changes.")] = "src",
    force: Annotated[
        bool, Parameter(negative="", show_default=False, help="Write over a file that is there.")
    ] = False,
    json: AsJson = False,
) -> int:
    """Write a working spec that passes; the help stands with the command."""
    path = Path(file)
    text = scaffold(
        ruleset=ruleset,
        file=file,
        spec_id=id,
        title=title or "Say what the change is",
        tier=tier,
        mode=mode,
        module=module or "src",
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("w" if force else "x", encoding="utf-8") as written:
            written.write(text)
    except FileExistsError:
        raise FileExists(file) from None
    if json:
        print_json({"file": file, "ruleset": ruleset})
    else:
        out_console().print(f"written to {file}; judge it with: arbiter caws check {file}", soft_wrap=True)
    return 0
