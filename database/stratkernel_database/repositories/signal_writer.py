"""Writes the signals of one run, as new rows or as revisions of what is there."""

from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa

from stratkernel.contracts.arrays import IntArray
from stratkernel.contracts.stored import RunRecord, SignalStatus, SignalWrite
from stratkernel_database.dialects.base import Dialect
from stratkernel_database.models import strategy_runs as runs
from stratkernel_database.models import strategy_signals as signals
from stratkernel_database.repositories.signal_rows import (
    METADATA,
    RETRACTED,
    SELECTED,
    STATUSES,
    TYPES,
    SignalColumns,
    StoredRevisions,
    compare,
    latest_of,
    rows_of,
)


@dataclass(frozen=True)
class SignalWriter:
    """Signals of the run whose row is `key`; whoever makes one has locked that row."""

    dialect: Dialect
    connection: sa.Connection
    key: int
    record: RunRecord

    def add(
        self, columns: SignalColumns, status: SignalStatus, *, nothing_there: bool = False
    ) -> SignalWrite:
        """Add signals; those that are there unchanged are left alone, the others become revisions."""
        if not len(columns):
            return SignalWrite()
        code = STATUSES.index(SignalStatus(status))
        there = unchanged = np.zeros(len(columns), dtype=bool)
        held_again = 0
        if not nothing_there:
            stored = self._latest(columns)
            there, unchanged, place = compare(columns, stored)
            differs = there & ~unchanged
            before = stored.select(place[differs])
            self._revise(before, columns.select(differs), np.full(len(before.columns), code))
            held_again = int((before.status == RETRACTED).sum())
        new = columns if nothing_there else columns.select(~there)
        first, codes = np.zeros(len(new), dtype=np.int64), np.full(len(new), code)
        self.dialect.insert(self.connection, signals, rows_of(self.key, self.record, new, first, codes))
        self._count(len(new) + held_again if code != RETRACTED else 0)
        same = int(unchanged.sum())
        return SignalWrite(len(new), same, len(columns) - len(new) - same)

    def retract(self, columns: SignalColumns) -> int:
        """Put a revision that says so on top of those that are current; gives how many there were."""
        stored = self._latest(columns)
        there, _, place = compare(columns, stored)
        before = stored.select(place[there])
        before = before.select(before.status != RETRACTED)
        count = len(before.columns)
        self._revise(before, before.columns, np.full(count, RETRACTED))
        self._count(-count)
        return count

    def _latest(self, columns: SignalColumns) -> StoredRevisions:
        """What is stored over the time of some signals."""
        select = sa.select(*SELECTED, METADATA).where(signals.c.run == self.key)
        if len(columns):
            first, last = int(columns.timestamp[0]), int(columns.timestamp[-1])
            select = select.where(signals.c.timestamp.between(first, last))
        select = select.order_by(signals.c.timestamp, signals.c.signal_type, signals.c.revision)
        types = {**TYPES, "signal_metadata": object}
        return latest_of(self.dialect.read_columns(self.connection, select, types))

    def _revise(self, before: StoredRevisions, columns: SignalColumns, status: IntArray) -> None:
        """Put new revisions on top of those that were the newest."""
        if not len(columns):
            return
        replaced = (
            sa.update(signals)
            .where(
                signals.c.run == self.key,
                signals.c.timestamp == sa.bindparam("at"),
                signals.c.signal_type == sa.bindparam("kind"),
                signals.c.revision == sa.bindparam("newest"),
            )
            .values(is_current=False)
        )
        keys = zip(columns.timestamp.tolist(), columns.types.tolist(), before.revision.tolist(), strict=True)
        self.connection.execute(
            replaced, [{"at": at, "kind": kind, "newest": newest} for at, kind, newest in keys]
        )
        rows = rows_of(self.key, self.record, columns, before.revision + 1, status)
        self.dialect.insert(self.connection, signals, rows)

    def _count(self, more: int) -> None:
        """Keep the run's number of current signals."""
        if more:
            change = sa.update(runs).where(runs.c.id == self.key)
            self.connection.execute(change.values(signal_count=runs.c.signal_count + more))
