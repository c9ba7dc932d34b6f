"""What the demo shows the orchestrator on: agents whose true abilities are known here and not to the service.

With it comes the working spec that the demo has judged; both are files of the examples unless others are named.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import yaml
from pydantic import Field, ValidationError

from arbiter.errors import ArbiterError
from arbiter.orchestrator.agents.models import AgentDraft
from arbiter.orchestrator.vocabulary import WireModel, Word

__all__ = ["MARK", "Ability", "DemoImpossible", "Performer", "Population", "load_population", "load_spec"]

MARK: Final = "ARBITER demo"
"""A specialisation that the demo adds to its agents and asks for, so that no agent of yours gets a demo's task."""

_EXAMPLES: Final = (Path("examples"), Path(__file__).parents[2] / "examples")
"""In the working directory; or, in a checkout, beside the package."""


class DemoImpossible(ArbiterError):
    """The demo's input is not there or cannot be used."""


class Ability(WireModel):
    """What an agent can truly do in one kind of task."""

    success: float = Field(ge=0, le=1)
    """How probable success is."""
    quality: float = Field(default=0.8, ge=0, le=1)
    """Mean quality of a success; a failure has half of it."""
    latency_ms: float = Field(default=1000, gt=0)
    """Mean latency."""


class Performer(AgentDraft):
    """An agent of the population, with the truth about it."""

    ability: dict[Word, Ability]
    """By kind of task; one for each that the agent takes."""

    @property
    def draft(self) -> AgentDraft:
        """What the service is told: everything but the truth, and the demo's mark."""
        told = {name: getattr(self, name) for name in AgentDraft.model_fields}
        able = self.capabilities
        marked = able.model_copy(update={"specializations": (*able.specializations, MARK)})
        return AgentDraft(**{**told, "capabilities": marked})


class Population(WireModel):
    """The agents of a demo."""

    agents: tuple[Performer, ...] = Field(min_length=1)

    @property
    def task_types(self) -> tuple[str, ...]:
        """Every kind of task that somebody takes, in alphabetical order."""
        return tuple(sorted({kind for agent in self.agents for kind in agent.capabilities.task_types}))

    def best_at(self, task_type: str) -> float:
        """The highest probability of success that any agent has."""
        return max(agent.ability[task_type].success for agent in self.agents if task_type in agent.ability)


def load_population(path: str | None = None) -> Population:
    """The population of a YAML file; that of the examples without `path`.

    Raises:
        DemoImpossible: the file is not there, or holds no population.
    """
    source = _example("agents.yaml", path)
    try:
        return Population.model_validate(yaml.safe_load(source))
    except (yaml.YAMLError, ValidationError) as error:
        raise DemoImpossible(
            f"{path or 'examples/agents.yaml'} holds no population.",
            hint="It is a mapping with the key `agents`; each has what an agent has, and its `ability`.",
        ) from error


def load_spec(path: str | None = None) -> str:
    """The working spec of a file; that of the examples without `path`; raises DemoImpossible."""
    return _example("working-spec.yaml", path)


def _example(name: str, path: str | None) -> str:
    places = [Path(path)] if path is not None else [folder / name for folder in _EXAMPLES]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise DemoImpossible(
            f"There is no file {path or f'examples/{name}'}.",
            hint="Run the demo in a checkout of ARBITER, or name files: --agents FILE --spec FILE",
        )
    return found.read_text(encoding="utf-8")
