"""What is wrong with settings, in one report, without a secret."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

import pytest

from arbiter.errors import ConfigurationError
from arbiter.settings.framework import FrameworkSettings
from arbiter.settings.loader import SettingsLoader
from arbiter.settings.present import entries
from arbiter.settings.problems import SettingsInvalid
from arbiter.settings.sources import Sources
from tests.settings.kit import load, loaded, refused, sources

SECRET = "s3cr3t-XYZ"


def test_everything_wrong_is_in_one_report(tmp_path: Path) -> None:
    """Files, variables and overrides are all looked at before anything is said."""
    text = """
[default.server]
hots = "x"
port = "many"
[default.registry]
max_agents = -1
mode = "quick"
[default.regsitry]
x = 1
"""

    error = refused(
        tmp_path,
        settings=text,
        settings_local="[default.server\n",
        environ={"ARBITER_REGISTRY__LIMIT": "x", "ARBITER_SREVER__PORT": "1"},
        overrides={"health.interval_s": "-1"},
    )

    found = {problem.key: problem for problem in error.problems}
    assert set(found) == {
        "",
        "server.hots",
        "server.port",
        "registry.max_agents",
        "registry.mode",
        "regsitry",
        "registry.limit",
        "srever.port",
        "health.interval_s",
    }
    assert found["server.hots"].hint == "did you mean server.host?"
    assert found["server.hots"].source == "settings.toml [default] line 3"
    assert found["registry.max_agents"].value == "-1"
    assert found["regsitry"].hint == "did you mean registry?"
    assert found["health.interval_s"].source == "--set"
    assert found[""].source.startswith("settings.local.toml line 1")


def test_the_report_is_text_for_people(tmp_path: Path) -> None:
    """Key, value, expectation, source and mend stand in the text; a hint closes it."""
    error = refused(tmp_path, settings="[default.registry]\nmax_agents = -1\n")

    assert isinstance(error, ConfigurationError)
    assert "1 problem in the settings (environment development):" in str(error)
    assert "registry.max_agents = -1: input should be greater than or equal to 1" in str(error)
    assert "from: settings.toml [default] line 2" in str(error)
    assert str(error).splitlines()[-1].startswith("Hint: ")


def test_an_unknown_section_is_an_error_but_for_the_bare_framework(tmp_path: Path) -> None:
    """The framework's own type lists what it does not have; an application's type refuses it."""
    given = sources(tmp_path, settings="[default.shop]\nx = 1\n", environ={"ARBITER_SHOP__Y": "1"})

    snapshot = SettingsLoader(FrameworkSettings)(given)
    with pytest.raises(SettingsInvalid) as caught:
        load(given)

    assert snapshot.unread == ("shop",)
    assert "shop" in snapshot.notes[0]
    assert caught.value.problems[0].expected == "unknown section"


def test_an_unknown_key_shows_where_its_name_exists(tmp_path: Path) -> None:
    """A key in the wrong section is answered with the section that has it."""
    problem = refused(tmp_path, overrides={"server.max_agents": "1"}).problems[0]

    assert "registry.max_agents" in problem.hint


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 1\n", "outside of every table"),
        ("[server]\nport = 1\n", "a section stands in no environment"),
        ("[defualt.server]\nport = 1\n", "looks misspelt"),
        ("[global.server]\nport = 1\n", "cannot be an environment"),
        ('["a b".server]\nport = 1\n', "cannot be an environment"),
        ("[default]\nserver = 1\n", "a table of keys"),
        ("[default.server]\nport = true\n", "true or false"),
        ("[default.server]\nport = 1\nPORT = 2\n", "twice"),
        ("[default.registry]\ndynaconf_merge = true\n", "unknown key"),
        ("[default.registry.weights]\ndynaconf_merge = true\n", "no directive of dynaconf"),
        ("[default]\nmerge_enabled_for_dynaconf = false\n", "unknown section"),
    ],
)
def test_what_a_file_gets_wrong_is_said(tmp_path: Path, text: str, expected: str) -> None:
    """A file whose tables do not mean what they seem to is refused, with the line."""
    problem = refused(tmp_path, settings=text).problems[0]

    assert expected in problem.expected
    assert "settings.toml" in problem.source


def test_a_syntax_error_has_a_place_and_hides_no_other_problem(tmp_path: Path) -> None:
    """File, line and column of the error are told, beside what is wrong elsewhere."""
    error = refused(tmp_path, settings="[default.registry]\nmax_agents = = 1\n", environ={"PORT": "x"})

    assert error.problems[0].source == "settings.toml line 2, column 14"
    assert error.problems[1].key == "server.port"


@pytest.mark.parametrize(
    "raw", [b"\xff\xfe", b"[default]\nx = " + b"[" * 3000, b"[default]\nx = " + b"1" * 5000]
)
def test_a_file_that_is_no_text_or_absurd_is_a_problem(tmp_path: Path, raw: bytes) -> None:
    """Bytes that are no UTF-8, endless nesting and endless numbers end in the report."""
    (tmp_path / "settings.toml").write_bytes(raw)

    problem = refused(tmp_path).problems[0]

    assert problem.source.startswith("settings.toml")


def test_sections_that_contradict_each_other_are_all_named(tmp_path: Path) -> None:
    """Rules across sections are checked together: ports, and the budgets of a stop."""
    error = refused(tmp_path, environ={"PORT": "3001", "ARBITER_LIFECYCLE__TOTAL_S": "1"})

    assert [problem.key for problem in error.problems] == [
        "management.port, server.port",
        "lifecycle.total_s",
    ]
    assert "PORT" in error.problems[0].source


@pytest.mark.parametrize("name", ["ARBITER_REGISTRY__LABEL", "ARBITER_X"])
def test_commands_of_dynaconf_are_reported_and_not_evaluated(tmp_path: Path, name: str) -> None:
    """A value that asks for a file or a template is refused, wherever it stands."""
    (tmp_path / "word").write_text("from-the-file")
    command = f"@read_file {tmp_path / 'word'}"

    by_variable = refused(tmp_path, environ={name: command})
    by_file = refused(tmp_path, settings=f"[default.registry]\nlabel = '{command}'\ntags = ['@merge x']\n")

    assert "from-the-file" not in str(by_variable) + str(by_file)
    assert len(by_variable.problems) == 1
    assert [problem.key for problem in by_file.problems] == ["registry.label", "registry.tags"]


def test_hook_files_are_reported_and_not_run(tmp_path: Path) -> None:
    """Code beside the settings never runs; whoever counts on it is told."""
    (tmp_path / "dynaconf_hooks.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")

    problem = refused(tmp_path, settings="[default.registry]\nmax_agents = 2\n").problems[0]

    assert problem.source == "dynaconf_hooks.py"
    assert not (tmp_path / "ran").exists()


def test_a_placeholder_is_refused_in_production_and_is_no_value_elsewhere(tmp_path: Path) -> None:
    """`change-me` in force stops production, naming the variable to set; elsewhere the key counts as not set."""
    files = {"secrets": "[default.management]\ntoken = 'change-me'\n"}

    problem = refused(tmp_path, environment="production", **files).problems[0]
    development = loaded(tmp_path, **files)
    mended = loaded(
        tmp_path, environment="production", environ={"ARBITER_MANAGEMENT__TOKEN": "real"}, **files
    )

    assert problem.key == "management.token"
    assert "ARBITER_MANAGEMENT__TOKEN" in problem.hint
    assert development.settings.management.token.get_secret_value() == ""
    assert mended.settings.management.token.get_secret_value() == "real"


@pytest.mark.parametrize(
    "given",
    [
        {"secrets": f"[default.management]\ntoken = ['{SECRET}']\n"},
        {"secrets": f"[default.registry]\nmax_agents = '{SECRET}'\n"},
        {"secrets": f"[default.registry]\nmode = '{SECRET}'\n"},
        {"secrets": f"[default.registry]\nmax_agnts = '{SECRET}'\n"},
        {"secrets": f"[default.storage]\nurl = '{SECRET}'\n"},
        {"secrets": f"token = '{SECRET}'\n"},
        {"secrets": f"[default.management]\ntoken = {SECRET}\n"},
        {"secrets": f"[default.management]\ntoken = '{SECRET}\n"},
        {"settings": f"[default.registry]\nkeys = ['{SECRET}', 5]\n"},
        {"settings": f"[default.management]\ntoken = {{ x = '{SECRET}' }}\n"},
        {"environ": {"ARBITER_MANAGEMENT__TOKN": SECRET}},
        {"environ": {"ARBITER_REGISTRY__KEYS": SECRET}},
        {"environ": {"ARBITER_REGISTRY__KEY__X": SECRET}},
        {"environ": {"ARBITER_REGISTRY__LIMIT": f"postgresql://user:{SECRET}@host/db"}},
        {"overrides": {"management.tokn": SECRET}},
        {"environ": {"ARBITER_REGISTRY__KEY": SECRET, "ARBITER_REGISTRY__FLOOR": "5000"}},
    ],
)
def test_no_secret_is_in_a_report(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, given: dict[str, object]
) -> None:
    """Whatever is wrong with a secret, neither message, repr, fields, traceback nor log line holds it."""
    error = refused(tmp_path, **given)

    with caplog.at_level(logging.DEBUG):
        logging.getLogger("tests").error("refused", exc_info=error)
    said = [
        str(error),
        repr(error),
        repr(error.problems),
        "".join(traceback.format_exception(error)),
        caplog.text,
    ]
    assert not [text for text in said if SECRET in text]
    assert error.__cause__ is None
    assert error.__context__ is None


def test_no_secret_is_in_a_view_of_good_settings(tmp_path: Path) -> None:
    """Snapshots, sources and entries mask declared secrets and all that comes from a secrets file."""
    given = {
        "settings": f"[default.registry]\nkeys = ['{SECRET}']\n",
        "secrets": f"[default.registry]\nlabel = '{SECRET}'\n[default.registry.weights]\nx = 1.5\n'a.b' = 1\n",
        "environ": {"ARBITER_MANAGEMENT__TOKEN": SECRET},
    }

    snapshot = loaded(tmp_path, **given)
    shown = {entry.key: entry for entry in entries(snapshot)}

    assert SECRET not in repr(snapshot) + repr(snapshot.origin) + repr(shown)
    for key in (
        "management.token",
        "registry.label",
        "registry.keys",
        "registry.weights.x",
        "registry.weights.a.b",
    ):
        assert (shown[key].value, shown[key].secret) == ("******", True)


def test_a_password_in_an_address_is_masked(tmp_path: Path) -> None:
    """An address in a public key is shown without its password."""
    snapshot = loaded(tmp_path, overrides={"registry.label": f"amqp://user:{SECRET}@host/x"})

    assert [e.value for e in entries(snapshot) if e.key == "registry.label"] == ["amqp://user:******@host/x"]


def test_entries_tell_value_source_and_reload(tmp_path: Path) -> None:
    """Every key is listed, in the order of declaration, with its source and whether it is live."""
    listed = entries(loaded(tmp_path, environ={"PORT": "80"}))

    by_key = {entry.key: entry for entry in listed}
    assert next(iter(by_key)) == "server.host"
    assert (by_key["server.port"].value, by_key["server.port"].source, by_key["server.port"].reload) == (
        80,
        "PORT",
        "restart",
    )
    assert (by_key["registry.max_agents"].source, by_key["registry.max_agents"].reload) == ("default", "live")
    assert by_key["registry.weights"].value == {}


def test_the_hash_leaves_secrets_out(tmp_path: Path) -> None:
    """The published hash names the public values; nobody can guess a secret by it."""
    one = loaded(tmp_path, environ={"ARBITER_MANAGEMENT__TOKEN": "one"})
    two = loaded(tmp_path, environ={"ARBITER_MANAGEMENT__TOKEN": "two"})

    assert one.sha256 == two.sha256


def test_an_override_without_a_value_is_a_problem() -> None:
    """`--set` takes key=value; all that are malformed are named."""
    with pytest.raises(SettingsInvalid) as caught:
        Sources.of_process(overrides=["a.b", "=1", "registry.max_agents=1"])

    assert [problem.key for problem in caught.value.problems] == ["a.b", ""]


def test_an_unreadable_directory_of_secrets_is_a_problem(tmp_path: Path) -> None:
    """A directory that is named and missing is an error, not silence."""
    problem = refused(tmp_path, environ={"ARBITER_SECRETS_DIR": "nowhere"}).problems[0]

    assert (problem.key, problem.source) == ("ARBITER_SECRETS_DIR", "ARBITER_SECRETS_DIR")


def test_a_mounted_volume_is_read_with_dots_as_separators(tmp_path: Path) -> None:
    """Entries of a mounted secret are keys; its hidden versions and directories are passed over."""
    (tmp_path / "s" / "..2026").mkdir(parents=True)
    (tmp_path / "s" / "management.token").write_text("tok en\r\n")
    (tmp_path / "s" / "lost+found").mkdir()

    settings = loaded(tmp_path, environ={"ARBITER_SECRETS_DIR": str(tmp_path / "s")}).settings

    assert settings.management.token.get_secret_value() == "tok en"
