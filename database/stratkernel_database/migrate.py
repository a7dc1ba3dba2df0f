"""Brings tables up to date, one process and thread at a time, all or nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Final

import sqlalchemy as sa

from stratkernel.contracts.storage import Backup, Migrations
from stratkernel.kernel.errors import SchemaError, UsageError
from stratkernel_database.connection import Database
from stratkernel_database.dialects.choose import dialect_for, parse_url
from stratkernel_database.dialects.schema import broken_references, suspend_foreign_keys
from stratkernel_database.migrations import REVISIONS
from stratkernel_database.models import VERSION_TABLE, metadata

BASE: Final = "base"
_IN_THIS_PROCESS: Final = Lock()  # Alembic keeps the migration that runs in module globals
_VERSION: Final = sa.Table(VERSION_TABLE, sa.MetaData(), sa.Column("version_num", sa.String(32)))


@dataclass(frozen=True, slots=True)
class History:
    """The revisions that there are, oldest first, and the folders of those that this package has not."""

    revisions: tuple[str, ...] = REVISIONS
    more_folders: tuple[Path, ...] = ()

    @property
    def head(self) -> str:
        return self.revisions[-1]

    def rank(self, revision: str | None) -> int:
        """How many revisions there are up to this one. Raises `ValueError` for an unknown one."""
        return 0 if revision is None else self.revisions.index(revision) + 1


def read_revision(connection: sa.Connection) -> str | None:
    """The revision of the tables, without Alembic; `None` where there are none yet."""
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    return ", ".join(connection.execute(sa.select(_VERSION.c.version_num)).scalars()) or None


def prepare(
    database: Database, url: str, *, migrate: bool | None = None, history: History | None = None
) -> None:
    """What opening a database does: nothing when its tables are up to date, else as `migrate` says.

    `None` means: an embedded database is upgraded, a server only while it has none of our tables.

    Raises:
        SchemaError: the tables are older and not to be upgraded, newer, or somebody else's.
        StorageError: the database cannot be reached, read or written.
    """
    migrations = DatabaseMigrations(url, history)
    current = database.read(read_revision)
    if migrations.rank(current) == migrations.rank(migrations.head):
        return
    if migrate is None:
        migrate = current is None or not database.dialect.is_server
    if not migrate:
        raise SchemaError(
            f"{database.title} {_has(current)}, this stratkernel works with revision {migrations.head}; "
            f"run `stratkernel db upgrade`{', `stratkernel db backup FILE` before it' if current else ''}"
        )
    migrations.upgrade()


class DatabaseMigrations(Migrations):
    """The migrations of a database of this package.

    Each call opens connections of its own and closes them. On SQLite a copy of the file is made before
    tables with something in them are changed: `NAME.before-REVISION.backup`, beside it.

    Raises:
        UsageError: the URL is none, of another database, or its driver is not installed.
    """

    def __init__(self, url: str, history: History | None = None) -> None:
        parsed = parse_url(url)
        dialect = dialect_for(parsed)
        self.title = dialect.title(parsed)
        self.has_partitions = dialect.has_partitions
        self._url = url
        self._file = None if dialect.is_server else Path(str(parsed.database))
        self._history = history or History()

    @property
    def head(self) -> str:
        return self._history.head

    def current(self) -> str | None:
        if self._is_absent():
            return None
        with self._database() as database:
            return database.read(read_revision)

    def rank(self, current: str | None) -> int:
        """How many revisions the tables have seen. Raises `SchemaError` when they are newer than we are."""
        try:
            return self._history.rank(current)
        except ValueError:
            raise SchemaError(
                f"{self.title} was made by a newer stratkernel: it {_has(current)}, and this one knows none "
                f"after {self.head}. Upgrade stratkernel, or name another database; nothing was changed"
            ) from None

    def knows(self, revision: str) -> bool:
        return revision in self._history.revisions

    def upgrade(self, revision: str = "head") -> list[str]:
        revision = self._known(self.head if revision == "head" else revision)
        if self._file is not None:
            make_folder(self._file)
        return self._change(revision, upward=True)

    def downgrade(self, revision: str) -> list[str]:
        if self._is_absent():
            raise UsageError(f"{self.title} is not there")
        return self._change(None if revision == BASE else self._known(revision), upward=False)

    def partition_signals(self, wanted: bool = True) -> bool:
        if self._is_absent():
            raise UsageError(f"{self.title} is not there")
        with self._database() as database, database.dialect.writing(database.engine) as connection:
            database.dialect.lock_schema(connection)
            current = read_revision(connection)
            if self.rank(current) < len(self._history.revisions):
                raise UsageError(
                    f"{self.title} {_has(current)}; its signals go into partitions at {self.head}: run "
                    "`stratkernel db upgrade` without --to"
                )
            return database.dialect.partition_signals(connection, wanted)

    def check(self) -> list[str]:
        from stratkernel_database.schema_check import differences

        if self._is_absent():
            return [f"{self.title} is not there"]
        with (
            self._database() as database,
            database.engine.connect() as connection,
            connection.begin() as transaction,
        ):
            current = read_revision(connection)
            if self.rank(current) < len(self._history.revisions):
                return [f"{self.title} {_has(current)}, expected {self.head}; run `stratkernel db upgrade`"]
            found = differences(connection)
            transaction.rollback()
            return found

    def backup(self, target: Path) -> Backup:
        if self._is_absent():
            raise UsageError(f"{self.title} is not there")
        with self._database() as database:
            return _copy(database, target)

    def _change(self, revision: str | None, *, upward: bool) -> list[str]:
        """Go to a revision; what was done is nothing when it raises."""
        self.backed_up = None
        with _IN_THIS_PROCESS, self._database() as database:
            suspend_foreign_keys(database.engine)
            with database.dialect.writing(database.engine) as connection:
                database.dialect.lock_schema(connection)
                current = read_revision(connection)
                distance = self._history.rank(revision) - self.rank(current)
                if distance == 0:
                    return []
                if (distance > 0) is not upward:
                    other = "downgrade" if upward else "upgrade"
                    raise UsageError(
                        f"{self.title} {_has(current)}; to get to {revision or BASE}: `db {other}`"
                    )
                self._save_before(database, connection, current, revision or BASE)
                return self._run_alembic(connection, revision or BASE, upward=upward)

    def _save_before(
        self, database: Database, connection: sa.Connection, current: str | None, revision: str
    ) -> None:
        """A copy of what is about to change; tables that are not ours are in nobody's way."""
        if current is None:
            taken = [name for name in metadata.tables if sa.inspect(connection).has_table(name)]
            if taken:
                raise SchemaError(
                    f"{self.title} has tables {', '.join(taken)} that stratkernel did not make; name another "
                    "database, or on a server another schema (its search_path)"
                )
        elif self._file:
            names = (
                f"{self._file.name}.before-{revision}{suffix}.backup"
                for suffix in ("", *(f"-{number}" for number in range(2, 10_000)))
            )
            free = next(path for path in map(self._file.with_name, names) if not path.exists())
            self.backed_up = _copy(database, free)

    def _run_alembic(self, connection: sa.Connection, revision: str, *, upward: bool) -> list[str]:
        from alembic import command
        from alembic.config import Config

        done: list[str] = []

        def note(*, step: Any, **_: Any) -> None:
            done.append(str(step.up_revision_id))

        config = Config(attributes={"connection": connection, "on_version_apply": note})
        config.set_main_option("script_location", "stratkernel_database:migrations")
        folders = map(str, (Path(__file__).parent / "migrations" / "versions", *self._history.more_folders))
        config.set_main_option("path_separator", "newline")
        config.set_main_option("version_locations", "\n".join(folders).replace("%", "%%"))
        (command.upgrade if upward else command.downgrade)(config, revision)
        there = [name for name in metadata.tables if sa.inspect(connection).has_table(name)]
        broken = broken_references(connection, there)
        if broken:
            raise SchemaError(f"{self.title}: {'; '.join(broken)} after {done}; nothing was changed")
        return done

    def _known(self, revision: str) -> str:
        if revision not in self._history.revisions:
            known = ", ".join(self._history.revisions)
            raise UsageError(f"no revision {revision!r}; there are: {known}")
        return revision

    def _is_absent(self) -> bool:
        """Whether there is no file yet; connecting would make one."""
        return self._file is not None and not self._file.exists()

    @contextmanager
    def _database(self) -> Iterator[Database]:
        database = Database(self._url)
        try:
            with database.plain_errors():
                yield database
        finally:
            database.close()


def make_folder(file: Path) -> None:
    """The last folder of an embedded database's path, where it is missing.

    Raises:
        UsageError: the one above is missing too, or it cannot be made.
    """
    folder = file.parent
    try:
        folder.mkdir(exist_ok=True)
    except FileNotFoundError:
        raise UsageError(
            f"{folder}: neither this folder nor {folder.parent} is there; make it, or name another file"
        ) from None
    except OSError as error:
        raise UsageError(f"{folder}: cannot be made: {error.strerror or error}") from error


def _copy(database: Database, target: Path) -> Backup:
    if not target.parent.is_dir():
        raise UsageError(f"{target.parent}: no such folder")
    database.dialect.backup(database.engine, target)
    return Backup(target, target.stat().st_size)


def _has(current: str | None) -> str:
    return f"has tables of revision {current}" if current else "has no tables of stratkernel yet"
