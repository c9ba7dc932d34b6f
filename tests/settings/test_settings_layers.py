"""Which source wins, what merges, and what variables mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from arbiter.settings.problems import EnvironmentUnknown
from arbiter.settings.sources import Sources
from tests.settings.kit import load, loaded, refused, sources


def test_each_layer_beats_the_one_below_it(tmp_path: Path) -> None:
    """With each layer removed in turn, the next lower one decides, and is named as the source."""
    (tmp_path / "secrets").mkdir()
    secret_file = tmp_path / "secrets" / "registry__max_agents"
    secret_file.write_text("9\n")
    table = "[{}.registry]\nmax_agents = {}\n"
    files = {
        "settings": table.format("default", 3) + table.format("production", 4),
        "settings_local": table.format("default", 5) + table.format("production", 6),
        "secrets": table.format("default", 7),
        "secrets_local": table.format("production", 8),
    }
    given: dict[str, object] = {
        "environment": "production",
        "environ": {"ARBITER_REGISTRY__MAX_AGENTS": "10", "ARBITER_SECRETS_DIR": "secrets"},
        "overrides": {"registry.max_agents": "11"},
    }
    seen = []

    def look(**change: object) -> None:
        given.update(change)
        snapshot = loaded(tmp_path, **given, **files)
        seen.append((snapshot.settings.registry.max_agents, str(snapshot.sources["registry.max_agents"])))

    look()
    look(overrides={})
    look(environ={"ARBITER_SECRETS_DIR": "secrets"})
    look(environ={})
    for name in ("secrets_local", "secrets"):
        files[name] = ""
        look()
    files["settings_local"] = table.format("default", 5)
    look()
    files["settings_local"] = ""
    look()
    files["settings"] = table.format("default", 3)
    look()
    files["settings"] = ""
    look()

    assert seen == [
        (11, "--set"),
        (10, "ARBITER_REGISTRY__MAX_AGENTS"),
        (9, "ARBITER_SECRETS_DIR/registry__max_agents"),
        (8, ".secrets.local.toml [production] line 2"),
        (7, ".secrets.toml [default] line 2"),
        (6, "settings.local.toml [production] line 4"),
        (5, "settings.local.toml [default] line 2"),
        (4, "settings.toml [production] line 4"),
        (3, "settings.toml [default] line 2"),
        (1000, "default"),
    ]


def test_an_environment_table_merges_into_the_default_table(tmp_path: Path) -> None:
    """A key that the environment does not set keeps the value of [default]."""
    text = "[default.server]\nhost='a'\nport=1\n[production.server]\nhost='b'\n"

    server = loaded(tmp_path, settings=text, environment="production").settings.server

    assert (server.host, server.port) == ("b", 1)


def test_a_list_replaces_the_list_below(tmp_path: Path) -> None:
    """A higher list stands alone, so that its source owns all of it."""
    text = "[default.registry]\ntags=['a','b']\n[test.registry]\ntags=['c']\n"

    registry = loaded(tmp_path, settings=text, environment="test").settings.registry

    assert registry.tags == ("c",)


def test_mappings_merge_below_a_section(tmp_path: Path) -> None:
    """A table inside a section merges key by key, each key with its own source."""
    text = "[default.registry.weights]\nx=1.0\ny=1.0\n[test.registry]\nweights={ y = 2.0 }\n"

    snapshot = loaded(tmp_path, settings=text, environment="test")

    assert snapshot.settings.registry.weights == {"x": 1.0, "y": 2.0}
    assert str(snapshot.sources["registry.weights.x"]) == "settings.toml [default] line 2"
    assert str(snapshot.sources["registry.weights.y"]) == "settings.toml [test] line 5"


def test_keys_are_read_in_any_case(tmp_path: Path) -> None:
    """Names of tables and keys mean the same in upper and lower case."""
    registry = loaded(tmp_path, settings="[DEFAULT.Registry]\nMAX_AGENTS = 5\n").settings.registry

    assert registry.max_agents == 5


def test_operations_are_set_by_table_and_by_variable(tmp_path: Path) -> None:
    """The overrides of one operation come from nested tables and from nested variables alike."""
    snapshot = loaded(
        tmp_path,
        settings="[default.resilience.operations.registry.query]\nfailure_threshold = 9\ntimeout_ms = 900\n",
        environ={"ARBITER_RESILIENCE__OPERATIONS__REGISTRY__QUERY__TIMEOUT_MS": "70"},
    )

    policy = snapshot.settings.resilience.policy("registry", "query")

    assert (policy.timeout_s, policy.failure_threshold) == (0.07, 9)


@pytest.mark.parametrize("text", ["08080", "1e3", "yes", "2024-01-01", "null", "0x1F", "", "[1]", " a "])
def test_a_string_key_keeps_a_variable_as_it_is(tmp_path: Path, text: str) -> None:
    """Text stays text where the declared type is text; nothing is cast by guess."""
    snapshot = loaded(tmp_path, environ={"ARBITER_REGISTRY__LABEL": text})

    assert snapshot.settings.registry.label == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("no", False),
        ("on", True),
        ("OFF", False),
        ("True", True),
        ("false", False),
        ("1", True),
        ("0", False),
    ],
)
def test_a_boolean_key_reads_what_people_write(tmp_path: Path, text: str, value: bool) -> None:
    """yes, no, on, off, true, false, 1 and 0 are booleans."""
    snapshot = loaded(tmp_path, environ={"ARBITER_REGISTRY__CACHE_ENABLED": text})

    assert snapshot.settings.registry.cache_enabled is value


def test_a_boolean_key_refuses_maybe(tmp_path: Path) -> None:
    """What is no boolean is a problem that names the variable."""
    problem = refused(tmp_path, environ={"ARBITER_REGISTRY__CACHE_ENABLED": "maybe"}).problems[0]

    assert (problem.key, problem.value) == ("registry.cache_enabled", "'maybe'")
    assert problem.source == "ARBITER_REGISTRY__CACHE_ENABLED"


@pytest.mark.parametrize("text", ['["a", "b"]', "['a', 'b']"])
def test_a_list_comes_from_a_variable_as_json_or_toml(tmp_path: Path, text: str) -> None:
    """Lists are written as JSON or as a TOML value."""
    assert loaded(tmp_path, environ={"ARBITER_REGISTRY__TAGS": text}).settings.registry.tags == ("a", "b")


@pytest.mark.parametrize("text", ['{"x": 2}', "{ x = 2 }"])
def test_a_mapping_comes_from_a_variable_as_json_or_toml(tmp_path: Path, text: str) -> None:
    """Mappings are written as JSON or as a TOML inline table."""
    assert loaded(tmp_path, environ={"ARBITER_REGISTRY__WEIGHTS": text}).settings.registry.weights == {
        "x": 2.0
    }


def test_a_section_comes_before_one_key_of_it(tmp_path: Path) -> None:
    """A variable for one key beats a variable for its whole section, whatever their order."""
    environ = {"ARBITER_REGISTRY__MAX_AGENTS": "3", "ARBITER_REGISTRY": '{"max_agents": 2, "label": "x"}'}

    registry = loaded(tmp_path, environ=environ).settings.registry

    assert (registry.max_agents, registry.label) == (3, "x")


def test_a_list_that_is_neither_json_nor_toml_is_a_problem(tmp_path: Path) -> None:
    """The report says which forms are read."""
    problem = refused(tmp_path, environ={"ARBITER_REGISTRY__TAGS": "a,b"}).problems[0]

    assert (problem.key, problem.expected) == ("registry.tags", "neither JSON nor a TOML value")


def test_an_optional_number_can_be_taken_back(tmp_path: Path) -> None:
    """An empty variable sets a key to none where none is allowed and text is not."""
    environ = {"ARBITER_REGISTRY__LIMIT": ""}

    snapshot = loaded(tmp_path, settings="[default.registry]\nlimit = 4\n", environ=environ)

    assert snapshot.settings.registry.limit is None


def test_foreign_prefixes_mean_nothing(tmp_path: Path) -> None:
    """Dynaconf's own variables set no key and change no rule of the merge."""
    environ = {
        "DYNACONF_REGISTRY__MAX_AGENTS": "99",
        "MERGE_ENABLED_FOR_DYNACONF": "false",
        "HOST": "example.org",
    }

    settings = loaded(tmp_path, environ=environ).settings

    assert (settings.registry.max_agents, settings.server.host) == (1000, "localhost")


