"""Deletes the runs that a policy does not keep.

First, in one transaction, all of them are marked (`deleted_at`) and thereby gone for everybody; then their
signals are deleted: partitions that hold no others are dropped whole, the rest goes batch by batch, and each
run's row with the last of them. So no run is ever seen with some of its signals, and cleaning that was
interrupted goes on with what is marked.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from stratkernel.contracts.retention import CleanReport, RetentionPolicy, RetentionRule
from stratkernel.contracts.stored import RunKind, RunStatus
from stratkernel.kernel.errors import StorageBusyError, UsageError, did_you_mean
from stratkernel_database.connection import Database
from stratkernel_database.models import strategy_runs as runs
from stratkernel_database.models import strategy_signals as signals
from stratkernel_database.repositories.base import log
from stratkernel_database.repositories.run_rows import MANY
from stratkernel_database.repositories.strategy import delete_with_signals
from stratkernel_database.repositories.values import micros_of

UNFINISHED: Final = "unfinished"
"""The reason of runs that an interrupted cleaning marked."""
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass
class _Due:
    """The runs that go: their rows, ids, reasons and how many signals they have."""

    keys: list[int] = field(default_factory=list)
    run_ids: list[UUID] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    signals: int = 0

    def add(self, row: Any, reason: str) -> None:
        self.keys.append(row.id)
        self.run_ids.append(row.run_id)
        self.reasons[f"{row.kind}: {reason}"] += 1
        self.signals += row.signal_count

    def report(self, bytes_freed: int = 0, bytes_reusable: int = 0) -> CleanReport:
        reasons = dict(self.reasons)
        return CleanReport(tuple(self.run_ids), self.signals, reasons, bytes_freed, bytes_reusable)


def clean(
    database: Database, policy: RetentionPolicy, *, now: datetime, dry_run: bool = False, batch: int = 10_000
) -> CleanReport:
    """See `Storage.clean`. Limits look at the newest runs first, not counting those that are kept anyway.

    Raises:
        UsageError: a rule is for no kind of run or keeps less than nothing, `batch` is none, `now` is naive,
            or a unit of work is open, in which batches could not be kept one by one.
    """
    at = micros_of(now, "now")
    _check(policy, batch)
    if dry_run:
        return database.read(lambda connection: _due(connection, policy, at)).report()
    if database.current is not None:
        raise UsageError("cleaning up commits batch by batch, so it cannot be part of a unit of work")
    due = database.write(lambda connection: _mark(connection, policy, at))
    with database.plain_errors():
        before = database.dialect.size(database.engine)
    if due.keys:
        database.write(database.dialect.drop_deleted)
        while database.write(lambda connection: _delete_batch(connection, batch)):
            pass
    freed, reusable = reclaim(database, before)  # of what was deleted before, too
    return due.report(freed, reusable)


def reclaim(database: Database, before: int | None = None) -> tuple[int, int]:
    """Give space of deleted rows back; by how many bytes the database is smaller, how many are free in it.

    `before` is how large it was, where that is known from before rows were deleted.
    Nothing is given back while others hold the database: the next time does it.

    Raises:
        StorageError: it could not be done. `UsageError` within a unit of work, which holds the database.
    """
    if database.current is not None:
        raise UsageError("space is given back after a unit of work, not within one")
    dialect, engine = database.dialect, database.engine
    with database.plain_errors():
        before = dialect.size(engine) if before is None else before
        try:
            dialect.reclaim(engine)
        except database.driver_errors as error:
            found = dialect.translate(error, database.title)
            if not isinstance(found, StorageBusyError):
                raise
            log.info("%s: space of what was deleted is given back another time", found)
        return max(0, before - dialect.size(engine)), dialect.reusable(engine)


def _check(policy: RetentionPolicy, batch: int) -> None:
    if batch < 1:
        raise UsageError(f"batch is {batch}; expected 1 row or more")
    kinds = [kind.value for kind in RunKind]
    for kind, rule in policy.rules.items():
        if kind not in kinds:
            raise UsageError(
                f"no kind of run {kind!r}.{did_you_mean(kind, kinds)} Expected one of: {', '.join(kinds)}"
            )
        limits = {
            "max_age": None if rule.max_age is None else rule.max_age // _MICROSECOND,
            "max_runs": rule.max_runs,
            "max_signals": rule.max_signals,
        }
        for name, limit in limits.items():
            if limit is not None and limit < 0:
                raise UsageError(f"retention of {kind}: {name} is {limit}; expected 0 or more")


def _due(connection: sa.Connection, policy: RetentionPolicy, now: int, *, lock: bool = False) -> _Due:
    """The runs that a policy does not keep, and those that were marked before.

    `lock` keeps others from starring one of them until the transaction ends.
    """
    columns = (runs.c.id, runs.c.run_id, runs.c.kind, runs.c.started_at, runs.c.signal_count)
    due = _Due()
    marked = sa.select(*columns).where(runs.c.deleted_at.is_not(None)).order_by(runs.c.id)
    for row in connection.execute(marked):
        due.add(row, UNFINISHED)
    for kind, rule in policy.rules.items():
        newest_first = (
            sa.select(*columns)
            .where(
                runs.c.kind == kind,
                runs.c.deleted_at.is_(None),
                sa.not_(runs.c.starred),
                runs.c.status != RunStatus.RUNNING.value,
            )
            .order_by(runs.c.started_at.desc(), runs.c.id.desc())
        )
        kept = held = 0
        for row in connection.execute(newest_first.with_for_update() if lock else newest_first):
            kept, held = kept + 1, held + row.signal_count
            reason = _broken_limit(rule, now - row.started_at, kept, held)
            if reason is not None:
                due.add(row, reason)
    return due


def _broken_limit(rule: RetentionRule, age: int, count: int, held: int) -> str | None:
    """The first limit that a run exceeds, being the `count`-th of its kind, with `held` signals up to it."""
    if rule.max_age is not None and age > rule.max_age // _MICROSECOND:
        return "max_age"
    if rule.max_runs is not None and count > rule.max_runs:
        return "max_runs"
    if rule.max_signals is not None and held > rule.max_signals:
        return "max_signals"
    return None


def _mark(connection: sa.Connection, policy: RetentionPolicy, now: int) -> _Due:
    """What is due, from now on gone for everybody."""
    due = _due(connection, policy, now, lock=True)
    for start in range(0, len(due.keys), MANY):
        some = runs.c.id.in_(due.keys[start : start + MANY])
        connection.execute(sa.update(runs).where(some, runs.c.deleted_at.is_(None)).values(deleted_at=now))
    return due


def _delete_batch(connection: sa.Connection, batch: int) -> bool:
    """Delete about `batch` rows of marked runs; gives whether there were any. Several may do it at once."""
    marked = (
        sa.select(runs.c.id, runs.c.signal_count)
        .where(runs.c.deleted_at.is_not(None))
        .order_by(runs.c.id)
        .limit(min(batch, MANY))
        .with_for_update(skip_locked=True)
    )
    rows, small, room = connection.execute(marked).all(), [], batch
    for row in rows:
        room -= row.signal_count + 1
        if room < 0:
            break
        small.append(row.id)
    if small:
        delete_with_signals(connection, small)
    elif rows:
        _delete_some(connection, rows[0].id, batch)
    return bool(rows)


def _delete_some(connection: sa.Connection, key: int, batch: int) -> None:
    """Delete the first signals of a run, and the run with the last ones."""
    of_run = signals.c.run == key
    last = (
        sa.select(signals.c.timestamp).where(of_run).order_by(signals.c.timestamp).offset(batch - 1).limit(1)
    )
    until = connection.execute(last).scalar()
    if until is None:
        delete_with_signals(connection, [key])
    else:
        connection.execute(sa.delete(signals).where(of_run, signals.c.timestamp <= until))
