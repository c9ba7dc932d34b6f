"""`ExternalValidator`: asks a configured command for its opinion, as a component of its own behind a breaker."""

from __future__ import annotations

import asyncio
import contextlib

from arbiter.errors import ArbiterError
from arbiter.operation import operation
from arbiter.orchestrator.caws.opinion import Opinion, opinion_of
from arbiter.orchestrator.caws.settings import CawsSettings
from arbiter.protocols import Live

__all__ = ["ExternalFailed", "ExternalValidator"]

_MOST_BYTES = 4 * 1024 * 1024


class ExternalFailed(ArbiterError):
    """The external command did not answer, or not as agreed."""

    def __init__(self, command: tuple[str, ...], reason: str) -> None:
        hint = "Run caws.external_command by hand: it reads a spec from standard input and prints JSON."
        super().__init__(f"the external validator {command[0]!r} {reason}", hint=hint)
        self.command, self.reason = command, reason


class ExternalValidator:
    """Runs `caws.external_command` with the spec on standard input, and reads its answer from standard output.

    Behind its guard a command that keeps failing is not started any more until its breaker lets one through; meanwhile
    and whenever it fails there is no opinion, and the validator's built-in rules judge.

    Args:
        settings: the command and how long it may take; read at each call.
    """

    def __init__(self, settings: Live[CawsSettings]) -> None:
        self._settings = settings

    @operation(fallback="silence")
    async def opinion(self, document: bytes, ruleset: str) -> Opinion | None:
        """What the command says of a spec; None where none is configured.

        Args:
            document: the spec.
            ruleset: the rules that the caller wants; handed on where an argument of the command is `{ruleset}`.

        Raises:
            ExternalFailed: it cannot be started, takes too long, or does not answer as agreed.
        """
        settings = self._settings.current
        command = tuple(part.replace("{ruleset}", ruleset) for part in settings.external_command)
        if not command:
            return None
        output = await _answer(command, document, settings.external_timeout_ms / 1000)
        try:
            return opinion_of(output)
        except ValueError as error:
            raise ExternalFailed(command, f"does not answer as agreed: {str(error)[:200]}") from error

    async def silence(self, document: bytes, ruleset: str) -> Opinion | None:
        """The fallback: no opinion, whatever the document and the rules are."""
        del document, ruleset
        return None


async def _answer(command: tuple[str, ...], document: bytes, timeout_s: float) -> bytes:
    pipe = asyncio.subprocess.PIPE
    quiet = asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=quiet)
    except (OSError, ValueError) as error:
        raise ExternalFailed(command, f"cannot be started: {error}") from error
    try:
        async with asyncio.timeout(timeout_s):
            output = await _conversation(process, document)
            await process.wait()
    except TimeoutError as error:
        raise ExternalFailed(command, f"took longer than {timeout_s:g} s") from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if len(output) > _MOST_BYTES:
        raise ExternalFailed(command, f"said more than {_MOST_BYTES // 2**20} MiB")
    return output


async def _conversation(process: asyncio.subprocess.Process, document: bytes) -> bytes:
    """Writes and reads at once: a command that answers before it has read everything holds nobody up."""
    if process.stdin is None or process.stdout is None:
        return b""
    writing = asyncio.ensure_future(_written(process.stdin, document))
    try:
        output = bytearray()
        while len(output) <= _MOST_BYTES and (piece := await process.stdout.read(65_536)):
            output += piece
        return bytes(output)
    finally:
        writing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await writing


async def _written(stdin: asyncio.StreamWriter, document: bytes) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stdin.write(document)
        await stdin.drain()
    stdin.close()