def test_what_kubernetes_announces_is_no_setting(tmp_path: Path) -> None:
    """The variables of a Kubernetes service called arbiter are passed over."""
    environ = {
        "ARBITER_SERVICE_HOST": "10.0.0.1",
        "ARBITER_SERVICE_PORT_HTTP": "80",
        "ARBITER_PORT": "tcp://10.0.0.1:80",
        "ARBITER_PORT_80_TCP_ADDR": "10.0.0.1",
        "ARBITER_DB_SERVICE_HOST": "10.0.0.2",
    }

    assert loaded(tmp_path, environ=environ).settings.server.port == 3000


def test_the_platform_sets_port_and_log_level(tmp_path: Path) -> None:
    """PORT and LOG_LEVEL are read below our own variables, and named as the source."""
    platform = {"PORT": "8080", "LOG_LEVEL": "WARNING"}

    snapshot = loaded(tmp_path, environ=platform)
    ours = loaded(tmp_path, environ=platform | {"ARBITER_SERVER__PORT": "9090"})

    assert (snapshot.settings.server.port, snapshot.settings.observability.log_level) == (8080, "warning")
    assert (str(snapshot.sources["server.port"]), ours.settings.server.port) == ("PORT", 9090)


def test_reserved_names_are_no_keys(tmp_path: Path) -> None:
    """ARBITER_ENV chooses the environment; it and ARBITER_APP set nothing."""
    snapshot = loaded(tmp_path, environ={"ARBITER_ENV": "Staging", "ARBITER_APP": "x:y"})

    assert snapshot.environment == "staging"


