"""The `[storage]` section: where the data is."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from arbiter.section import Section

__all__ = ["StorageSettings"]

_POSTGRES = ("postgres", "postgresql", "postgresql+psycopg")


class StorageSettings(Section):
    """Which database is used. A password inside the URL is taken out of it, so that the URL may be shown."""

    url: str = Field(default="sqlite:///data/arbiter.db", min_length=1)
    """`sqlite:///relative.db`, `sqlite:////absolute.db` or `postgresql://user:password@host:5432/name`."""

    password: SecretStr = SecretStr("")
    """The database user's password; one that stands in the URL ends up here."""

    @model_validator(mode="before")
    @classmethod
    def _take_password_out(cls, values: Any) -> Any:
        if not (isinstance(values, dict) and isinstance(values.get("url"), str)):
            return values
        parts = urlsplit(values["url"])
        if not parts.password:
            return values
        user, _, host = parts.netloc.rpartition("@")
        bare = urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}@{host}"))
        return {"password": unquote(parts.password), **values, "url": bare}

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, url: str) -> str:
        scheme, _, rest = url.partition("://")
        if scheme in _POSTGRES and rest:
            if "password" in parse_qs(urlsplit(url).query):
                raise ValueError("the query of the URL holds a password; set storage.password instead")
            return f"postgresql+psycopg://{rest}"
        if scheme == "sqlite" and len(rest) > 1 and rest.startswith("/") and not rest.startswith("/:memory:"):
            return url
        raise ValueError("must be sqlite:///FILE or postgresql://USER@HOST:PORT/NAME")
