"""Who can do a task: asked of the registry within the time that routing has, remembered for when it does not answer."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import structlog

from arbiter.errors import DomainError, Rejected
from arbiter.orchestrator.routing.errors import NoCapableAgent, RoutingUnavailable
from arbiter.orchestrator.routing.ports import Match, Page, Registry, Requirement

__all__ = ["Candidates"]

log = structlog.get_logger(__name__)

Q = TypeVar("Q")

_REMEMBERED: Final = 256
"""Requirements whose last candidates are kept; the one used longest ago goes first."""


class Candidates:
    """The capable agents, fresh where the registry answers in time, else those that it named last.

    Args:
        registry: who is there.
        question: makes the registry's query of a requirement and a page's cursor ("" for the first page).
    """

    def __init__(self, registry: Registry[Q], question: Callable[[Requirement, str], Q]) -> None:
        async def ask(requirement: Requirement, cursor: str) -> Page:
            return await registry.query(question(requirement, cursor))

        self._ask = ask
        self._last: OrderedDict[Requirement, Sequence[Match]] = OrderedDict()

    async def find(self, requirement: Requirement, within_s: float) -> tuple[Sequence[Match], str]:
        """The matches, and why they are not fresh; an empty reason where they are.

        Raises:
            NoCapableAgent: nobody that takes work can do it.
            RoutingUnavailable: no answer in time, and none from before.
        """
        try:
            async with asyncio.timeout(within_s):
                matches, hint = await self._all(requirement)
        except DomainError:
            raise
        except Exception as error:  # noqa: BLE001  whatever went wrong, the task still wants an agent
            return self._known(requirement, error, within_s)
        if not matches:
            raise await self._missing(requirement, hint)
        self._remember(requirement, matches)
        return matches, ""

    async def _all(self, requirement: Requirement) -> tuple[Sequence[Match], str]:
        page = await self._ask(requirement, "")
        if page.next is None:
            return page.agents, page.hint or ""
        found = {match.agent.id: match for match in page.agents}
        while page.next is not None:
            page = await self._ask(requirement, page.next)
            found.update((match.agent.id, match) for match in page.agents)
        return list(found.values()), ""

    def _known(
        self, requirement: Requirement, error: Exception, within_s: float
    ) -> tuple[Sequence[Match], str]:
        reason = _reason(error, within_s)
        known = self._last.get(requirement)
        if known is None:
            after = error.retry_after_s if isinstance(error, Rejected) else None
            raise RoutingUnavailable(reason, 1.0 if after is None else after) from error
        log.warning(
            "routing falls back on the candidates known from before", reason=reason, candidates=len(known)
        )
        return known, reason

    def _remember(self, requirement: Requirement, matches: Sequence[Match]) -> None:
        self._last[requirement] = matches
        self._last.move_to_end(requirement)
        if len(self._last) > _REMEMBERED:
            self._last.popitem(last=False)

    async def _missing(self, wanted: Requirement, hint: str) -> NoCapableAgent:
        """Which part of the requirement nobody meets, asked one by one."""
        if not (await self._ask(Requirement(wanted.task_type), "")).agents:
            return NoCapableAgent("task_type", [wanted.task_type or ""], hint)
        for field, words in (("languages", wanted.languages), ("specializations", wanted.specializations)):
            for word in words:
                if not (await self._ask(_only(field, word), "")).agents:
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
