"""SQLite by Python's own driver: write-ahead log, explicit transactions, rows as tuples.

No other copy of the SQLite library may open the file in this process, however fast it reads: closing a file
gives up all POSIX locks that the process holds on it, the other copy's too (sqlite.org, "How To Corrupt
An SQLite Database File", 2.2.1). That rules out ADBC and DuckDB's scanner, which each bring their own.
"""

import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any, ClassVar, Final, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from stratkernel.kernel.errors import StorageBusyError, StorageError, StorageFullError, UsageError
from stratkernel_config.files import replacing
from stratkernel_database.dialects.base import ArrayTypes, ColumnValues, Dialect
from stratkernel_database.dialects.rows import (
    BATCH,
    column_names,
    count_rows,
    joined,
    key_of,
    object_parts,
    result_converts,
    row_batches,
)
from stratkernel_database.dialects.sqlite_insert import insert_plan

BUSY_SECONDS: Final = 30.0
_CACHE_KIB: Final = 65_536  # a large write spills pages into the log twice when the cache cannot hold them
_EXACT: Final = 2**53  # integers below it travel as float64 unchanged
_NEARLY_FULL: Final = 1 << 20
_BEGIN: Final = "stratkernel_begin"

Columns: TypeAlias = Mapping[str, ColumnValues]


