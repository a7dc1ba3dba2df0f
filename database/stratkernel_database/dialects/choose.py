"""Which dialect a URL asks for."""

from typing import Final

import sqlalchemy as sa

from stratkernel.kernel.errors import UsageError
from stratkernel_config.urls import scheme_of
from stratkernel_database.dialects.base import Dialect
from stratkernel_database.dialects.postgresql import PostgresqlDialect
from stratkernel_database.dialects.sqlite import SqliteDialect

_DIALECTS: Final[tuple[type[Dialect], ...]] = (SqliteDialect, PostgresqlDialect)


def parse_url(url: str) -> sa.URL:
    """Take a URL apart; the message of an error shows no password. Raises `UsageError`."""
    try:
        return sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise UsageError(
            f"the {scheme_of(url) or 'text'} given as database is no URL; expected sqlite:///folder/name.db "
            "or postgresql://user:password@host:5432/name"
        ) from None


def dialect_for(url: sa.URL) -> Dialect:
    """The dialect of a URL's scheme. Raises `UsageError` for any other."""
    name = url.get_backend_name()
    for dialect in _DIALECTS:
        if dialect.name == name:
            return dialect()
    known = " and ".join(f"{each.name}://" for each in _DIALECTS)
    raise UsageError(f"{url.drivername}:// is not known here; {known} are")
