"""Runs and signals in plain dicts."""

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any
from uuid import UUID

import numpy as np

from stratkernel.contracts.signals import SignalTable, SignalType
from stratkernel.contracts.storage import StrategyStorage
from stratkernel.contracts.stored import (
    RunQuery,
    RunRecord,
    Series,
    SignalGroup,
    SignalQuery,
    SignalStatistics,
    SignalStatus,
    SignalWrite,
    StoredSignals,
    WinRule,
)
from stratkernel.contracts.timeframes import iso
from stratkernel.kernel.errors import AmbiguousNameError, UnknownNameError, UsageError
from stratkernel.testing.memory_tables import Revision, SignalKey, Tables, UnitOfWork, micros_of

_SHORTEST = 4
_SIDES = {
    SignalType.ENTRY_LONG: (1, {SignalType.EXIT_LONG, SignalType.ENTRY_SHORT}),
    SignalType.ENTRY_SHORT: (-1, {SignalType.EXIT_SHORT, SignalType.ENTRY_LONG}),
}
_Row = tuple[RunRecord, SignalKey, int, Revision]


class MemoryStrategies(StrategyStorage):
    """Runs and their signals."""

    def __init__(self, tables: Tables, lock: AbstractContextManager[bool], unit_of_work: UnitOfWork) -> None:
        self._tables, self._lock, self._unit_of_work = tables, lock, unit_of_work

    def save_run(self, run: RunRecord, signals: SignalTable | None = None) -> SignalWrite:
        for moment in (run.started_at, run.finished_at):
            if moment is not None:
                micros_of(moment)
        with self._unit_of_work():
            stored = self._tables.runs.get(run.run_id)
            self._tables.runs[run.run_id] = run if stored is None else _updated(stored, run)
            self._tables.signals.setdefault(run.run_id, {})
            write = SignalWrite() if signals is None else self.add_signals(run.run_id, signals)
            return replace(write, new_run=stored is None)

    def restore_run(self, run: RunRecord, signals: StoredSignals) -> SignalWrite:
        if signals.metadata is None or any(record.run_id != run.run_id for record in signals.runs):
            raise UsageError(f"restoring run {run.run_id}: expected its own signals, with metadata")
        with self._unit_of_work():
            is_new = self.save_run(run).new_run
            self.star(run.run_id, run.starred)
            stored = self._signals_of(run.run_id)
            inserted = 0
            for i, signal in sorted(enumerate(signals), key=lambda one: one[1].revision):
                key = (int(signals.timestamp[i]), signal.type)
                before = stored.get(key, ())
                if signal.revision == len(before):
                    new = Revision(
                        signal.price,
                        signal.confidence,
                        int(signal.flags),
                        signal.status,
                        dict(signal.metadata),
                    )
                    stored[key] = (*before, new)
                    inserted += 1
            return SignalWrite(inserted, len(signals) - inserted, new_run=is_new)

    def add_signals(
        self, run_id: UUID, signals: SignalTable, status: SignalStatus = SignalStatus.FRESH
    ) -> SignalWrite:
        with self._unit_of_work():
            stored = self._signals_of(run_id)
            inserted = unchanged = revised = 0
            for timestamp, signal in zip(signals.timestamp.tolist(), signals, strict=True):
                key, before = (timestamp, signal.type), stored.get((timestamp, signal.type), ())
                new = Revision(
                    signal.price, signal.confidence, int(signal.flags), status, _as_json(signal.metadata)
                )
                if before and _says_the_same(before[-1], new):
                    unchanged += 1
                    continue
                stored[key] = (*before, new)
                inserted, revised = inserted + (not before), revised + bool(before)
            return SignalWrite(inserted, unchanged, revised)

    def retract_signals(self, run_id: UUID, signals: SignalTable) -> int:
        with self._unit_of_work():
            stored = self._signals_of(run_id)
            retracted = 0
            for timestamp, code in zip(signals.timestamp.tolist(), signals.types.tolist(), strict=True):
                key = (timestamp, SignalType(code))
                before = stored.get(key, ())
                if before and before[-1].status is not SignalStatus.RETRACTED:
                    stored[key] = (*before, replace(before[-1], status=SignalStatus.RETRACTED))
                    retracted += 1
            return retracted

    def run(self, run_id: UUID) -> RunRecord:
        with self._lock:
            latest = [revisions[-1] for revisions in self._signals_of(run_id).values()]
            count = sum(revision.status is not SignalStatus.RETRACTED for revision in latest)
            return replace(self._tables.runs[run_id], signal_count=count)

    def find_run(self, text: str) -> RunRecord:
        wanted = text.lower()
        with self._lock:
            found = [run for run in self._tables.runs if str(run).startswith(wanted)]
            if len(wanted) < _SHORTEST or not found:
                raise UnknownNameError(
                    f"no stored run begins with {text!r}; expected {_SHORTEST} or more letters"
                )
            if len(found) > 1:
                raise AmbiguousNameError(
                    f"{text!r} begins {len(found)} runs: {', '.join(map(str, found[:5]))}"
                )
            return self.run(found[0])

    def runs(self, query: RunQuery | None = None) -> list[RunRecord]:
        wanted = query or RunQuery()
        with self._lock:
            found = [self.run(run_id) for run_id in self._tables.runs]
            matching = [run for run in reversed(found) if _matches(run, wanted)]
            return sorted(matching, key=lambda run: run.started_at, reverse=True)[: wanted.limit]

    def star(self, run_id: UUID, starred: bool = True) -> None:
        with self._unit_of_work():
            self._tables.runs[run_id] = replace(self.run(run_id), starred=starred)

    def delete_runs(self, run_ids: Sequence[UUID]) -> int:
        with self._unit_of_work():
            there = [run_id for run_id in dict.fromkeys(run_ids) if run_id in self._tables.runs]
            for run_id in there:
                del self._tables.runs[run_id]
                self._tables.signals.pop(run_id)
                self._tables.checkpoints.pop(run_id, None)
            return len(there)

    def signals(self, query: SignalQuery | None = None) -> StoredSignals:
        wanted = query or SignalQuery()
        with self._lock:
            rows = self._rows(wanted)[: wanted.limit]
        runs = {row[0].run_id: row[0] for row in rows}
        number = {run_id: i for i, run_id in enumerate(runs)}
        revisions = [row[3] for row in rows]
        return StoredSignals(
            runs=tuple(runs.values()),
            run=np.array([number[row[0].run_id] for row in rows], dtype=np.int64),
            timestamp=np.array([row[1][0] for row in rows], dtype=np.int64),
            types=np.array([row[1][1] for row in rows], dtype=np.int8),
            price=np.array([revision.price for revision in revisions], dtype=np.float64),
            confidence=np.array([revision.confidence for revision in revisions], dtype=np.float64),
            flags=np.array([revision.flags for revision in revisions], dtype=np.uint8),
            status=tuple(revision.status for revision in revisions),
            revision=np.array([row[2] for row in rows], dtype=np.int64),
            metadata=tuple(r.metadata for r in revisions) if wanted.with_metadata else None,
        )

    def statistics(
        self, by: Sequence[SignalGroup], query: SignalQuery | None = None, win_rule: WinRule | None = None
    ) -> list[SignalStatistics]:
        with self._lock:
            groups: dict[tuple[str, ...], list[_Row]] = {}
            for row in self._rows(query or SignalQuery()):
                groups.setdefault(tuple(_group_of(row, name) for name in by), []).append(row)
            return [
                self._statistics_of(dict(zip(by, values, strict=True)), rows, win_rule)
                for values, rows in sorted(groups.items())
            ]

    def _statistics_of(
        self, group: Mapping[str, str], rows: list[_Row], rule: WinRule | None
    ) -> SignalStatistics:
        names = [row[1][1].name for row in rows]
        outcomes = [] if rule is None else [self._outcome(row, rule) for row in rows]
        decided = [outcome for outcome in outcomes if outcome is not None]
        return SignalStatistics(
            group=group,
            count=len(rows),
            by_type={name: names.count(name) for name in sorted(set(names))},
            mean_confidence=math.fsum(row[3].confidence for row in rows) / len(rows),
            first=rows[0][1][0],
            last=rows[-1][1][0],
            decided=len(decided),
            won=sum(decided),
        )

    def _outcome(self, row: _Row, rule: WinRule) -> bool | None:
        """Whether a signal won; `None` where it is not decided."""
        run, (timestamp, kind), _, revision = row
        if kind not in _SIDES:
            return None
        side, opposite = _SIDES[kind]
        if rule.name == "next_signal":
            of_run = self._rows(SignalQuery(run_ids=(run.run_id,)))
            later = (
                other[3].price for other in of_run if other[1][0] > timestamp and other[1][1] in opposite
            )
            price = next(later, None)
        else:
            price = self._close_after(run, timestamp, rule.bars)
        return None if price is None else side * (price - revision.price) > 0

    def _close_after(self, run: RunRecord, timestamp: int, bars: int) -> float | None:
        """The close of the `bars`-th stored candle that opens at a time or later."""
        stored = self._tables.candles.get(Series(run.run.symbol, run.run.timeframe, run.run.venue), {})
        after = sorted(time for time in stored if time >= timestamp)
        return stored[after[bars - 1]][0][3] if len(after) >= bars else None

    def _rows(self, query: SignalQuery) -> list[_Row]:
        """The signals that a query finds, in order."""
        start = None if query.start is None else micros_of(query.start)
        end = None if query.end is None else micros_of(query.end)
        rows: list[_Row] = []
        for run_id in self._tables.runs:
            record = self.run(run_id)
            run = record.run
            if query.run_ids is not None and run_id not in query.run_ids:
                continue
            if query.strategy is not None and query.strategy not in {run.strategy, run.strategy_name}:
                continue
            if _differs(query.symbol, run.symbol) or _differs(query.timeframe, run.timeframe):
                continue
            rows += [
                (record, key, number, revision)
                for key, revisions in self._tables.signals[run_id].items()
                for number, revision in enumerate(revisions)
                if _is_asked_for(key, revision, query, start, end)
                and (not query.current or _is_current(revisions, number))
            ]
        places = {run_id: place for place, run_id in enumerate(self._tables.runs)}
        return sorted(rows, key=lambda row: (row[1][0], places[row[0].run_id], row[1][1], row[2]))

    def _signals_of(self, run_id: UUID) -> dict[SignalKey, tuple[Revision, ...]]:
        if run_id not in self._tables.runs:
            raise UnknownNameError(f"no run {run_id} is stored")
        return self._tables.signals[run_id]


