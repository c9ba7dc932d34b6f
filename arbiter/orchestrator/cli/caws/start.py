"""`arbiter caws init`: a spec to start from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from cyclopts import Parameter

from arbiter.cli.console import out_console, print_json
from arbiter.errors import Conflict
from arbiter.orchestrator.caws.scaffold import scaffold
from arbiter.orchestrator.cli.options import AsJson

__all__ = ["FileExists", "Wanted", "init"]


class FileExists(Conflict, FileExistsError):
    """There is a spec already, and nobody said that it may be lost."""

    code = "file-exists"

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} is there already.", hint="Name another file, or write over it: --force.")
        self.path = path


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Wanted:
    """What the spec says of the change."""

    id: Annotated[str, Parameter(help="Its id.")] = "FEAT-0001"
    title: Annotated[str, Parameter(help="What the change is, in a sentence.")] = "Say what the change is"
    tier: Annotated[Literal[1, 2, 3], Parameter(help="1 critical, 2 standard, 3 low risk.")] = 2
    mode: Annotated[
        Literal["feature", "refactor", "fix", "doc", "chore"], Parameter(help="The kind of change.")
    ] = "feature"
    module: Annotated[str, Parameter(help="The directory that changes.")] = "src"


_DEFAULT: Final = Wanted()


def init(
    file: Annotated[str, Parameter(help="Where to write it.")] = ".caws/working-spec.yaml",
    /,
    wanted: Wanted = _DEFAULT,
    *,
    ruleset: Annotated[
        Literal["caws-3.4", "caws-8", "caws-12", "arbiter"], Parameter(help="The rules that it must pass.")
    ] = "caws-3.4",
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
        spec_id=wanted.id,
        title=wanted.title or _DEFAULT.title,
        tier=wanted.tier,
        mode=wanted.mode,
        module=wanted.module or _DEFAULT.module,
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
        words = f"written to {file}; judge it with: arbiter caws check {file}"
        out_console().print(words, markup=False, soft_wrap=True)
    return 0
