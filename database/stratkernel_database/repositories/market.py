"""Candles: written once, compared bit for bit when they come again, read as arrays."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from stratkernel.contracts.arrays import BoolArray, IntArray, read_only
from stratkernel.contracts.calendars import Calendar, missing_before
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.columns import CANDLE_COLUMNS, candle_columns
from stratkernel.contracts.storage import CandleStorage
from stratkernel.contracts.stored import (
    CandleWrite,
    Coverage,
    Gap,
    QuarantinedCandle,
    Series,
    StoredSeries,
)
from stratkernel.contracts.timeframes import Timeframe
from stratkernel.kernel.errors import CandleConflictError, UsageError
from stratkernel_database.models import market_data, market_series, quarantined_candles
from stratkernel_database.repositories.base import BaseRepository, log
from stratkernel_database.repositories.comparison import compare
from stratkernel_database.repositories.quarantine import quarantine_columns, quarantined_from
from stratkernel_database.repositories.series_rows import (
    find_series,
    is_series,
    known_series,
    place_of,
    stored_series,
)

_TYPES: Final = {"open_time": np.int64} | dict.fromkeys(CANDLE_COLUMNS, np.float64)
_PART: Final = 262_144

Arrays: TypeAlias = dict[str, npt.NDArray[Any]]


class MarketDataRepository(BaseRepository, CandleStorage):
    """Candles in `market_data`, one series a row of `market_series`."""

    def series(
        self, *, symbol: str | None = None, timeframe: str | None = None, venue: str | None = None
    ) -> list[StoredSeries]:
        wanted = {"symbol": symbol, "timeframe": timeframe, "venue": venue}
        chosen = [market_series.c[name] == value for name, value in wanted.items() if value is not None]
        return self._read(lambda connection: stored_series(connection, *chosen))

    def write(self, candles: Candles, *, overwrite: bool = False) -> CandleWrite:
        if len(candles) == 0:
            return CandleWrite()
        return self._write(lambda connection: self._store(connection, candles, overwrite))

    def describe(
        self, series: Series, *, calendar: Calendar, calendar_given: bool, omits_empty: bool
    ) -> None:
        facts = {"calendar": calendar.value, "calendar_given": calendar_given, "omits_empty": omits_empty}

        def work(connection: sa.Connection) -> None:
            number = known_series(connection, series).id
            connection.execute(sa.update(market_series).where(market_series.c.id == number).values(facts))

        self._write(work)

    def read(self, series: Series, start: int | None = None, end: int | None = None) -> Candles:
        return self._read(lambda connection: self._load(connection, series, start, end))

    def chunks(
        self, series: Series, start: int | None = None, end: int | None = None, *, rows: int = _PART
    ) -> Iterator[Candles]:
        """As `CandleStorage.chunks`; parts are read one by one, no transaction waits for who reads them."""
        if rows < 1:
            raise UsageError(f"chunks of {rows} candles: expected 1 or more")
        while True:
            part = self._read(partial(self._load, series=series, start=start, end=end, limit=rows))
            if len(part):
                yield part
            if len(part) < rows:
                return
            start = int(part.open_time[-1]) + 1

    def coverage(self, series: Series) -> Coverage:
        return self._read(lambda connection: self._coverage(connection, series))

    def delete(self, series: Series) -> int:
        def work(connection: sa.Connection) -> int:
            found = find_series(connection, series, lock=True)
            aside = sa.delete(quarantined_candles).where(*is_series(quarantined_candles, series))
            connection.execute(aside)
            if found is None:
                return 0
            candles = sa.delete(market_data).where(market_data.c.series == found.id)
            count = connection.execute(candles).rowcount
            connection.execute(sa.delete(market_series).where(market_series.c.id == found.id))
            return count

        return self._write(work)

    def quarantine(self, candles: Sequence[QuarantinedCandle]) -> int:
        columns = quarantine_columns(candles)
        return self._write(
            lambda connection: self._dialect.insert_new(connection, quarantined_candles, columns)
        )

    def quarantined(self, series: Series | None = None) -> list[QuarantinedCandle]:
        select = sa.select(quarantined_candles).order_by(quarantined_candles.c.id)
        if series is not None:
            select = select.where(*is_series(quarantined_candles, series))
        rows = self._read(lambda connection: connection.execute(select).all())
        # here, since where NULL and capital letters come differs from server to server
        return sorted(
            map(quarantined_from, rows),
            key=lambda each: (*place_of(each.series), each.open_time is not None, each.open_time or 0),
        )

    def _store(self, connection: sa.Connection, candles: Candles, overwrite: bool) -> CandleWrite:
        number = self._number_for(connection, candles, overwrite)
        span = _select(number, int(candles.open_time[0]), int(candles.open_time[-1]) + 1)
        found = compare(candles, self._dialect.stream_columns(connection, span, _TYPES, _PART))
        if found.count and not overwrite:
            raise CandleConflictError(
                f"{_series_of(candles)}: {found.count} of {len(candles)} candles are stored with other "
                f"values, nothing was written:\n{found}\nOverwrite them (--overwrite) if the new ones are "
                "right, or name another venue (--venue)"
            )
        new = ~found.there
        inserted = int(np.count_nonzero(new))
        marked = np.zeros(len(candles), dtype=bool) if candles.marked is None else candles.marked
        for rows, mark in ((new & ~marked, False), (new & marked, True)):
            columns = _columns(candles, number, rows)
            if mark:
                columns["marked"] = np.ones(len(columns["open_time"]), dtype=bool)
            self._dialect.insert(connection, market_data, columns)
        replaced = 0
        if found.count:
            columns = _columns(candles, number, found.differs)
            marks = [True if mark else None for mark in marked[found.differs].tolist()]
            replaced = self._dialect.upsert(connection, market_data, {**columns, "marked": marks})
        return CandleWrite(inserted, len(candles) - inserted - replaced, replaced)

    def _number_for(self, connection: sa.Connection, candles: Candles, overwrite: bool) -> int:
        """The series of candles, made where it is new, locked against other writers until the end."""
        series = _series_of(candles)
        facts = {
            "calendar": candles.calendar.value,
            "calendar_given": False,
            "omits_empty": candles.omits_empty,
        }
        key = {"venue": series.venue, "symbol": series.symbol, "timeframe": series.timeframe}
        row = {name: [value] for name, value in {**key, **facts}.items()}
        self._dialect.insert_new(connection, market_series, row)
        found = find_series(connection, series, lock=True)
        assert found is not None  # noqa: S101 - it was made, if need be, in this transaction
        if (found.calendar, found.omits_empty) != (candles.calendar.value, candles.omits_empty):
            was, new = (
                _facts(found.calendar, found.omits_empty),
                _facts(candles.calendar.value, candles.omits_empty),
            )
            if overwrite:
                change = sa.update(market_series).where(market_series.c.id == found.id)
                connection.execute(change.values(facts))
            else:
                log.warning("%s stays stored with %s; these candles say %s", series, was, new)
        return int(found.id)

    def _load(
        self,
        connection: sa.Connection,
        series: Series,
        start: int | None,
        end: int | None,
        limit: int | None = None,
    ) -> Candles:
        found = known_series(connection, series)
        select = _select(found.id, start, end).limit(limit)
        arrays = self._dialect.read_columns(connection, select, _TYPES)
        open_time: IntArray = arrays["open_time"]
        timeframe = Timeframe(series.timeframe)
        return Candles(
            symbol=series.symbol,
            timeframe=timeframe,
            open_time=read_only(open_time),
            columns=candle_columns(arrays, timeframe.close_of(open_time)),
            calendar=Calendar(found.calendar),
            venue=series.venue,
            omits_empty=bool(found.omits_empty),
            marked=self._marked(connection, found.id, open_time),
        )

    def _marked(self, connection: sa.Connection, number: int, open_time: IntArray) -> BoolArray | None:
        if len(open_time) == 0:
            return None
        table = market_data.c
        select = sa.select(table.open_time).where(
            table.series == number,
            table.open_time.between(int(open_time[0]), int(open_time[-1])),
            table.marked.is_not(None),
        )
        times = self._dialect.read_columns(connection, select, {"open_time": np.int64})["open_time"]
        return read_only(np.isin(open_time, times)) if len(times) else None

    def _coverage(self, connection: sa.Connection, series: Series) -> Coverage:
        found = known_series(connection, series)
        (stored,) = stored_series(connection, market_series.c.id == found.id)
        if stored.omits_empty:
            return Coverage(stored, ())
        table = market_data.c
        select = sa.select(table.open_time).where(table.series == found.id).order_by(table.open_time)
        times = self._dialect.read_columns(connection, select, {"open_time": np.int64})["open_time"]
        missing = missing_before(times, Timeframe(series.timeframe), stored.calendar)
        gaps = [
            Gap(int(times[row - 1]), int(times[row]), int(missing[row]))
            for row in np.flatnonzero(missing > 0)
        ]
        return Coverage(stored, tuple(sorted(gaps, key=lambda gap: (-gap.missing, gap.start))))


def _select(number: int, start: int | None, end: int | None) -> sa.Select[Any]:
    table = market_data.c
    select = sa.select(*(table[name] for name in _TYPES)).where(table.series == number)
    if start is not None:
        select = select.where(table.open_time >= start)
    if end is not None:
        select = select.where(table.open_time < end)
    return select.order_by(table.open_time)


def _columns(candles: Candles, number: int, rows: BoolArray) -> Arrays:
    """Some of the candles as columns of `market_data`; all of them without a copy."""
    everything = bool(rows.all())
    arrays = {"open_time": candles.open_time} | {name: candles.columns[name] for name in CANDLE_COLUMNS}
    chosen = arrays if everything else {name: values[rows] for name, values in arrays.items()}
    return {"series": np.full(len(chosen["open_time"]), number, dtype=np.int64), **chosen}


def _series_of(candles: Candles) -> Series:
    return Series(candles.symbol, candles.timeframe.name, candles.venue)


def _facts(calendar: str, omits_empty: bool) -> str:
    return f"calendar {calendar}, candles without trades {'left out' if omits_empty else 'kept'}"
