"""The storage section: URLs that work, passwords that do not show."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from arbiter.orchestrator.storage.settings import StorageSettings


def test_the_default_is_a_file_below_data() -> None:
    """Without settings the data is in an SQLite file."""
    assert StorageSettings().url == "sqlite:///data/arbiter.db"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_a_password_is_taken_out_of_the_url(scheme: str) -> None:
    """The URL may be shown; the password, decoded, is a secret of its own."""
    settings = StorageSettings(url=f"{scheme}://me:p%40ss@db.example:5432/arbiter?sslmode=require")

    assert settings.url == "postgresql+psycopg://me@db.example:5432/arbiter?sslmode=require"
    assert settings.password.get_secret_value() == "p@ss"
    assert "p@ss" not in repr(settings)
    assert "p%40ss" not in repr(settings)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "data.db",
        "mysql://h/x",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "postgresql://h/x?password=y",
    ],
)
def test_a_url_that_cannot_work_is_refused(url: str) -> None:
    """What is no file and no PostgreSQL server is an error of the key `url`."""
    with pytest.raises(ValidationError) as caught:
        StorageSettings(url=url)

    assert [error["loc"] for error in caught.value.errors()] == [("url",)]