class SqliteDialect(Dialect):
    """An embedded database in one file."""

    name: ClassVar[str] = "sqlite"
    is_server: ClassVar[bool] = False

    def __init__(self) -> None:
        self._file: Path | None = None

    @property
    def driver_errors(self) -> tuple[type[Exception], ...]:
        return (sqlite3.Error,)

    def title(self, url: sa.URL) -> str:
        return f"the database {url.database}"

    def create_engine(self, url: sa.URL) -> sa.Engine:
        """Options of the URL: `synchronous` (`normal`, `full`), `timeout` (seconds to wait for others)."""
        options = dict(url.query)
        synchronous = str(options.pop("synchronous", "normal")).lower()
        wait = _seconds(options.pop("timeout", BUSY_SECONDS))
        if synchronous not in {"normal", "full"}:
            raise UsageError(f"{self.title(url)}: synchronous={synchronous}, expected normal or full")
        if options:
            raise UsageError(
                f"{self.title(url)}: unknown option {next(iter(options))!r}, expected synchronous or timeout"
            )
        if not url.database or url.database == ":memory:" or url.host:
            raise UsageError(
                "a SQLite URL names a file: sqlite:///folder/name.db, sqlite:////from/the/root.db"
            )
        self._file = Path(url.database).absolute()
        engine = sa.create_engine(
            url.set(query={}),
            connect_args={"timeout": wait, "isolation_level": None, "check_same_thread": False},
        )
        sa.event.listen(engine, "connect", lambda raw, _: _prepare(raw, synchronous))
        sa.event.listen(engine, "begin", _begin)
        return engine

    @contextmanager
    def writing(self, engine: sa.Engine) -> Iterator[sa.Connection]:
        # IMMEDIATE: a transaction that reads first and then wants to write fails at once when another
        # wrote in between, without waiting
        options = {_BEGIN: "BEGIN IMMEDIATE"}
        with engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    @contextmanager
    def reading(self, engine: sa.Engine) -> Iterator[sa.Connection]:
        with engine.connect() as connection, connection.begin() as transaction:
            yield connection
            transaction.rollback()

    def in_transaction(self, connection: sa.Connection) -> bool:
        return _driver(connection).in_transaction

    def lock_schema(self, connection: sa.Connection) -> None:
        del connection  # BEGIN IMMEDIATE has locked the file

    def insert(self, connection: sa.Connection, table: sa.Table, columns: Columns) -> None:
        self._executemany(connection, sa.insert(table), table, columns)

    def insert_new(self, connection: sa.Connection, table: sa.Table, columns: Columns) -> int:
        return self._executemany(connection, insert(table).on_conflict_do_nothing(), table, columns)

    def upsert(self, connection: sa.Connection, table: sa.Table, columns: Columns) -> int:
        key = key_of(table, list(columns))
        statement = insert(table)
        new = {name: statement.excluded[name] for name in columns if name not in key}
        if not new:
            return self.insert_new(connection, table, columns)
        differs = sa.or_(*(table.c[name].is_distinct_from(value) for name, value in new.items()))
        update = statement.on_conflict_do_update(index_elements=key, set_=new, where=differs)
        return self._executemany(connection, update, table, columns)

    def _executemany(
        self, connection: sa.Connection, statement: sa.Insert, table: sa.Table, columns: Columns
    ) -> int:
        """Insert rows, many in a statement: binding and running it costs more than inserting does."""
        driver = _driver(connection)
        ordered = {column.name: columns[column.name] for column in table.columns if column.name in columns}
        one = str(statement.values(dict.fromkeys(ordered)).compile(dialect=connection.dialect))
        plan = insert_plan(one, ordered, count_rows(columns))
        fixed = (
            tuple(chain.from_iterable(*row_batches(connection.dialect, table, plan.fixed)))
            if plan.fixed
            else ()
        )
        before = driver.total_changes
        for text, varied, together in plan.parts:
            width = len(varied) * together
            batch = together * max(1, BATCH // together)
            for rows in row_batches(connection.dialect, table, varied, batch):
                flat = tuple(chain.from_iterable(rows))
                groups = [fixed + flat[place : place + width] for place in range(0, len(flat), width)]
                connection.exec_driver_sql(text, groups)
        return driver.total_changes - before

    def read_columns(
        self, connection: sa.Connection, select: sa.Select[Any], types: ArrayTypes
    ) -> dict[str, npt.NDArray[Any]]:
        return joined(list(self.stream_columns(connection, select, types, BATCH)), types)

    def stream_columns(
        self, connection: sa.Connection, select: sa.Select[Any], types: ArrayTypes, rows: int
    ) -> Iterator[dict[str, npt.NDArray[Any]]]:
        names = column_names(select, types)
        with connection.execute(select) as result:
            cursor = cast("sqlite3.Cursor", result.cursor)
            if all(np.dtype(dtype).kind in "if" for dtype in types.values()):
                yield from _number_parts(cursor, names, types, rows)
            else:
                converts = result_converts(connection.dialect, select)
                yield from object_parts(cursor, names, types, converts, rows)

    def size(self, engine: sa.Engine) -> int:
        return self._bytes_of(engine, "page_count")

    def reusable(self, engine: sa.Engine) -> int:
        return self._bytes_of(engine, "freelist_count")

    def _bytes_of(self, engine: sa.Engine, pages: str) -> int:
        with self.reading(engine) as connection:
            count, size = (
                connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in (pages, "page_size")
            )
        return int(count * size)

    def reclaim(self, engine: sa.Engine) -> None:
        with engine.connect() as connection:
            # as a script, since a single statement is not run to its end: it frees a page a step
            _driver(connection).executescript("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE)")

    def backup(self, engine: sa.Engine, target: Path) -> None:
        if target.exists():
            raise UsageError(f"{target} exists already; name a new file for the copy")
        with (
            replacing(target) as temporary,
            engine.connect() as connection,
            closing(sqlite3.connect(temporary)) as copy,
        ):
            try:
                _driver(connection).backup(copy)
            except sqlite3.Error as error:
                if self._means_full(error, target):
                    raise StorageFullError(
                        f"no space is left on the disk of {target}, so no copy was made; make space there, "
                        "or name a file on another disk"
                    ) from error
                raise

    def is_lost(self, error: BaseException) -> bool:
        del error
        return False

    def translate(self, error: BaseException, title: str) -> StorageError:
        cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        code = _code_of(cause)
        if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED} or isinstance(error, sa.exc.TimeoutError):
            return StorageBusyError(f"{title} is held by another process or thread ({cause}); try again")
        if self._means_full(cause, self._file):
            return StorageFullError(
                f"{title}: no space is left on its disk; nothing of this write was stored. "
                "Make space, then repeat it"
            )
        return StorageError(_MEANINGS.get(code, "{title}: {cause}").format(title=title, cause=cause))

    def _means_full(self, cause: BaseException | None, file: Path | None) -> bool:
        """Whether an error means that the disk of the file that was written to is full."""
        code = _code_of(cause)
        return code == sqlite3.SQLITE_FULL or (
            code == sqlite3.SQLITE_IOERR and file is not None and _is_full(file)
        )


