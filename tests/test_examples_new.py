"""`arbiter new`: what it writes works at once, and names the framework by its place."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx2
import pytest

import arbiter as framework
from arbiter.cli.new import FrameworkNotFound, NameRefused, TargetExists, new_application
from tests.processes import PROJECT, arbiter, clean_environment, serving

TEMPLATE = Path(framework.__file__).parent / "template"


def make(target: str, folder: Path, *words: str, limit_s: float = 60) -> subprocess.CompletedProcess[str]:
    """One target of an application's Makefile."""
    return subprocess.run(
        ["make", target, *words],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )


def built_wheel(folder: Path) -> Path:
    """A wheel of this framework, in `folder`."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=PROJECT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def test_its_own_tests_pass_at_once(tmp_path: Path) -> None:
    """`make test` and `make check` of a new application succeed, in the environment that is there."""
    written = arbiter("new", "tea-shop", directory=tmp_path)
    binaries = Path(sys.executable).parent

    tested = make("test", tmp_path / "tea-shop", f"BIN={binaries}")
    checked = make("check", tmp_path / "tea-shop", f"BIN={binaries}")

    assert written.returncode == 0, written.stderr
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "4 passed" in tested.stdout
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_it_runs_and_stops_as_a_process(tmp_path: Path) -> None:
    """What was written is served by `arbiter run` in its folder, and SIGTERM ends it with 0."""
    arbiter("new", "tea-shop", directory=tmp_path)

    with serving(tmp_path / "tea-shop", tmp_path) as service:
        greeted = httpx2.get(f"{service.url}/greetings/Ada").json()
        code = service.terminate()

    assert greeted == {"greeting": "Hello, Ada!"}
    assert code == 0, service.output()


@pytest.mark.soak
@pytest.mark.parametrize("place", ["folder", "wheel"])
def test_a_new_application_sets_itself_up(tmp_path: Path, place: str) -> None:
    """`make test` makes its own environment, with the framework from where it is: its folder, or a wheel of it."""
    framework = ["--framework", str(built_wheel(tmp_path))] if place == "wheel" else []
    arbiter("new", "tea-shop", *framework, directory=tmp_path)

    done = make("test", tmp_path / "tea-shop", limit_s=300)

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_framework_is_named_by_its_place(tmp_path: Path) -> None:
    """Every requirement of the framework is a place; its bare name, which an index may answer, is in none."""
    done = arbiter("new", "tea-shop", "--json", directory=tmp_path)

    answer = json.loads(done.stdout)
    lines = (tmp_path / "tea-shop" / "requirements.txt").read_text().splitlines()
    named = [line for line in lines if line.startswith("arbiter")]
    assert named == [answer["framework"]]
    assert answer["framework"].startswith("arbiter-framework @ file:///")
    assert ".secrets.toml" in answer["files"]


def test_a_wheel_may_be_the_place(tmp_path: Path) -> None:
    """`--framework` takes a wheel, or the framework's folder."""
    wheel = tmp_path / "arbiter_framework-9.9-py3-none-any.whl"
    wheel.touch()

    with contextlib.chdir(tmp_path):
        new_application("tea", framework=wheel)

    assert f"arbiter-framework @ {wheel.as_uri()}" in (tmp_path / "tea" / "requirements.txt").read_text()


def test_a_place_that_is_none_is_refused(tmp_path: Path) -> None:
    """Neither a folder of something else nor a file that is not there will do, and nothing is written."""
    with contextlib.chdir(tmp_path), pytest.raises(FrameworkNotFound, match="neither its folder nor a wheel"):
        new_application("tea", framework=tmp_path)

    assert not (tmp_path / "tea").exists()


@pytest.mark.parametrize(
    "name", ["Tea", "tea shop", "class", "json", "config", "starlette", "1tea", "../tea"]
)
def test_a_name_that_cannot_be_a_package_is_refused(tmp_path: Path, name: str) -> None:
    """What would hide another package, or cannot be imported, is refused with a hint."""
    with contextlib.chdir(tmp_path), pytest.raises(NameRefused, match="Hint"):
        new_application(name)

    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A folder that holds something is left alone."""
    (tmp_path / "tea").mkdir()
    (tmp_path / "tea" / "mine.txt").write_text("mine")

    with contextlib.chdir(tmp_path), pytest.raises(TargetExists):
        new_application("tea")

    assert [path.name for path in (tmp_path / "tea").iterdir()] == ["mine.txt"]


def test_the_wheel_holds_the_template(tmp_path: Path) -> None:
    """Every template file is in the wheel, under the package, and none looks like code of the framework."""
    if not (PROJECT / "arbiter").is_dir():
        pytest.skip("the source is hidden: this is the wheel already")

    names = set(zipfile.ZipFile(built_wheel(tmp_path)).namelist())

    templates = {
        f"arbiter/template/{path.relative_to(TEMPLATE).as_posix()}" for path in TEMPLATE.rglob("*.tmpl")
    }
    assert templates <= names
    assert {name.split("/")[0] for name in names if not name.split("/")[0].endswith(".dist-info")} == {
        "arbiter"
    }
    assert all(path.suffix == ".tmpl" for path in TEMPLATE.rglob("*") if path.is_file())
