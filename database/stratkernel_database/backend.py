"""Which databases this package opens, and what their URLs look like."""

from pathlib import Path
from typing import ClassVar

import sqlalchemy as sa

from stratkernel.contracts.storage import Migrations, Storage, StorageBackend
from stratkernel.kernel.errors import UsageError
from stratkernel_database.connection import Database
from stratkernel_database.dialects.choose import parse_url
from stratkernel_database.migrate import DatabaseMigrations, make_folder, prepare
from stratkernel_database.operations import DatabaseOperations


class SqliteBackend(StorageBackend):
    """An embedded database in one file: `sqlite:///relative/to/here.db`, `sqlite:////from/the/root.db`.

    The last folder is made where it is missing. Options: `synchronous` (`normal`, `full`: safe against
    power loss too), `timeout` (seconds to wait for others).
    """

    name = "sqlite"
    schemes: ClassVar[tuple[str, ...]] = ("sqlite",)

    @classmethod
    def open(cls, url: str, *, migrate: bool | None = None) -> Storage:
        parsed = _file_url(url)
        make_folder(Path(str(parsed.database)))
        return _open(parsed, migrate)

    @classmethod
    def migrations(cls, url: str) -> Migrations:
        return DatabaseMigrations(_file_url(url).render_as_string(hide_password=False))


class PostgresqlBackend(StorageBackend):
    """A PostgreSQL server: `postgresql://user:password@host:5432/name`, options as libpq knows them.

    `postgres://` is the same.
    """

    name = "postgresql"
    schemes: ClassVar[tuple[str, ...]] = ("postgresql", "postgres")

    @classmethod
    def open(cls, url: str, *, migrate: bool | None = None) -> Storage:
        return _open(_server_url(url), migrate)

    @classmethod
    def migrations(cls, url: str) -> Migrations:
        return DatabaseMigrations(_server_url(url).render_as_string(hide_password=False))


def _open(url: sa.URL, migrate: bool | None) -> Storage:
    text = url.render_as_string(hide_password=False)
    database = Database(text)
    try:
        prepare(database, text, migrate=migrate)
    except BaseException:
        database.close()
        raise
    return DatabaseOperations(database)


def _file_url(text: str) -> sa.URL:
    """The URL of a SQLite file, its path made absolute. Raises `UsageError`."""
    url = _parsed(text, "sqlite", "pysqlite")
    wanted = "expected sqlite:///folder/name.db or sqlite:////from/the/root.db"
    if url.host or url.username:
        raise UsageError(f"sqlite://{url.host or ''}/... names a server, and SQLite has none; {wanted}")
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise UsageError(
            "a SQLite database in memory would be gone when the command ends, so none is opened; "
            f"{wanted} (in tests: memory://, of stratkernel.testing)"
        )
    path = Path(url.database).absolute()
    try:
        is_folder = path.is_dir()
    except OSError as error:
        raise UsageError(
            f"{path} cannot be looked at: {error.strerror or error}; expected a file in a folder that this "
            "user may enter"
        ) from error
    if is_folder:
        raise UsageError(f"{path} is a folder; name a file in it: {path / 'stratkernel.db'}")
    return url.set(database=str(path))


def _server_url(text: str) -> sa.URL:
    """The URL of a PostgreSQL database. Raises `UsageError`."""
    given, _, rest = text.partition("://")
    if given == "postgres":
        text = f"postgresql://{rest}"
    if "@" in rest.partition("@")[2] or "@" in rest.partition("?")[2]:
        raise UsageError(
            "the URL has an @ that does not end user and password; write it as %40 (and : as %3A, / as "
            "%2F, ? as %3F where they are part of a password): postgresql://user:password@host:5432/name"
        )
    url = _parsed(text, "postgresql", "psycopg")
    if not url.database and "service" not in url.query:
        raise UsageError("the URL names no database; expected postgresql://user:password@host:5432/name")
    return url


def _parsed(text: str, scheme: str, driver: str) -> sa.URL:
    url = parse_url(text)
    if url.drivername not in {scheme, f"{scheme}+{driver}"}:
        raise UsageError(f"{url.drivername}:// is not opened here; expected {scheme}://")
    return url
