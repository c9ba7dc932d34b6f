"""Who can do a task: asked of the registry within the time that routing has, remembered for when it does not answer."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import Final, TypeVar

import structlog

from arbiter.errors import DomainError, Rejected
from arbiter.orchestrator.routing.board import Board, Weights
from arbiter.orchestrator.routing.errors import NoCapableAgent, RoutingUnavailable
from arbiter.orchestrator.routing.ports import Page, Registry, Requirement, Roster
from arbiter.orchestrator.routing.scoring import Arms

__all__ = ["Candidates"]

log = structlog.get_logger(__name__)

Q = TypeVar("Q")

_REMEMBERED: Final = 256
"""Requirements whose boards are kept; the one used longest ago goes first."""


class Candidates:
    """The capable agents, as they stand where the registry answers in time, else as they stood when it did last.

    Args:
        registry: who is there.
        question: makes the registry's query of a requirement.
        arms: what was learned of them.
    """

    def __init__(self, registry: Registry[Q], question: Callable[[Requirement], Q], arms: Arms) -> None:
        asked = lru_cache(_REMEMBERED)(question)  # tasks ask for the same again and again

        async def roster(requirement: Requirement) -> Roster:
            return await registry.roster(asked(requirement))

        async def ask(requirement: Requirement) -> Page:
            return await registry.query(asked(requirement))

        self._roster, self._ask = roster, ask
        self._arms = arms
        self._boards: OrderedDict[Requirement, Board] = OrderedDict()

    async def find(self, requirement: Requirement, weights: Weights, within_s: float) -> tuple[Board, str]:
        """The board, and why it is not fresh; an empty reason where it is.

        Raises:
            NoCapableAgent: nobody that takes work can do it.
            RoutingUnavailable: no answer in time, and none from before.
        """
        try:
            async with asyncio.timeout(within_s):
                roster = await self._roster(requirement)
        except DomainError:
            raise
        except Exception as error:  # noqa: BLE001  whatever went wrong, the task still wants an agent
            return self._known(requirement, error, within_s)
        board = self._boards.get(requirement) or Board(requirement)
        board.catch_up(roster, self._arms, weights)
        if not board:
            self._boards.pop(requirement, None)
            raise await self._missing(requirement)
        self._remember(requirement, board)
        return board, ""

    def _known(self, requirement: Requirement, error: Exception, within_s: float) -> tuple[Board, str]:
        reason = _reason(error, within_s)
        known = self._boards.get(requirement)
        if known is None:
            after = error.retry_after_s if isinstance(error, Rejected) else None
            raise RoutingUnavailable(reason, 1.0 if after is None else after) from error
        log.warning(
            "routing falls back on the candidates known from before", reason=reason, candidates=len(known)
        )
        return known, reason

    def _remember(self, requirement: Requirement, board: Board) -> None:
        self._boards[requirement] = board
        self._boards.move_to_end(requirement)
        if len(self._boards) > _REMEMBERED:
            self._boards.popitem(last=False)

    async def _missing(self, wanted: Requirement) -> NoCapableAgent:
        """Which part of the requirement nobody meets, asked one by one."""
        hint = (await self._ask(wanted)).hint or ""
        if not (await self._ask(Requirement(wanted.task_type))).agents:
            return NoCapableAgent("task_type", [wanted.task_type or ""], hint)
        for field, words in (("languages", wanted.languages), ("specializations", wanted.specializations)):
            for word in words:
                if not (await self._ask(_only(field, word))).agents:
                    return NoCapableAgent(field, [word], hint)
        together = (wanted.task_type or "", *wanted.languages, *wanted.specializations)
        return NoCapableAgent("languages" if wanted.languages else "specializations", together, hint)


def _only(field: str, word: str) -> Requirement:
    return Requirement(None, languages=(word,)) if field == "languages" else Requirement(None, (), (word,))


def _reason(error: Exception, within_s: float) -> str:
    match error:
        case Rejected():
            return "the registry's circuit breaker is open"
        case TimeoutError():
            return f"the registry did not answer within {within_s * 1000:g} ms"
        case _:
            return f"the registry failed ({type(error).__name__})"