_MEANINGS: Final = {
    sqlite3.SQLITE_CORRUPT: "{title} is damaged ({cause}). It is left as it is: put it aside and restore a "
    "backup in its place (`stratkernel db backup` makes them)",
    sqlite3.SQLITE_NOTADB: "{title} is no SQLite database, or its first page is damaged ({cause}). It is "
    "left as it is: name another file, or put it aside and restore a backup in its place",
    sqlite3.SQLITE_READONLY: "{title} cannot be written to ({cause}); the file and its folder must be "
    "writable, since SQLite keeps its log beside it",
    sqlite3.SQLITE_PERM: "{title} may not be used ({cause}); check the rights of the file and its folder",
    sqlite3.SQLITE_CANTOPEN: "{title} cannot be opened ({cause}); its folder must exist and be writable, "
    "since SQLite keeps its log beside it",
    sqlite3.SQLITE_IOERR: "{title} cannot be read or written ({cause}); check the disk",
    sqlite3.SQLITE_CONSTRAINT: "{title} refused a row ({cause}); nothing of this write was stored",
}


def _seconds(text: Any) -> float:
    try:
        wait = float(text)
    except (TypeError, ValueError):
        wait = -1.0
    if not 0.0 <= wait <= 3600.0:
        raise UsageError(f"timeout={text}: expected seconds, 0 to 3600")
    return wait


def _prepare(raw: sqlite3.Connection, synchronous: str) -> None:
    """Set up a new connection.

    A file keeps what it was made with: `auto_vacuum` holds only from before the first page was written, and
    another program's journal is not ours to change. Without a write-ahead log `normal` is not safe.
    """
    if raw.execute("PRAGMA page_count").fetchone() == (0,):
        for pragma in ("auto_vacuum = INCREMENTAL", "journal_mode = WAL"):
            raw.execute(f"PRAGMA {pragma}").close()
    has_log = raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    for pragma in (
        f"synchronous = {synchronous if has_log else 'full'}",
        "foreign_keys = ON",
        f"cache_size = -{_CACHE_KIB}",
    ):
        raw.execute(f"PRAGMA {pragma}").close()


def _begin(connection: sa.Connection) -> None:
    # the driver begins transactions only before writes and never before DDL; so it is told to begin none
    connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))


def _driver(connection: sa.Connection) -> sqlite3.Connection:
    return cast("sqlite3.Connection", connection.connection.driver_connection)


def _number_parts(
    cursor: Iterator[tuple[Any, ...]], names: list[str], types: ArrayTypes, rows: int
) -> Iterator[dict[str, npt.NDArray[Any]]]:
    """Rows of numbers, `rows` at a time, read as one run of float64: faster than as structured rows."""
    values, width = chain.from_iterable(cursor), len(names)
    while len(flat := np.fromiter(islice(values, rows * width), dtype=np.float64)):
        table = flat.reshape(-1, width)
        part = {}
        for place, name in enumerate(names):
            column = table[:, place]
            if np.dtype(types[name]).kind == "i" and np.any(np.abs(column) >= _EXACT):
                raise StorageError(
                    f"{name} holds integers of 2**53 or more, which cannot be read exactly; a time in "
                    "microseconds is below it until the year 2255: delete the rows beyond"
                )
            part[name] = column.astype(types[name])
        yield part


def _code_of(error: BaseException | None) -> int:
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def _is_full(file: Path) -> bool:
    try:
        return shutil.disk_usage(file.absolute().parent).free < _NEARLY_FULL
    except OSError:
        return False
