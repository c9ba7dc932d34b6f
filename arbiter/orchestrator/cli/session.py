"""What the orchestrator's commands share: how the service is asked, errors are told, and input is read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from rich.markup import escape

from arbiter.cli.console import error_console, print_json
from arbiter.errors import ArbiterError
from arbiter.orchestrator.cli.files import FileUnreadable, read
from arbiter.orchestrator.cli.options import Session
from arbiter.orchestrator.client import ArbiterClient

__all__ = ["FileUnreadable", "InputInvalid", "ask", "built", "parsed", "read"]

M = TypeVar("M", bound=BaseModel)


class InputInvalid(ArbiterError, ValueError):
    """What was given on the command line or in a file does not fit; every fault is named.

    Args:
        what: the options, or the file.
        error: what the model said.
    """

    def __init__(self, what: str, error: ValidationError) -> None:
        self.faults = tuple(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        super().__init__(f"{what} cannot be used." + "".join(f"\n  {fault}" for fault in self.faults))


def ask(
    session: Session, work: Callable[[ArbiterClient], Coroutine[Any, Any, M]], show: Callable[[M], None]
) -> int:
    """Ask the service, and show its answer to a person or to a script.

    Returns:
        The exit code of success.

    Raises:
        ArbiterError: what the service or the way to it had against it; the command line tells it and exits with 1.
    """

    async def asked() -> M:
        """The answer."""
        async with ArbiterClient(session.url, token=session.token) as client:
            return await work(client)

    with error_console().status(f"Asking {escape(session.url)}"):
        answer = asyncio.run(asked())
    if session.json:
        print_json(answer.model_dump(mode="json"))
    else:
        show(answer)
    return 0


def built(model: type[M], **values: object) -> M:
    """A model from options; those that are None were not given.

    Raises:
        InputInvalid: the values do not fit.
    """
    try:
        return model.model_validate({name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        raise InputInvalid("What the options say", error) from None


def parsed(path: str) -> object:
    """The value of a YAML or JSON file.

    Raises:
        FileUnreadable: it cannot be read, or is no YAML.
    """
    try:
        return yaml.safe_load(read(path))
    except (yaml.YAMLError, UnicodeError) as error:
        raise FileUnreadable(path, f"it is no YAML ({error})") from error