def test_an_unknown_environment_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    """A misspelt environment never means the defaults; a table of that name makes it known."""
    text = "[prod-eu.registry]\nmax_agents = 2\n"

    with pytest.raises(EnvironmentUnknown) as caught:
        loaded(tmp_path, settings=text, environ={"ARBITER_ENV": "prodution"})

    assert caught.value.nearest == ("production",)
    assert set(caught.value.known) == {"development", "test", "staging", "production", "prod-eu"}
    assert "ARBITER_ENV" in str(caught.value)
    assert "did you mean 'production'" in str(caught.value)
    assert loaded(tmp_path, environment="prod-eu").settings.registry.max_agents == 2


@pytest.mark.parametrize("name", ["default", "global", "a,b", "../x"])
def test_what_cannot_be_an_environment_is_refused(tmp_path: Path, name: str) -> None:
    """Tables with a meaning of their own and lists of names are no environments."""
    with pytest.raises(EnvironmentUnknown):
        loaded(
            tmp_path,
            settings="[default.registry]\nmax_agents = 2\n[global.registry]\nmax_agents=3\n",
            environment=name,
        )


def test_without_files_the_defaults_apply_and_are_noted(tmp_path: Path) -> None:
    """A missing settings.toml is no error, but the snapshot says so."""
    snapshot = loaded(tmp_path)

    assert snapshot.settings.registry.max_agents == 1000
    assert "no settings.toml" in snapshot.notes[0]


def test_constructing_reads_nothing_and_a_load_changes_nothing(tmp_path: Path) -> None:
    """The same sources give the same hash, however often they are loaded."""
    given = sources(tmp_path, settings="[default.registry]\nmax_agents = 2\n")

    assert load(given).sha256 == load(given).sha256
    assert load(given).sha256 != load(Sources(tmp_path, "test", {}, {"registry.max_agents": "3"})).sha256
