"""Whatever stands in files and variables, a load gives a snapshot or one report, and never anything else."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arbiter.errors import ConfigurationError
from arbiter.settings.lines import lines_of
from arbiter.settings.live import LiveSettings
from arbiter.settings.present import entries
from arbiter.settings.snapshot import Snapshot
from arbiter.settings.sources import Sources
from tests.settings.kit import ShopSettings, load

NAMES = st.sampled_from(
    [
        "default",
        "production",
        "server",
        "registry",
        "port",
        "max_agents",
        "weights",
        "tags",
        "key",
        "operations",
        "resilience",
        "x",
        "dynaconf_merge",
        "MERGE_ENABLED_FOR_DYNACONF",
        "a.b",
        "a__b",
        "__core__",
        "store",
        "'q'",
    ]
)
SCALARS = st.one_of(
    st.integers(),
    st.booleans(),
    st.floats(),
    st.sampled_from(
        ["", "yes", "change-me", "@none ", "@merge x", "@format {env[HOME]}", "dynaconf_merge", "1979-05-27"]
    ),
    st.text(max_size=8),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


def toml(value: object) -> str:
    """The TOML form of a value; strings as JSON does them, which TOML's basic strings include."""
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return "{" + ", ".join(f"{quoted(name)} = {toml(inner)}" for name, inner in value.items()) + "}"
        case list():
            return "[" + ",\n ".join(toml(inner) for inner in value) + "]"
        case str():
            return quoted(value)
        case _:
            return str(value)


def quoted(text: str) -> str:
    """A basic string of TOML, everything unusual escaped."""
    return (
        '"'
        + "".join(
            c if c.isascii() and c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in text
        )
        + '"'
    )


def toml_of(tables: dict[str, dict[str, object]]) -> str:
    """A document of these tables."""
    return "".join(
        f"[{quoted(name)}]\n" + "".join(f"{quoted(key)} = {toml(value)}\n" for key, value in table.items())
        for name, table in tables.items()
    )


def only_snapshot_or_report(
    text: bytes, environ: dict[str, str], overrides: dict[str, str], environment: str
) -> None:
    """Load what is given; whatever is raised but a ConfigurationError fails the test."""
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "settings.toml").write_bytes(text)
        try:
            snapshot: Snapshot[ShopSettings] = load(Sources(Path(directory), environment, environ, overrides))
        except ConfigurationError as error:
            report = str(error)
        else:
            report = repr(snapshot)
            assert snapshot.settings.registry.max_agents >= 1
        assert report.encode()


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(tables=st.dictionaries(NAMES, st.dictionaries(NAMES, VALUES, max_size=4), max_size=3))
def test_any_toml_gives_settings_or_a_report(tables: dict[str, dict[str, object]]) -> None:
    """Well-formed TOML of any shape only ever gives a snapshot or a ConfigurationError."""
    only_snapshot_or_report(toml_of(tables).encode(), {}, {}, "production")


@settings(max_examples=50)
@given(
    raw=st.binary(max_size=200)
    | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
)
def test_any_bytes_give_settings_or_a_report(raw: bytes) -> None:
    """So do bytes that are no TOML at all."""
    only_snapshot_or_report(raw, {}, {}, "development")


@settings(max_examples=60)
@given(
    environ=st.dictionaries(
        st.lists(NAMES, min_size=1, max_size=5).map(lambda names: "ARBITER_" + "__".join(names).upper()),
        VALUES.map(toml) | st.text(max_size=20) | st.just("\udcff"),
        max_size=4,
    ),
    overrides=st.dictionaries(st.lists(NAMES, max_size=4).map(".".join), SCALARS.map(str), max_size=2),
)
def test_any_variables_give_settings_or_a_report(environ: dict[str, str], overrides: dict[str, str]) -> None:
    """Variables and overrides with any names and any text only ever give a snapshot or a ConfigurationError."""
    only_snapshot_or_report(b"[default.registry]\nmax_agents = 3\n", environ, overrides, "production")


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    tables=st.lists(
        st.dictionaries(
            st.sampled_from(["default", "x"]), st.dictionaries(NAMES, VALUES, max_size=3), max_size=2
        )
        | st.just({"default": {"registry": {"max_agents": 9, "tags": ["t"]}}}),
        min_size=1,
        max_size=4,
    )
)
def test_whatever_is_reloaded_the_settings_in_force_are_whole(
    tables: list[dict[str, dict[str, object]]],
) -> None:
    """Each reload is applied, unchanged or rejected with its problems; a rejected one leaves the very same snapshot."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "settings.toml"
        file.write_text("[default.registry]\nmax_agents = 3\n")
        live = LiveSettings(load, Sources(Path(directory)))
        _ = live.current
        for document in tables:
            before = live.snapshot
            file.write_text(toml_of(document))
            result = live.reload()
            assert (result.outcome == "rejected") == bool(result.problems)
            assert (live.snapshot is before) == (result.outcome != "applied")
            assert live.snapshot.generation == result.generation
            assert live.current.registry.max_agents >= 1
            assert {entry.key for entry in entries(live.snapshot)} == set(live.snapshot.sources)


@given(text=st.text(alphabet="ab.=[]{}\"'\\# \n,1", max_size=60))
def test_looking_for_lines_always_ends(text: str) -> None:
    """The search for lines takes any text, and no line is beyond its end."""
    found = lines_of(text)

    assert all(1 <= line <= text.count("\n") + 1 for line in found.values())


def test_lines_are_found_behind_everything_toml_has() -> None:
    """Strings of several lines, lists, comments and inline tables do not move the count."""
    text = '''# a = 1
[default."Registry"]   # [x]
a = """
b = 1
[c]
"""
list = [ # first
  "]", { k = 1 },
]
d.e = { f = 2 }
[[production.shops]]
g = \'\'\'
\'\'\'
h = 1
'''

    assert lines_of(text) == {
        ("default", "registry"): 2,
        ("default", "registry", "a"): 3,
        ("default", "registry", "list"): 7,
        ("default", "registry", "d", "e"): 10,
        ("production", "shops"): 11,
        ("production", "shops", "g"): 12,
        ("production", "shops", "h"): 14,
    }
