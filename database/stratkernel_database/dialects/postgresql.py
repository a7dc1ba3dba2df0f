"""PostgreSQL by psycopg 3: rows travel by binary COPY, through a temporary table where keys may meet."""

import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, ClassVar, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from stratkernel.kernel.errors import (
    StorageBusyError,
    StorageError,
    StorageFullError,
    UsageError,
    did_you_mean,
    one_line,
)
from stratkernel_database.dialects.base import ArrayTypes, ColumnValues, Dialect
from stratkernel_database.dialects.postgresql_copy import copy_in
from stratkernel_database.dialects.postgresql_packed import can_be_packed, packed_parts
from stratkernel_database.dialects.postgresql_partitions import (
    drop_deleted,
    join,
    partition,
    require_months,
)
from stratkernel_database.dialects.rows import (
    BATCH,
    column_names,
    count_rows,
    joined,
    key_of,
    object_parts,
)
from stratkernel_database.models import metadata

CONNECT_SECONDS: Final = 10
_SCHEMA_LOCK: Final = 0x73747261746B  # any number of our own; all that lock the schema must name the same
_STAGED: Final = 500  # below it a temporary table costs more than it saves

Columns: TypeAlias = Mapping[str, ColumnValues]


class PostgresqlDialect(Dialect):
    """A server that others may use too."""

    name: ClassVar[str] = "postgresql"
    is_server: ClassVar[bool] = True
    has_partitions: ClassVar[bool] = True

    def __init__(self) -> None:
        self._stages = count(1)

    @property
    def driver_errors(self) -> tuple[type[Exception], ...]:
        import psycopg

        return (psycopg.Error,)

    def title(self, url: sa.URL) -> str:
        where = url.set(drivername="postgresql", query={}).render_as_string(hide_password=True)
        return f"the database {where}"

    def create_engine(self, url: sa.URL) -> sa.Engine:
        if importlib.util.find_spec("psycopg") is None:
            raise UsageError(f'{self.title(url)} needs psycopg: pip install "stratkernel[postgres]"')
        _check_options(url, self.title(url))
        options = {"connect_timeout": CONNECT_SECONDS, "application_name": "stratkernel"}
        return sa.create_engine(
            url.set(drivername="postgresql+psycopg"),
            # prepared statements are lost behind a pooler that gives each transaction another connection
            connect_args={key: value for key, value in options.items() if key not in url.query}
            | {"prepare_threshold": None},
            pool_pre_ping=True,
        )

    @contextmanager
    def writing(self, engine: sa.Engine) -> Iterator[sa.Connection]:
        with engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self, engine: sa.Engine) -> Iterator[sa.Connection]:
        with engine.connect() as fresh:
            connection = fresh.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                yield connection

    def lock_schema(self, connection: sa.Connection) -> None:
        # of the transaction, not of the session: a pooler may give each transaction another session
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SCHEMA_LOCK)))

    def insert(self, connection: sa.Connection, table: sa.Table, columns: Columns) -> None:
        if count_rows(columns):
            require_months(connection, table, columns)
            copy_in(connection, table, table.name, columns)

    def insert_new(self, connection: sa.Connection, table: sa.Table, columns: Columns) -> int:
        return self._merge(connection, table, columns, update=False)

    def upsert(self, connection: sa.Connection, table: sa.Table, columns: Columns) -> int:
        return self._merge(connection, table, columns, update=True)

    def _merge(self, connection: sa.Connection, table: sa.Table, columns: Columns, *, update: bool) -> int:
        """Insert rows in the order of their key, or else two writers could each wait for the other."""
        rows = count_rows(columns)
        if rows == 0:
            return 0
        require_months(connection, table, columns)
        statement = insert(table)
        key = key_of(table, list(columns))
        new = {name: statement.excluded[name] for name in columns if name not in key}
        if update and new:
            differs = sa.or_(*(_unequal(table.c[name], value) for name, value in new.items()))
            statement = statement.on_conflict_do_update(index_elements=key, set_=new, where=differs)
        else:
            statement = statement.on_conflict_do_nothing()
        counted = connection.execution_options(preserve_rowcount=True)
        if rows < _STAGED:
            lists = {name: _plain(values) for name, values in columns.items()}
            made = [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
            made.sort(key=lambda row: [row[name] for name in key])
            return counted.execute(statement, made).rowcount
        stage = sa.Table(
            f"stratkernel_stage_{next(self._stages)}",
            sa.MetaData(),
            *(sa.Column(name, table.c[name].type) for name in columns),
            prefixes=["TEMPORARY"],
            postgresql_on_commit="DROP",
        )
        stage.create(connection)
        copy_in(connection, table, stage.name, columns)
        source = sa.select(*stage.c).order_by(*(_as_python(stage.c[name]) for name in key))
        merged = counted.execute(statement.from_select(list(columns), source)).rowcount
        stage.drop(connection)
        return merged

    def read_columns(
        self, connection: sa.Connection, select: sa.Select[Any], types: ArrayTypes
    ) -> dict[str, npt.NDArray[Any]]:
        return joined(list(self.stream_columns(connection, select, types, BATCH)), types)

    def stream_columns(
        self, connection: sa.Connection, select: sa.Select[Any], types: ArrayTypes, rows: int
    ) -> Iterator[dict[str, npt.NDArray[Any]]]:
        names = column_names(select, types)
        if can_be_packed(select):
            yield from packed_parts(connection, select, types, rows)
            return
        with connection.execute(select, execution_options={"yield_per": rows}) as result:
            yield from object_parts(iter(result), names, types, [None] * len(names), rows)

    def size(self, engine: sa.Engine) -> int:
        """Tables with their indexes, and their partitions."""
        size = sa.func.pg_total_relation_size
        part = sa.func.pg_partition_tree(sa.bindparam("name")).table_valued("relid").c.relid
        # the tree of a table without partitions is empty, the size of one with them is 0
        own, parts = sa.select(size(sa.bindparam("name"))), sa.select(sa.func.sum(size(part)))
        with self.reading(engine) as connection:
            there = set(sa.inspect(connection).get_table_names())
            found = [
                connection.execute(select, {"name": name}).scalar_one()
                for name in metadata.tables
                if name in there
                for select in (own, parts)
            ]
        return sum(int(each or 0) for each in found)

    def reclaim(self, engine: sa.Engine) -> None:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            there = set(sa.inspect(connection).get_table_names())
            for name in metadata.tables:
                if name in there:
                    connection.exec_driver_sql(f"VACUUM (ANALYZE) {name}")

    def partition_signals(self, connection: sa.Connection, wanted: bool) -> bool:
        return partition(connection) if wanted else join(connection)

    def drop_deleted(self, connection: sa.Connection) -> None:
        drop_deleted(connection)

    def backup(self, engine: sa.Engine, target: Path) -> None:
        del target
        raise UsageError(
            f"{self.title(engine.url)} is a server's: copy it with the server's own pg_dump, "
            "or move it to a file with `stratkernel db copy`"
        )

    def is_lost(self, error: BaseException) -> bool:
        if isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated:
            return True
        state = _sqlstate(error)
        return state.startswith("08") or state in {"57P01", "57P02"} or (not state and _is_closed(error))

    def translate(self, error: BaseException, title: str) -> StorageError:
        cause = " ".join(str(error.orig if isinstance(error, sa.exc.DBAPIError) else error).split())
        state = _sqlstate(error)
        if state in _BUSY or isinstance(error, sa.exc.TimeoutError):
            return StorageBusyError(f"{title}: others hold what is needed ({cause}); try again")
        if state == "53100":
            return StorageFullError(
                f"{title}: no space is left on its disk; nothing of this write was stored. "
                "Make space, then repeat it"
            )
        if state in _MEANINGS:
            return StorageError(_MEANINGS[state].format(title=title, cause=cause))
        if not state or state.startswith(("08", "57P")):
            return StorageError(
                f"{title} cannot be reached ({cause}); check that the server runs and the URL names it"
            )
        return StorageError(f"{title}: {cause}")


_BUSY: Final = {"40001", "40P01", "53300", "55P03", "57014", "57P03"}
_MEANINGS: Final = {
    "28000": "{title} refused the login ({cause}); check user and password of the URL",
    "28P01": "{title} refused the login ({cause}); check user and password of the URL",
    "3D000": "{title} does not exist on that server; make it with the server's createdb",
    "25006": "{title} only lets read ({cause}); name the server that is written to",
    "42501": "{title} does not allow this user to do it ({cause}); grant the rights",
    "42P01": "{title} lacks a table ({cause}); run `stratkernel db upgrade`",
    "XX001": "{title} is damaged ({cause}); restore a backup",
    "XX002": "{title} has a damaged index ({cause}); rebuild it with the server's REINDEX",
}


_REFUSALS: Final = (
    ("no password supplied", "28P01"),
    ("authentication failed for user", "28P01"),
    ("no pg_hba.conf entry", "28000"),
    ('FATAL:  role "', "28000"),
    ('FATAL:  database "', "3D000"),
    ("too many clients", "53300"),
    ("remaining connection slots", "53300"),
    ("database system is starting up", "57P03"),
)
"""What a server says that lets nobody in, and the state it means: the driver gives none of a login."""


def _sqlstate(error: BaseException) -> str:
    cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    state: str | None = getattr(cause, "sqlstate", None)
    if state is None and cause is not None:
        state = next((meant for words, meant in _REFUSALS if words in str(cause)), None)
    return state or ""


def _check_options(url: sa.URL, title: str) -> None:
    """Refuse options that the driver does not know. Raises `UsageError`."""
    from psycopg.pq import Conninfo

    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    for name in url.query:
        if name not in known:
            raise UsageError(
                f"{title}: unknown option {one_line(name, 60)!r}.{did_you_mean(name, sorted(known))} "
                "Expected one that libpq knows, as sslmode or connect_timeout"
            )


def _is_closed(error: BaseException) -> bool:
    """Whether the connection broke under a statement, as against one that was never made."""
    import psycopg

    cause: BaseException | None = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    text = str(cause)
    return isinstance(cause, psycopg.OperationalError) and any(
        words in text for words in ("consuming input failed", "terminat", "is closed", "is lost", "sending")
    )


def _unequal(old: sa.Column[Any], new: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    kind = old.type.impl_instance if isinstance(old.type, sa.TypeDecorator) else old.type
    if isinstance(kind, sa.JSON):  # as text, since the server does not compare JSON
        return sa.cast(old, sa.Text).is_distinct_from(sa.cast(new, sa.Text))
    return old.is_distinct_from(new)


def _as_python(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """A column that sorts as its values do in Python: texts by code point, whatever the server's language."""
    return column.collate("C") if isinstance(column.type, sa.String) else column


def _plain(values: ColumnValues) -> list[Any]:
    return values.tolist() if isinstance(values, np.ndarray) else list(values)
