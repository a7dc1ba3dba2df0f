"""Runs and their signals."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import numpy as np
import sqlalchemy as sa

from stratkernel.contracts.signals import SignalTable
from stratkernel.contracts.storage import StrategyStorage
from stratkernel.contracts.stored import (
    RunQuery,
    RunRecord,
    SignalGroup,
    SignalQuery,
    SignalStatistics,
    SignalStatus,
    SignalWrite,
    StoredSignals,
    WinRule,
)
from stratkernel.kernel.errors import AmbiguousNameError, UnknownNameError, one_line
from stratkernel_database.models import realtime_checkpoints as checkpoints
from stratkernel_database.models import strategy_runs as runs
from stratkernel_database.models import strategy_signals as signals
from stratkernel_database.repositories import signal_rows
from stratkernel_database.repositories.base import BaseRepository, log
from stratkernel_database.repositories.restoring import restore_signals
from stratkernel_database.repositories.run_rows import (
    MANY,
    changeable_columns,
    checked_limit,
    record_of,
    records_by_key,
    select_runs,
    values_of,
)
from stratkernel_database.repositories.signal_queries import all_of
from stratkernel_database.repositories.signal_writer import SignalWriter
from stratkernel_database.repositories.statistics import read_statistics

_SHORTEST = 4


class StrategyRepository(BaseRepository, StrategyStorage):
    """Runs and their signals in the tables `strategy_runs` and `strategy_signals`.

    A run's row is locked by whoever writes signals of it, so that revisions are numbered one after the other.
    """

    def save_run(self, run: RunRecord, signals: SignalTable | None = None) -> SignalWrite:
        values = values_of(run)
        columns = None if signals is None else signal_rows.columns_of(signals)

        def work(connection: sa.Connection) -> SignalWrite:
            _finish_deletion(connection, run.run_id)
            new = self._dialect.insert_new(connection, runs, {name: [v] for name, v in values.items()}) > 0
            row = _locked(connection, run.run_id)
            if not new:
                changed = {
                    column.name: values[column.name]
                    for column in changeable_columns()
                    if getattr(row, column.name) != values[column.name]
                }
                if changed:
                    connection.execute(sa.update(runs).where(runs.c.id == row.id).values(**changed))
            write = SignalWrite()
            if columns is not None:
                write = self._writer(connection, row.id, run).add(
                    columns, SignalStatus.FRESH, nothing_there=new
                )
            log.debug("run %s: %s", run.run_id, write)
            return replace(write, new_run=new)

        return self._write(work)

    def restore_run(self, run: RunRecord, signals: StoredSignals) -> SignalWrite:
        def work(connection: sa.Connection) -> SignalWrite:
            is_new = self.save_run(run).new_run
            self.star(run.run_id, run.starred)
            key, record = _locked_run(connection, run.run_id)
            write = restore_signals(self._dialect, connection, key, record, signals)
            return replace(write, new_run=is_new)

        return self._write(work)

    def add_signals(
        self, run_id: UUID, signals: SignalTable, status: SignalStatus = SignalStatus.FRESH
    ) -> SignalWrite:
        columns = signal_rows.columns_of(signals)

        def work(connection: sa.Connection) -> SignalWrite:
            key, record = _locked_run(connection, run_id)
            return self._writer(connection, key, record).add(columns, status)

        return self._write(work)

    def retract_signals(self, run_id: UUID, signals: SignalTable) -> int:
        columns = signal_rows.columns_of(signals)

        def work(connection: sa.Connection) -> int:
            key, record = _locked_run(connection, run_id)
            return self._writer(connection, key, record).retract(columns)

        return self._write(work)

    def _writer(self, connection: sa.Connection, key: int, record: RunRecord) -> SignalWriter:
        return SignalWriter(self._dialect, connection, key, record)

    def run(self, run_id: UUID) -> RunRecord:
        select = sa.select(runs).where(runs.c.run_id == run_id, runs.c.deleted_at.is_(None))
        row = self._read(lambda connection: connection.execute(select).one_or_none())
        if row is None:
            raise _unknown(run_id)
        return record_of(row)

    def find_run(self, text: str) -> RunRecord:
        digits = text.strip().lower().replace("-", "")
        if len(digits) < _SHORTEST or not set(digits) <= set("0123456789abcdef") or len(digits) > 32:
            raise UnknownNameError(
                f"no stored run begins with {one_line(text, 60)!r}; expected {_SHORTEST} or more letters "
                "of its id (`stratkernel runs list` shows them)"
            )
        first, last = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
        select = (
            sa.select(runs)
            .where(runs.c.run_id.between(first, last), runs.c.deleted_at.is_(None))
            .order_by(runs.c.run_id)
            .limit(6)
        )
        rows = self._read(lambda connection: connection.execute(select).all())
        if not rows:
            raise UnknownNameError(
                f"no stored run begins with {one_line(text, 60)!r}; `stratkernel runs list` shows them"
            )
        if len(rows) > 1:
            some = ", ".join(str(row.run_id) for row in rows[:5]) + (", ..." if len(rows) > 5 else "")
            raise AmbiguousNameError(f"{text!r} begins several runs: {some}; expected more letters")
        return record_of(rows[0])

    def runs(self, query: RunQuery | None = None) -> list[RunRecord]:
        select = select_runs(query or RunQuery())
        return self._read(lambda connection: [record_of(row) for row in connection.execute(select)])

    def star(self, run_id: UUID, starred: bool = True) -> None:
        here = sa.and_(runs.c.run_id == run_id, runs.c.deleted_at.is_(None))
        change = sa.update(runs).where(here).values(starred=starred)
        if not self._write(lambda connection: connection.execute(change).rowcount):
            raise _unknown(run_id)

    def delete_runs(self, run_ids: Sequence[UUID]) -> int:
        def work(connection: sa.Connection) -> int:
            count = 0
            for start in range(0, len(run_ids), MANY):
                some = run_ids[start : start + MANY]
                here = sa.and_(runs.c.run_id.in_(some), runs.c.deleted_at.is_(None))
                keys = list(
                    connection.execute(
                        sa.select(runs.c.id).where(here).order_by(runs.c.id).with_for_update()
                    ).scalars()
                )
                delete_with_signals(connection, keys)
                count += len(keys)
            return count

        return self._write(work)

    def signals(self, query: SignalQuery | None = None) -> StoredSignals:
        wanted = query or SignalQuery()

        def work(connection: sa.Connection) -> StoredSignals:
            selected: list[sa.ColumnElement[Any]] = [signals.c.run, *signal_rows.SELECTED]
            types: dict[str, Any] = {"run": np.int64, **signal_rows.TYPES}
            if wanted.with_metadata:
                selected.append(signal_rows.METADATA)
                types["signal_metadata"] = object
            select = sa.select(*selected).where(*all_of(connection, wanted))
            if wanted.limit is not None:
                order = (signals.c.timestamp, signals.c.run, signals.c.signal_type, signals.c.revision)
                select = select.order_by(*order).limit(checked_limit(wanted.limit))
            read = self._dialect.read_columns(connection, select, types)
            return _stored(connection, read)

        return self._read(work)

    def statistics(
        self, by: Sequence[SignalGroup], query: SignalQuery | None = None, win_rule: WinRule | None = None
    ) -> list[SignalStatistics]:
        wanted = query or SignalQuery()
        return self._read(lambda connection: read_statistics(connection, by, wanted, win_rule))


def delete_with_signals(connection: sa.Connection, keys: Sequence[int]) -> int:
    """Delete runs by the numbers of their rows, their children first; gives how many signals they had."""
    if not keys:
        return 0
    connection.execute(sa.delete(checkpoints).where(checkpoints.c.run.in_(keys)))
    gone = connection.execute(sa.delete(signals).where(signals.c.run.in_(keys))).rowcount
    connection.execute(sa.delete(runs).where(runs.c.id.in_(keys)))
    return gone


def locked_key(connection: sa.Connection, run_id: UUID) -> int:
    """The number of a run's row, which stays until the transaction ends. Raises `UnknownNameError`."""
    return _locked_run(connection, run_id)[0]


