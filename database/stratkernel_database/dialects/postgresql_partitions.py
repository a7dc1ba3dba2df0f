"""The signals of PostgreSQL in partitions, one a month, so that old ones are dropped instead of deleted.

The partitioned table has the columns, checks, key and index of the plain one, but no foreign key: each new
partition would have to lock `strategy_runs`, and two writers that hold a row of it would wait for each other
for ever. Writers lock the row of their run instead, whoever deletes a run deletes its signals first, and
`db check` counts signals without a run.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import sqlalchemy as sa
from sqlalchemy import quoted_name
from sqlalchemy.dialects.postgresql import REGCLASS

from stratkernel_database.dialects.base import ColumnValues
from stratkernel_database.models import strategy_runs as runs
from stratkernel_database.models import strategy_signals as signals

PARTITION_KEY: Final = "RANGE (timestamp)"
_TABLE: Final = signals.name
_PLAIN: Final = f"{_TABLE}_before"  # while its rows are copied
_PARTITION_LOCK: Final = 0x73747261746C  # any number of our own: making partitions
_WAIT: Final = "2s"  # for readers and writers to finish; whoever comes meanwhile waits as long
_DAY: Final = 86_400_000_000
_EARLY: Final = 1_000_000  # days; makes times before 1970 positive, which the server divides otherwise
_BOUNDS: Final = re.compile(r"FROM \('?(-?\d+|MINVALUE)'?\) TO \('?(-?\d+|MAXVALUE)'?\)")
_LEAST, _MOST = np.iinfo(np.int64).min, np.iinfo(np.int64).max


class Partition(NamedTuple):
    """A partition and its times, `start` inclusive, `end` exclusive, microseconds UTC."""

    name: str
    start: int
    end: int


def partition_key(connection: sa.Connection) -> str | None:
    """By what the table of signals is partitioned; `None` for a plain one, and on SQLite."""
    if connection.dialect.name != "postgresql":
        return None
    select = sa.select(sa.func.pg_get_partkeydef(sa.func.to_regclass(_TABLE)))
    found: str | None = connection.execute(select).scalar()
    return None if found is None else found.replace('"', "")


def partitions(connection: sa.Connection) -> list[Partition]:
    """The partitions of the table of signals."""
    child = sa.table("pg_class", sa.column("oid"), sa.column("relpartbound")).c
    link = sa.table("pg_inherits", sa.column("inhrelid"), sa.column("inhparent")).c
    select = (
        sa.select(
            sa.cast(sa.cast(child.oid, REGCLASS), sa.Text), sa.func.pg_get_expr(child.relpartbound, child.oid)
        )
        .where(child.oid == link.inhrelid, link.inhparent == sa.func.to_regclass(_TABLE))
        .order_by(child.oid)
    )
    return [Partition(name, *_bounds(text)) for name, text in connection.execute(select)]


def partition(connection: sa.Connection) -> bool:
    """Move all signals into partitions; gives whether they were not in any."""
    _lock_all(connection)
    if partition_key(connection) is not None:
        return False
    _set_aside(connection)
    table = signals.to_metadata(sa.MetaData())
    table.dialect_options["postgresql"]["partition_by"] = PARTITION_KEY
    connection.execute(sa.schema.CreateTable(table, include_foreign_key_constraints=[]))
    source = sa.table(_PLAIN, sa.column("timestamp", sa.BigInteger))
    days = sa.select((source.c.timestamp + _EARLY * _DAY) // _DAY - _EARLY).distinct()
    _make(connection, _months(np.array(connection.execute(days).scalars().all(), dtype=np.int64) * _DAY))
    _move(connection, table)
    return True


def join(connection: sa.Connection) -> bool:
    """Move all signals into one plain table; gives whether they were in partitions."""
    _lock_all(connection)
    if partition_key(connection) is None:
        return False
    _set_aside(connection)
    # as it was made: with its foreign key, which needs the table of runs beside it
    table = signals.to_metadata(fresh := sa.MetaData())
    runs.to_metadata(fresh)
    connection.execute(sa.schema.CreateTable(table))
    _move(connection, table)
    return True


def require_months(connection: sa.Connection, table: sa.Table, columns: Mapping[str, ColumnValues]) -> None:
    """Make the partitions that rows need which are about to be written in this transaction.

    From here to the end of the transaction none is dropped. Whoever makes one too waits for the other.
    """
    if table.name != _TABLE:
        return
    connection.exec_driver_sql(f"LOCK TABLE {_TABLE} IN ROW EXCLUSIVE MODE")
    if partition_key(connection) is None:
        return
    wanted = _months(np.asarray(columns["timestamp"], dtype=np.int64))
    if _missing(connection, wanted):
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_PARTITION_LOCK)))
        _make(connection, _missing(connection, wanted))


def drop_deleted(connection: sa.Connection) -> list[str]:
    """Drop the partitions in which all signals are of runs that are being deleted; gives their names.

    None when others read or write signals for longer than a moment: then they are left to be deleted row by
    row. A reader whose transaction began before the runs were marked may miss what was dropped.
    """
    if partition_key(connection) is None:
        return []
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_WAIT}'")
            connection.exec_driver_sql(f"LOCK TABLE {_TABLE} IN ACCESS EXCLUSIVE MODE")
            gone = [each.name for each in partitions(connection) if not _is_needed(connection, each.name)]
            for name in gone:
                connection.exec_driver_sql(f"DROP TABLE {name}")
    except sa.exc.OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != "55P03":
            raise
        return []
    connection.exec_driver_sql("SET LOCAL lock_timeout = DEFAULT")
    return gone


def _lock_all(connection: sa.Connection) -> None:
    """Runs first, as writers do."""
    connection.exec_driver_sql(f"LOCK TABLE {runs.name}, {_TABLE} IN ACCESS EXCLUSIVE MODE")


def _set_aside(connection: sa.Connection) -> None:
    """Rename the table, and drop what has a name that the new one needs."""
    connection.exec_driver_sql(f"ALTER TABLE {_TABLE} RENAME TO {_PLAIN}")
    connection.exec_driver_sql(f"ALTER TABLE {_PLAIN} DROP CONSTRAINT {signals.primary_key.name}")
    for index in signals.indexes:
        connection.exec_driver_sql(f"DROP INDEX {index.name}")


def _move(connection: sa.Connection, table: sa.Table) -> None:
    """Copy all rows from the table that was set aside, and drop it."""
    source = sa.table(_PLAIN, *(sa.column(column.name) for column in table.columns))
    names = [column.name for column in table.columns]
    connection.execute(sa.insert(table).from_select(names, sa.select(*source.c)))
    connection.exec_driver_sql(f"DROP TABLE {_PLAIN}")
    for index in table.indexes:
        connection.execute(sa.schema.CreateIndex(index))
    connection.exec_driver_sql(f"ANALYZE {_TABLE}")


def _months(timestamps: "np.ndarray[Any, np.dtype[np.int64]]") -> list["np.datetime64"]:
    """The months of times, each once."""
    return list(np.unique(timestamps.astype("datetime64[us]").astype("datetime64[M]")))


def _missing(connection: sa.Connection, months: Sequence["np.datetime64"]) -> list["np.datetime64"]:
    there = partitions(connection)
    starts = ((month, int(month.astype("datetime64[us]").astype(np.int64))) for month in months)
    return [month for month, at in starts if not any(each.start <= at < each.end for each in there)]


def _make(connection: sa.Connection, months: Sequence["np.datetime64"]) -> None:
    for month in months:
        name = f"{_TABLE}_{str(month).replace('-', '_')}"
        start, end = ((month + more).astype("datetime64[us]").astype(np.int64) for more in (0, 1))
        # made beside the table and then attached: others go on reading and writing meanwhile
        connection.exec_driver_sql(f"CREATE TABLE {name} (LIKE {_TABLE} INCLUDING ALL)")
        connection.exec_driver_sql(
            f"ALTER TABLE {_TABLE} ATTACH PARTITION {name} FOR VALUES FROM ({start}) TO ({end})"
        )


def _is_needed(connection: sa.Connection, name: str) -> bool:
    """Whether a partition has a signal of a run that stays; looks up one signal a run."""
    # the server has quoted the name where that is needed
    part = sa.table(quoted_name(name, quote=False), sa.column("run", sa.BigInteger))
    found = sa.select(sa.func.min(part.c.run).label("run")).cte("found", recursive=True)
    following = sa.select(sa.func.min(part.c.run)).where(part.c.run > found.c.run).scalar_subquery()
    found = found.union_all(sa.select(following).where(found.c.run.is_not(None)))
    deleted = sa.select(runs.c.id).where(runs.c.deleted_at.is_not(None))
    stays = sa.select(found.c.run).where(found.c.run.is_not(None), found.c.run.not_in(deleted)).limit(1)
    return connection.execute(stays).first() is not None


def _bounds(text: str) -> tuple[int, int]:
    """The times of a partition; of a default one all."""
    found = _BOUNDS.search(text)
    if found is None:
        return _LEAST, _MOST
    start, end = found.groups()
    return (_LEAST if start == "MINVALUE" else int(start)), (_MOST if end == "MAXVALUE" else int(end))
