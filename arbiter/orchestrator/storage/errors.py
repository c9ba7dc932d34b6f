"""What can go wrong with the database. SQLAlchemy's own errors end here: none crosses into a component."""

from __future__ import annotations

from arbiter.errors import ArbiterError, StartError

__all__ = ["DatabaseUnusable", "StorageError", "StorageUnavailable", "as_storage_error"]


class DatabaseUnusable(StartError):
    """The database cannot be opened: unreachable, no database, not ours, or newer than this program.

    Args:
        where: the database's URL without its password.
        reason: what is wrong, as a sentence's end.
    """

    def __init__(self, where: str, reason: str, *, hint: str = "") -> None:
        super().__init__(f"The database {where} cannot be used: {reason}.", hint=hint)
        self.where, self.reason = where, reason


class StorageError(ArbiterError):
    """A statement failed, and nothing of its job was written; the driver's error is chained."""


class StorageUnavailable(StorageError):
    """The database does not answer, or is not open. Nothing that was asked for was written, as far as is known."""


def as_storage_error(error: BaseException) -> BaseException:
    """`error` as one of ours, with itself as the cause; errors that are not SQLAlchemy's are returned unchanged."""
    from sqlalchemy import exc  # noqa: PLC0415  these errors are also caught where no database is ever opened

    if not isinstance(error, exc.SQLAlchemyError):
        return error
    # The driver's own words only: SQLAlchemy's would add the statement with its values.
    words = str(error.orig) if isinstance(error, exc.DBAPIError) else str(error)
    first = words.strip().partition("\n")[0]
    away = isinstance(error, (exc.OperationalError, exc.InterfaceError, exc.TimeoutError))
    translated = (StorageUnavailable if away else StorageError)(
        f"The database refused: {first}.",
        hint="Look whether it is reachable, and whether its disk is full." if away else "",
    )
    translated.__cause__ = error
    return translated