def _locked_run(connection: sa.Connection, run_id: UUID) -> tuple[int, RunRecord]:
    here = sa.and_(runs.c.run_id == run_id, runs.c.deleted_at.is_(None))
    row = connection.execute(sa.select(runs).where(here).with_for_update()).one_or_none()
    if row is None:
        raise _unknown(run_id)
    return row.id, record_of(row)


def _locked(connection: sa.Connection, run_id: UUID) -> "sa.Row[Any]":
    select = sa.select(runs.c.id, *changeable_columns()).where(runs.c.run_id == run_id)
    return connection.execute(select.with_for_update()).one()


def _finish_deletion(connection: sa.Connection, run_id: UUID) -> None:
    """A run that is saved anew while retention takes it away begins anew."""
    here = sa.and_(runs.c.run_id == run_id, runs.c.deleted_at.is_not(None))
    keys = connection.execute(sa.select(runs.c.id).where(here).with_for_update()).scalars().all()
    delete_with_signals(connection, keys)


def _stored(connection: sa.Connection, read: dict[str, Any]) -> StoredSignals:
    order = np.lexsort((read["revision"], read["signal_type"], read["run"], read["timestamp"]))
    read = {name: column[order] for name, column in read.items()}
    keys, first, inverse = np.unique(read["run"], return_index=True, return_inverse=True)
    by_appearance = np.argsort(first)
    number = np.empty(len(keys), dtype=np.int64)
    number[by_appearance] = np.arange(len(keys))
    records = records_by_key(connection, keys.tolist())
    texts = read.get("signal_metadata")
    return StoredSignals(
        runs=tuple(records[key] for key in keys[by_appearance].tolist()),
        run=number[inverse],
        timestamp=read["timestamp"],
        types=read["signal_type"].astype(np.int8),
        price=read["price"],
        confidence=read["confidence"],
        flags=read["flags"].astype(np.uint8),
        status=tuple([signal_rows.STATUSES[code] for code in read["status"].tolist()]),
        revision=read["revision"],
        metadata=None if texts is None else signal_rows.decoded(texts.tolist()),
    )


def _unknown(run_id: UUID) -> UnknownNameError:
    return UnknownNameError(f"no run {run_id} is stored; `stratkernel runs list` shows those that are")
