"""`settings`: the validated settings in force, loaded at first use.

It follows reloads: a component that must see them takes `settings.live(lambda s: s.routing)`. Over the same source
stands `config` (`config_provider.py`); overriding either reaches both, through validation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Generic, TypeVar, cast

from dependency_injector import providers
from pydantic import BaseModel, ValidationError

from arbiter.errors import ConfigurationError
from arbiter.protocols import Live
from arbiter.settings.live import LiveSettings
from arbiter.settings.loader import SettingsLoader
from arbiter.settings.problems import Problem, SettingsInvalid
from arbiter.settings.snapshot import Snapshot
from arbiter.settings.sources import Sources

__all__ = ["SettingsProvider"]

S_co = TypeVar("S_co", bound=BaseModel, covariant=True)
T = TypeVar("T")

Memo = dict[int, Any]


class SettingsProvider(providers.Provider[S_co], Generic[S_co]):  # type: ignore[type-var]  # the library's T is invariant
    """Provides the settings in force: `container.settings() -> S`.

    Name its type where it stands in a class body, so that subclasses and type checkers see it:
    `settings: SettingsProvider[Settings] = SettingsProvider(load)`.

    Args:
        loader: a `SettingsLoader`, or anything that makes a `Snapshot`; called at first use.
    """

    def __init__(self, loader: Callable[[], Snapshot[S_co]] | None = None) -> None:
        super().__init__()
        self._loader = loader
        self._sources: Sources | None = None
        self._seed: Snapshot[Any] | None = None
        self._live: LiveSettings[Any] = self._from_loader()
        self._pinned: BaseModel | None = None
        self._configs: list[providers.Configuration] = []
        self._is_override = False
        self._standing_in: tuple[providers.Provider[Any], SettingsProvider[S_co]] | None = None

    def __deepcopy__(self, memo: Memo | None) -> SettingsProvider[S_co]:
        memo = {} if memo is None else memo
        copied: SettingsProvider[S_co] | None = memo.get(id(self))
        if copied is not None:
            return copied
        copied = memo[id(self)] = type(self)()
        copied._loader, copied._sources, copied._seed = self._loader, self._sources, self._seed
        copied._live = copied._from_loader()
        self._copy_overridings(copied, memo)
        return copied

    @property
    def environment(self) -> providers.Provider[str]:
        """Provides the environment's name: call it, or inject it."""
        return _FromSource(self, lambda source: source.snapshot.environment)

    @property
    def settings_type(self) -> type[BaseModel]:
        """The type of the whole tree; loads the settings only if the loader does not say it."""
        answering = self._answering()
        if isinstance(answering._loader, SettingsLoader):
            return cast("type[BaseModel]", answering._loader.settings_type)
        return type(answering._live.current)

    def source(self) -> LiveSettings[S_co]:
        """The settings in force with what belongs to them: snapshot, reload; that of the override, if there is one."""
        return self._answering()._live

    def live(self, select: Callable[[S_co], T]) -> providers.Provider[Live[T]]:
        """Provides a part of the settings that follows every reload; for a component's constructor.

        A request keeps what it began with: until its end, it reads the values of its first moment.

        Args:
            select: picks the part: `lambda s: s.routing`.
        """
        return _FromSource(self, lambda source: source.view(select))

    def latest(self, select: Callable[[S_co], T]) -> providers.Provider[Live[T]]:
        """The same for what requests share (breakers, samplers, schedules): never what one request began with."""
        return _FromSource(self, lambda source: source.latest(select))

    @property
    def itself(self) -> providers.Provider[LiveSettings[Any]]:
        """Provides what `source()` returns: for whoever reloads, watches or pins the settings."""
        return _FromSource(self, lambda source: source)

    def inspect(self, environment: str) -> Snapshot[S_co]:
        """What the settings of an environment are, in force or not; nothing of this provider changes.

        Raises:
            ConfigurationError: they are not valid, or the loader cannot load another environment.
        """
        if not isinstance(self._loader, SettingsLoader):
            raise ConfigurationError("these settings have no loader that knows environments")
        sources = self._sources or Sources.of_process()
        return cast("Snapshot[S_co]", self._loader.inspect(replace(sources, environment=environment)))

    def read_from(self, sources: Sources) -> None:
        """Load from these sources; to be said before the first use."""
        self._sources, self._seed = sources, None
        self._replace()

    def seed(self, settings: Snapshot[Any] | BaseModel) -> None:
        """Take these settings in place of the first load; a reload may still replace them."""
        self._seed = settings if isinstance(settings, Snapshot) else Snapshot.of(settings)
        self._replace()

    def pinned(self) -> BaseModel:
        """The settings that the container was built with: what `config` reads."""
        answering = self._answering()
        pinned = answering._pinned or answering._live.current
        answering._pinned = pinned
        return pinned

    def repin(self) -> None:
        """Let `config` read what is in force now: the container is about to be built anew."""
        self._answering()._pinned = None
        self._changed()

    def override(self, provider: object) -> Any:
        """Put other settings in place, or some other values over those in force; undone by the library's own means.

        Args:
            provider: settings, a snapshot, a provider of settings, or a mapping (nested, or with dotted keys) that is
                laid over what is in force and validated.

        Raises:
            ConfigurationError: the result is not valid; nothing was changed.
        """
        value = provider if isinstance(provider, providers.Provider) else self._holding(provider)
        context: Any = super().override(value)
        self._changed()
        return context

    def reset_last_overriding(self) -> None:
        """Take the last override back."""
        super().reset_last_overriding()
        self._changed()

    def reset_override(self) -> None:
        """Take all overrides back."""
        super().reset_override()
        self._changed()

    def declared(self) -> SettingsProvider[S_co]:
        """The one that stands in the container's class: a subclass that redeclares it has taken this one's place."""
        following = self.last_overriding
        if isinstance(following, SettingsProvider) and not following._is_override:
            return following.declared()
        return self

    def attach(self, config: providers.Configuration) -> None:
        """Tell this `config` to forget what it has cached, whenever the settings are replaced."""
        self._configs.append(config)

    def _provide(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ARG002  the library's signature
        return self._live.current

    def _from_loader(self) -> LiveSettings[Any]:
        loader: Any = self._loader if isinstance(self._loader, SettingsLoader) else _Calling(self._loader)
        return LiveSettings(loader, self._sources, self._seed)

    def _replace(self) -> None:
        events, self._live = self._live.events, self._from_loader()
        self._live.events = events
        self._pinned = None
        self._changed()

    def _holding(self, value: object) -> SettingsProvider[Any]:
        holding: SettingsProvider[Any] = SettingsProvider(self._answering()._loader)
        if isinstance(value, Mapping):
            value = _laid_over(self.source().snapshot, value)
        if not isinstance(value, Snapshot | BaseModel):
            raise ConfigurationError(
                f"settings cannot be replaced by {value!r}", hint="give settings, or a mapping"
            )
        holding.seed(value)
        holding._is_override = True
        return holding

    def _answering(self) -> SettingsProvider[S_co]:
        """The one whose settings are in force: the last of the overrides."""
        following = self.last_overriding
        if following is None:
            return self
        if isinstance(following, SettingsProvider):
            return following._answering()
        if self._standing_in is None or self._standing_in[0] is not following:
            self._standing_in = (following, self._holding(following()))
        return self._standing_in[1]

    def _changed(self) -> None:
        for config in self._configs:
            config.reset_cache()
        for overridden in self.overrides:
            if isinstance(overridden, SettingsProvider):
                overridden._changed()


class _FromSource(providers.Provider[T]):
    """Provides what is read from the source of the settings."""

    def __init__(
        self,
        settings: SettingsProvider[Any] | None = None,
        read: Callable[[LiveSettings[Any]], T] | None = None,
    ) -> None:
        super().__init__()
        self._settings, self._read = settings, read

    def __deepcopy__(self, memo: Memo | None) -> _FromSource[T]:
        memo = {} if memo is None else memo
        copied: _FromSource[T] | None = memo.get(id(self))
        if copied is not None:
            return copied
        copied = memo[id(self)] = _FromSource(None, self._read)
        copied._settings = self._settings.__deepcopy__(memo) if self._settings is not None else None
        self._copy_overridings(copied, memo)
        return copied

    @property
    def related(self) -> Iterator[providers.Provider[Any]]:
        if self._settings is not None:
            yield self._settings
        yield from super().related

    def _provide(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ARG002  the library's signature
        if self._settings is None or self._read is None:
            raise ConfigurationError("it was made without settings")
        return self._read(self._settings.source())


class _Calling(SettingsLoader[Any]):
    """Any maker of snapshots, in the form of a loader."""

    def __init__(self, make: Callable[[], Snapshot[Any]] | None) -> None:
        super().__init__(BaseModel)
        self._make = make

    def __call__(self, sources: Sources | None = None) -> Snapshot[Any]:  # noqa: ARG002  it knows its own sources
        if self._make is None:
            raise ConfigurationError(
                "the settings have no loader", hint="SettingsProvider(SettingsLoader(Settings))"
            )
        return self._make()


def _laid_over(snapshot: Snapshot[Any], values: Mapping[Any, Any]) -> Snapshot[Any]:
    tree = snapshot.settings.model_dump(round_trip=True)
    for key, value in values.items():
        *sections, name = str(key).split(".")
        at = tree
        for section in sections:
            at = at.setdefault(section, {})
        at[name] = _merged(at.get(name), value)
    try:
        settings = type(snapshot.settings).model_validate(tree)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False, include_context=False)
    else:
        return Snapshot.of(settings, environment=snapshot.environment)
    raise SettingsInvalid(
        Problem(".".join(map(str, one["loc"])), "", one["msg"], "an override of the container")
        for one in details
    )


def _merged(below: Any, above: Any) -> Any:
    if not isinstance(below, Mapping) or not isinstance(above, Mapping):
        return above
    return {**below, **{name: _merged(below.get(name), value) for name, value in above.items()}}