def _updated(stored: RunRecord, run: RunRecord) -> RunRecord:
    """A stored run with what may have changed of it."""
    return replace(
        stored,
        status=run.status,
        started_at=run.started_at,
        finished_at=run.finished_at,
        timings=run.timings,
        metrics=run.metrics,
        quality=run.quality,
        error=run.error,
    )


def _says_the_same(before: Revision, new: Revision) -> bool:
    unchanged = (before.price, before.confidence) == (new.price, new.confidence)
    return unchanged and before.status is not SignalStatus.RETRACTED


def _is_current(revisions: tuple[Revision, ...], number: int) -> bool:
    return number == len(revisions) - 1 and revisions[number].status is not SignalStatus.RETRACTED


def _is_asked_for(
    key: SignalKey, revision: Revision, query: SignalQuery, start: int | None, end: int | None
) -> bool:
    timestamp, kind = key
    in_range = (start is None or timestamp >= start) and (end is None or timestamp < end)
    least, most = query.min_confidence, query.max_confidence
    sure = (least is None or revision.confidence >= least) and (most is None or revision.confidence <= most)
    return in_range and sure and (query.types is None or kind in query.types)


def _matches(run: RunRecord, query: RunQuery) -> bool:
    inside = run.run
    if query.strategy is not None and query.strategy not in {inside.strategy, inside.strategy_name}:
        return False
    if query.since is not None and micros_of(run.started_at) < micros_of(query.since):
        return False
    if query.until is not None and micros_of(run.started_at) >= micros_of(query.until):
        return False
    pairs = (
        (query.symbol, inside.symbol), (query.timeframe, inside.timeframe), (query.venue, inside.venue),
        (query.kind, run.kind), (query.status, run.status), (query.batch, run.batch),
        (query.starred, run.starred), (query.config_hash, inside.config_hash),
        (query.data_hash, run.data_hash),
    )  # fmt: skip
    return not any(_differs(wanted, value) for wanted, value in pairs)


def _differs(wanted: object, value: object) -> bool:
    return wanted is not None and wanted != value


def _group_of(row: _Row, name: SignalGroup) -> str:
    run = row[0].run
    if name == "day":
        return iso(row[1][0])[:10]
    return {"strategy": run.strategy_name, "symbol": run.symbol, "timeframe": run.timeframe}[name]


def _as_json(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata as JSON keeps it, which knows no NaN."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in metadata.items()
    }
