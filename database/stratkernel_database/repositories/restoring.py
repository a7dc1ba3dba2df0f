"""Signals as another storage gave them, with all their revisions, into the tables."""

import numpy as np
import sqlalchemy as sa

from stratkernel.contracts.stored import RunRecord, SignalWrite, StoredSignals
from stratkernel.kernel.errors import UsageError
from stratkernel_database.dialects.base import Dialect
from stratkernel_database.json_column import encode_json
from stratkernel_database.models import strategy_runs as runs
from stratkernel_database.models import strategy_signals as signals
from stratkernel_database.repositories.signal_rows import RETRACTED, STATUSES, SignalColumns, rows_of


def restore_signals(
    dialect: Dialect, connection: sa.Connection, key: int, record: RunRecord, given: StoredSignals
) -> SignalWrite:
    """Insert the revisions that are not there into a run whose row is locked.

    Raises:
        UsageError: signals of another run, or without their metadata.
    """
    if any(run.run_id != record.run_id for run in given.runs):
        raise UsageError(f"restoring run {record.run_id}: expected signals of this run alone")
    if given.metadata is None:
        raise UsageError(f"restoring run {record.run_id}: expected signals that were read with metadata")
    metadata = np.full(len(given), None, dtype=object)
    metadata[:] = [encode_json(dict(one)) if one else None for one in given.metadata]
    order = np.lexsort((given.revision, given.types, given.timestamp))
    columns = SignalColumns(
        given.timestamp,
        given.types.astype(np.int64),
        given.flags.astype(np.int64),
        given.price,
        given.confidence,
        metadata,
    ).select(order)
    status = np.array([STATUSES.index(one) for one in given.status], dtype=np.int64)[order]
    newest = np.append(columns.key[1:] != columns.key[:-1], [True] * bool(len(columns))).astype(bool)
    rows = rows_of(key, record, columns, given.revision[order], status)
    rows["is_current"] = newest & (status != RETRACTED)
    inserted = dialect.insert_new(connection, signals, rows)
    _mark_replaced(connection, key)
    return SignalWrite(inserted, len(columns) - inserted)


def _mark_replaced(connection: sa.Connection, key: int) -> None:
    """What a newer revision replaced is not current, also where it was there before; count what is."""
    newer = signals.alias()
    replaced = sa.exists().where(
        newer.c.run == signals.c.run,
        newer.c.timestamp == signals.c.timestamp,
        newer.c.signal_type == signals.c.signal_type,
        newer.c.revision > signals.c.revision,
    )
    current = sa.and_(signals.c.run == key, signals.c.is_current)
    connection.execute(sa.update(signals).where(current, replaced).values(is_current=False))
    count = sa.select(sa.func.count()).select_from(signals).where(current).scalar_subquery()
    connection.execute(sa.update(runs).where(runs.c.id == key).values(signal_count=count))
