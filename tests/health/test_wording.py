"""What a probe may say about an error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbiter.health.wording import one_line, told_of


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://:hunter2@cache:6379/0 refused", "redis://:******@cache:6379/0 refused"),
        ("postgresql+psycopg://u:hunter2@h/d", "postgresql+psycopg://u:******@h/d"),
        ("postgresql://u:p@ss:w0rd@h/d", "postgresql://u:******@h/d"),
        ("host=db password=hunter2 user=app", "host=db password=****** user=app"),
        ("token: 'hunter2', next", "token: ******, next"),
        ('{"api_key": "hunter2"}', '{"api_key": ******}'),
        ("http://host:8080/path is slow", "http://host:8080/path is slow"),
        ("\n\n first \n second", "first"),
        ("", ""),
    ],
)
def test_a_sentence_holds_no_password(text: str, shown: str) -> None:
    """The first line is kept, passwords of addresses and of key=value pairs are stars."""
    assert one_line(text) == shown


@given(st.text())
def test_any_text_becomes_one_short_line(text: str) -> None:
    """For all texts the result is at most 300 characters without a line break."""
    shown = one_line(text)

    assert len(shown) <= 300
    assert len(shown.splitlines()) <= 1


def test_an_error_that_cannot_be_shown_is_named() -> None:
    """An exception whose `str()` fails is told by its class."""

    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert told_of(Broken()) == "Broken"
    assert told_of(KeyError()) == "KeyError"
