"""`arbiter agents backup | restore | export`: the registry in a file, and from one."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Final

import orjson
import yaml
from pydantic import ValidationError

from arbiter.cli.console import error_console, out_console
from arbiter.orchestrator.agents.models import AgentDraft, AgentQuery, AgentStatus, Backup
from arbiter.orchestrator.cli.files import FileUnreadable, read, writing
from arbiter.orchestrator.cli.options import File, Output, Session
from arbiter.orchestrator.cli.session import InputInvalid, ask
from arbiter.orchestrator.client import ArbiterClient
from arbiter.orchestrator.vocabulary import WireModel

__all__ = ["backup", "export", "restore"]

_DRAFT: Final = frozenset(AgentDraft.model_fields)


class _Kept(WireModel):
    agents: int
    file: str


_Work = Callable[[ArbiterClient], Coroutine[Any, Any, _Kept]]


def backup(file: Output, /, *, session: Session = Session()) -> int:  # noqa: B008  frozen
    """Write the whole registry into one file, as it is at one moment: agents, averages, history, versions.

    It may be taken while the service works. Load is not in it; it belongs to the tasks that are under way.

    Try: arbiter agents backup registry.json
    """

    async def work(client: ArbiterClient) -> _Kept:
        """Take it, then write it."""
        taken = await client.backup()
        with writing(file) as output:
            output.write(taken.model_dump_json().encode() + b"\n")
        return _Kept(agents=len(taken.agents), file=file)

    return _told(session, file, work, "in the backup")


def restore(file: File, /, *, session: Session = Session()) -> int:  # noqa: B008  frozen
    """Replace everything in the registry by a backup, whole or not at all.

    Try: arbiter agents restore registry.json
    """
    kept = _backup(file)

    async def work(client: ArbiterClient) -> _Kept:
        """Put it in the place of what is there."""
        return _Kept(agents=(await client.restore(kept)).agents, file=file)

    return ask(session, work, lambda answer: out_console().print(f"Restored {answer.agents} agents."))


def export(file: Output = "-", /, *, session: Session = Session()) -> int:  # noqa: B008  frozen
    """Write who is registered, as `arbiter agents register` reads it: JSON for a name that ends in .json, else YAML.

    What the agents have done stays out of it; for that there is `backup`.

    Try: arbiter agents export agents.yaml
    """

    async def work(client: ArbiterClient) -> _Kept:
        """All pages, in the order of ids."""
        found = await client.all_agents(AgentQuery(statuses=tuple(AgentStatus)))
        drafts = [
            match.agent.model_dump(mode="json", include=set(_DRAFT), exclude_none=True) for match in found
        ]
        content = {"agents": sorted(drafts, key=lambda draft: str(draft["id"]))}
        with writing(file) as output:
            output.write(
                orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
                if file.endswith(".json")
                else yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode()
            )
        return _Kept(agents=len(drafts), file=file)

    return _told(session, file, work, "exported")


def _told(session: Session, file: str, work: _Work, words: str) -> int:
    console = out_console() if file != "-" else error_console()
    # what was written and an answer about it cannot share standard output
    quiet = replace(session, json=session.json and file != "-")
    return ask(quiet, work, lambda answer: console.print(f"{answer.agents} agents {words}."))


def _backup(file: str) -> Backup:
    content = read(file)
    try:
        return Backup.model_validate_json(content)
    except ValidationError as error:
        if error.errors()[0]["type"] == "json_invalid":
            raise FileUnreadable(file, "it is no JSON") from None
        raise InputInvalid(f"{file}, which is no backup,", error) from None
