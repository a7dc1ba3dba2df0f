"""Candles and checkpoints in plain dicts."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from uuid import UUID

import numpy as np

from stratkernel.contracts.calendars import Calendar, missing_before
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.columns import CANDLE_COLUMNS, candle_columns
from stratkernel.contracts.storage import CandleStorage, CheckpointStorage
from stratkernel.contracts.stored import (
    CandleWrite,
    Checkpoint,
    Coverage,
    Gap,
    QuarantinedCandle,
    Series,
    StoredSeries,
)
from stratkernel.contracts.timeframes import Timeframe, iso
from stratkernel.kernel.errors import CandleConflictError, UnknownNameError
from stratkernel.testing.memory_tables import Candle, Tables, UnitOfWork, micros_of


class MemoryCandles(CandleStorage):
    """Candles by venue, symbol and timeframe."""

    def __init__(self, tables: Tables, lock: AbstractContextManager[bool], unit_of_work: UnitOfWork) -> None:
        self._tables, self._lock, self._unit_of_work = tables, lock, unit_of_work

    def series(
        self, *, symbol: str | None = None, timeframe: str | None = None, venue: str | None = None
    ) -> list[StoredSeries]:
        with self._lock:
            found = [
                series
                for series in self._tables.candles
                if symbol in {None, series.symbol}
                and timeframe in {None, series.timeframe}
                and venue in {None, series.venue}
            ]
            found.sort(key=lambda series: (series.symbol, series.timeframe, series.venue))
            return [self._stored(series) for series in found]

    def write(self, candles: Candles, *, overwrite: bool = False) -> CandleWrite:
        series = Series(candles.symbol, str(candles.timeframe), candles.venue)
        if len(candles) == 0:
            return CandleWrite()
        with self._unit_of_work():
            stored = self._tables.candles.get(series, {})
            new = _rows_of(candles)
            differing = [time for time in new if time in stored and stored[time][0] != new[time][0]]
            if differing and not overwrite:
                raise CandleConflictError(_conflict(series, stored, new, differing))
            unchanged = sum(time in stored for time in new) - len(differing)
            changes = {time: row for time, row in new.items() if time not in stored or time in differing}
            self._tables.candles[series] = stored | changes
            facts = (candles.calendar, candles.omits_empty)
            known = self._tables.calendars.get(series)
            if known is None or (overwrite and known[:2] != facts):
                self._tables.calendars[series] = (*facts, False)
            return CandleWrite(len(new) - unchanged - len(differing), unchanged, len(differing))

    def describe(
        self, series: Series, *, calendar: Calendar, calendar_given: bool, omits_empty: bool
    ) -> None:
        with self._unit_of_work():
            self._rows(series)
            self._tables.calendars[series] = (calendar, omits_empty, calendar_given)

    def read(self, series: Series, start: int | None = None, end: int | None = None) -> Candles:
        with self._lock:
            stored = self._rows(series)
            times = sorted(
                time for time in stored if (start is None or time >= start) and (end is None or time < end)
            )
            calendar, omits_empty, _ = self._tables.calendars[series]
        timeframe = Timeframe(series.timeframe)
        open_time = np.array(times, dtype=np.int64)
        values = np.array([stored[time][0] for time in times], dtype=np.float64).reshape(-1, 5)
        arrays = {name: values[:, i] for i, name in enumerate(CANDLE_COLUMNS)}
        marked = np.array([stored[time][1] for time in times], dtype=bool)
        return Candles(
            symbol=series.symbol,
            timeframe=timeframe,
            open_time=open_time,
            columns=candle_columns(arrays, timeframe.close_of(open_time)),
            calendar=calendar,
            venue=series.venue,
            omits_empty=omits_empty,
            marked=marked if marked.any() else None,
        )

    def chunks(
        self, series: Series, start: int | None = None, end: int | None = None, *, rows: int = 262_144
    ) -> Iterator[Candles]:
        whole = self.read(series, start, end)
        for first in range(0, len(whole), rows):
            yield whole.slice(first, min(first + rows, len(whole)))

    def coverage(self, series: Series) -> Coverage:
        with self._lock:
            candles, stored = self.read(series), self._stored(series)
        if stored.omits_empty:
            return Coverage(stored, ())
        missing = missing_before(candles.open_time, candles.timeframe, candles.calendar)
        gaps = [
            Gap(int(candles.open_time[row - 1]), int(candles.open_time[row]), int(missing[row]))
            for row in np.flatnonzero(missing).tolist()
        ]
        return Coverage(stored, tuple(sorted(gaps, key=lambda gap: (-gap.missing, gap.start))))

    def delete(self, series: Series) -> int:
        with self._unit_of_work():
            self._tables.quarantine = [bad for bad in self._tables.quarantine if bad.series != series]
            self._tables.calendars.pop(series, None)
            return len(self._tables.candles.pop(series, {}))

    def quarantine(self, candles: Sequence[QuarantinedCandle]) -> int:
        with self._unit_of_work():
            before = len(self._tables.quarantine)
            known = {_identity(bad) for bad in self._tables.quarantine}
            for bad in candles:
                micros_of(bad.seen_at)
                if _identity(bad) not in known:
                    known.add(_identity(bad))
                    self._tables.quarantine.append(bad)
            return len(self._tables.quarantine) - before

    def quarantined(self, series: Series | None = None) -> list[QuarantinedCandle]:
        with self._lock:
            found = [bad for bad in self._tables.quarantine if series in {None, bad.series}]
        return sorted(found, key=_place)

    def _rows(self, series: Series) -> dict[int, tuple[Candle, bool]]:
        if series not in self._tables.candles:
            known = ", ".join(str(stored.series) for stored in self.series()) or "none"
            raise UnknownNameError(f"no candles of {series} are stored; there are: {known}")
        return self._tables.candles[series]

    def _stored(self, series: Series) -> StoredSeries:
        times = self._rows(series)
        first, last = (min(times), max(times)) if times else (None, None)
        calendar, omits_empty, given = self._tables.calendars[series]
        return StoredSeries(series, calendar, omits_empty, len(times), first, last, given)


class MemoryCheckpoints(CheckpointStorage):
    """Where live runs stand."""

    def __init__(self, tables: Tables, lock: AbstractContextManager[bool], unit_of_work: UnitOfWork) -> None:
        self._tables, self._lock, self._unit_of_work = tables, lock, unit_of_work

    def save(self, checkpoint: Checkpoint) -> None:
        micros_of(checkpoint.saved_at)
        with self._unit_of_work():
            if checkpoint.run_id not in self._tables.runs:
                raise UnknownNameError(f"no run {checkpoint.run_id} is stored")
            stored = self._tables.checkpoints.setdefault(checkpoint.run_id, {})
            stored[checkpoint.open_time] = checkpoint

    def load(self, run_id: UUID, before: int | None = None) -> Checkpoint | None:
        with self._lock:
            stored = self._tables.checkpoints.get(run_id, {})
            times = [time for time in stored if before is None or time <= before]
            return stored[max(times)] if times else None

    def prune(self, run_id: UUID, keep_from: int) -> int:
        with self._unit_of_work():
            stored = self._tables.checkpoints.get(run_id, {})
            old = [time for time in stored if time < keep_from and time != max(stored)]
            for time in old:
                del stored[time]
            return len(old)


def _rows_of(candles: Candles) -> dict[int, tuple[Candle, bool]]:
    columns = [candles.columns[name].tolist() for name in CANDLE_COLUMNS]
    marked = [False] * len(candles) if candles.marked is None else candles.marked.tolist()
    rows = zip(zip(*columns, strict=True), marked, strict=True)
    return dict(zip(candles.open_time.tolist(), rows, strict=True))


def _conflict(
    series: Series,
    stored: dict[int, tuple[Candle, bool]],
    new: dict[int, tuple[Candle, bool]],
    differing: list[int],
) -> str:
    """Says which candles differ, and how."""
    shown = [f"{iso(time)} is {stored[time][0]}, not {new[time][0]}" for time in differing[:5]]
    return (
        f"{len(differing)} candles of {series} contradict stored ones; nothing was written. "
        f"Open, high, low, close and volume of {'; '.join(shown)}. Overwrite them to replace what is stored"
    )


def _identity(bad: QuarantinedCandle) -> tuple[object, ...]:
    return bad.series, bad.open_time, bad.reason, bad.content


def _place(bad: QuarantinedCandle) -> tuple[object, ...]:
    series = bad.series
    time = -1 if bad.open_time is None else bad.open_time
    return series.symbol, series.timeframe, series.venue, bad.open_time is not None, time
