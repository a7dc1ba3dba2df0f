"""Checks of candles: bit for bit, refused when they contradict, by range, with their gaps."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from stratkernel.contracts.calendars import Calendar
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.columns import CANDLE_COLUMNS, candle_columns
from stratkernel.contracts.storage import Storage
from stratkernel.contracts.stored import CandleWrite, Gap, QuarantinedCandle, Series
from stratkernel.contracts.timeframes import HOUR, TIMEFRAMES, Timeframe
from stratkernel.kernel.errors import CandleConflictError, UnknownNameError, UsageError
from stratkernel.testing.storage.samples import START, STARTED, bits, everything, made_candles

SERIES = Series("TEST", "1h")
ODD = (5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 0.1 + 0.2, 1 / 3, 2.0**53 + 2, 1e-7, 1e22)


def of_values(values: "tuple[float, ...]") -> Candles:
    """Flat candles at these values, which their volumes have too."""
    array = np.array(values)
    open_time = START + np.arange(len(array), dtype=np.int64) * HOUR
    columns = candle_columns(dict.fromkeys(CANDLE_COLUMNS, array), open_time + HOUR)
    return Candles("TEST", Timeframe("1h"), open_time, columns, Calendar.ALWAYS)


def changed(candles: Candles, row: int, column: str, value: float) -> Candles:
    """Candles with one value that is another one."""
    arrays = {name: candles.columns[name].copy() for name in CANDLE_COLUMNS}
    arrays[column][row] = value
    return replace(candles, columns=candle_columns(arrays, candles.close_time))


def at_hours(hours: list[int], **more: Any) -> Candles:
    """Candles that open so many hours after the first, others are missing."""
    whole = made_candles(max(hours) + 1, **more)
    rows = np.array(hours)
    arrays = {name: whole.columns[name][rows] for name in CANDLE_COLUMNS}
    times = whole.open_time[rows]
    return replace(whole, open_time=times, columns=candle_columns(arrays, times + HOUR))


class CandleChecks:
    """What `CandleStorage` says."""

    def test_candles_come_back_bit_for_bit(self, storage: Storage) -> None:
        candles = made_candles(500)
        assert storage.candles.write(candles) == CandleWrite(inserted=500)
        read = storage.candles.read(SERIES)
        assert bits(read) == bits(candles)
        assert read.data_hash == candles.data_hash

    def test_odd_numbers_come_back_bit_for_bit(self, storage: Storage) -> None:
        candles = of_values(ODD)
        storage.candles.write(candles)
        assert bits(storage.candles.read(SERIES)) == bits(candles)
        assert storage.candles.write(candles) == CandleWrite(unchanged=len(ODD))

    @pytest.mark.parametrize("timeframe", TIMEFRAMES)
    def test_candles_of_every_timeframe_come_back(self, storage: Storage, timeframe: str) -> None:
        frame = Timeframe(timeframe)
        first = frame.floor(np.array([START], dtype=np.int64))
        open_time = [int(first[0])]
        for _ in range(4):
            open_time.append(int(frame.close_of(np.array(open_time[-1:], dtype=np.int64))[0]))
        times = np.array(open_time, dtype=np.int64)
        columns = candle_columns(
            {n: made_candles(5).columns[n] for n in CANDLE_COLUMNS}, frame.close_of(times)
        )
        candles = Candles("TEST", frame, times, columns, Calendar.ALWAYS)
        storage.candles.write(candles)
        assert bits(storage.candles.read(Series("TEST", timeframe))) == bits(candles)

    def test_candles_before_1970_come_back(self, storage: Storage) -> None:
        candles = made_candles(5, start=-(10**15) // HOUR * HOUR)
        storage.candles.write(candles)
        assert bits(storage.candles.read(SERIES)) == bits(candles)
        assert len(storage.candles.read(SERIES, end=0)) == 5

    def test_marks_and_calendar_come_back(self, storage: Storage) -> None:
        marked = np.array([False, True, False, True])
        candles = made_candles(4, marked=marked, calendar=Calendar.SESSIONS, omits_empty=True)
        storage.candles.write(candles)
        assert bits(storage.candles.read(SERIES)) == bits(candles)
        (stored,) = storage.candles.series()
        assert (stored.calendar, stored.omits_empty) == (Calendar.SESSIONS, True)

    def test_other_calendar_is_taken_over_when_told_to(self, storage: Storage) -> None:
        storage.candles.write(made_candles(4))
        other = made_candles(4, calendar=Calendar.WEEKDAYS, omits_empty=True)
        for overwrite, calendar in ((False, Calendar.ALWAYS), (True, Calendar.WEEKDAYS)):
            assert storage.candles.write(other, overwrite=overwrite) == CandleWrite(unchanged=4)
            (stored,) = storage.candles.series()
            assert (stored.calendar, stored.omits_empty) == (calendar, overwrite)

    def test_described_calendar_stays_whatever_candles_come_later(self, storage: Storage) -> None:
        storage.candles.write(made_candles(4))
        (stored,) = storage.candles.series()
        assert not stored.calendar_given
        storage.candles.describe(SERIES, calendar=Calendar.SESSIONS, calendar_given=True, omits_empty=True)
        storage.candles.write(made_candles(6))
        (stored,) = storage.candles.series()
        assert (stored.calendar, stored.calendar_given, stored.omits_empty, stored.candles) == (
            Calendar.SESSIONS, True, True, 6,
        )  # fmt: skip
        assert storage.candles.read(SERIES).calendar is Calendar.SESSIONS
        storage.candles.describe(SERIES, calendar=Calendar.ALWAYS, calendar_given=False, omits_empty=False)
        (stored,) = storage.candles.series()
        assert (stored.calendar, stored.calendar_given) == (Calendar.ALWAYS, False)

    def test_describing_a_series_that_is_not_stored_is_refused(self, storage: Storage) -> None:
        with pytest.raises(UnknownNameError):
            storage.candles.describe(
                SERIES, calendar=Calendar.SESSIONS, calendar_given=True, omits_empty=False
            )
        assert storage.candles.series() == []

    def test_no_candles_are_no_series(self, storage: Storage) -> None:
        assert storage.candles.write(made_candles(3).slice(1, 1)) == CandleWrite()
        assert storage.candles.series() == []

    def test_writing_the_same_again_writes_nothing(self, storage: Storage) -> None:
        candles = made_candles(20)
        storage.candles.write(candles)
        before = everything(storage)
        assert storage.candles.write(candles) == CandleWrite(unchanged=20)
        assert storage.candles.write(candles, overwrite=True) == CandleWrite(unchanged=20)
        assert everything(storage) == before

    def test_overlapping_candles_add_what_is_new(self, storage: Storage) -> None:
        candles = made_candles(30)
        storage.candles.write(candles.slice(10, 20))
        assert storage.candles.write(candles) == CandleWrite(inserted=20, unchanged=10)
        assert bits(storage.candles.read(SERIES)) == bits(candles)

    @pytest.mark.parametrize("column", CANDLE_COLUMNS)
    def test_contradicting_candles_are_refused_whole(self, storage: Storage, column: str) -> None:
        candles = made_candles(10)
        storage.candles.write(candles.slice(0, 5))
        before = everything(storage)
        value = float(np.nextafter(candles.columns[column][2], np.inf))
        with pytest.raises(CandleConflictError, match="2023-11-15"):
            storage.candles.write(changed(candles, 2, column, value))
        assert everything(storage) == before

    def test_contradicting_candles_replace_stored_ones_when_told_to(self, storage: Storage) -> None:
        candles = made_candles(10)
        storage.candles.write(candles.slice(0, 5))
        other = changed(candles, 2, "volume", 11.0)
        assert storage.candles.write(other, overwrite=True) == CandleWrite(
            inserted=5, unchanged=4, replaced=1
        )
        assert bits(storage.candles.read(SERIES)) == bits(other)

    @pytest.mark.parametrize(
        ("start", "end", "rows"),
        [(None, None, (0, 10)), (2, None, (2, 10)), (None, 4, (0, 4)), (2, 4, (2, 4)), (4, 4, (4, 4)),
         (4, 2, (4, 4)), (-5, 100, (0, 10)), (50, 60, (10, 10))],
    )  # fmt: skip
    def test_range_includes_its_start_and_not_its_end(
        self, storage: Storage, start: int | None, end: int | None, rows: tuple[int, int]
    ) -> None:
        candles = made_candles(10)
        storage.candles.write(candles)
        first, last = (None if hour is None else START + hour * HOUR for hour in (start, end))
        assert bits(storage.candles.read(SERIES, first, last)) == bits(candles.slice(*rows))

    def test_range_counts_by_the_microsecond(self, storage: Storage) -> None:
        storage.candles.write(made_candles(3))
        assert len(storage.candles.read(SERIES, START + 1)) == 2
        assert len(storage.candles.read(SERIES, START, START + HOUR + 1)) == 2

    @pytest.mark.parametrize("rows", [1, 3, 10, 1000])
    def test_chunks_are_what_read_gives(self, storage: Storage, rows: int) -> None:
        storage.candles.write(made_candles(10, marked=np.arange(10) % 2 == 0))
        for bounds in ((None, None), (START + HOUR, START + 9 * HOUR), (START + 90 * HOUR, None)):
            whole = storage.candles.read(SERIES, *bounds)
            parts = list(storage.candles.chunks(SERIES, *bounds, rows=rows))
            assert all(0 < len(part) <= rows for part in parts if len(whole))
            done = 0
            for part in parts:
                assert bits(part) == bits(whole.slice(done, done + len(part)))
                done += len(part)
            assert done == len(whole)

    def test_chunks_can_be_left_unfinished(self, storage: Storage) -> None:
        storage.candles.write(made_candles(10))
        for _ in range(40):
            assert len(next(iter(storage.candles.chunks(SERIES, rows=2)))) == 2
        assert storage.candles.write(made_candles(12).slice(10, 12)) == CandleWrite(inserted=2)

    def test_series_are_kept_apart(self, storage: Storage) -> None:
        made = [
            made_candles(3, seed=1),
            made_candles(4, seed=2, symbol="OTHER"),
            made_candles(5, seed=3, venue="far"),
            made_candles(6, seed=4, timeframe="4h"),
        ]
        for candles in made:
            storage.candles.write(candles)
        for candles in made:
            series = Series(candles.symbol, str(candles.timeframe), candles.venue)
            assert bits(storage.candles.read(series)) == bits(candles)

    def test_series_come_by_symbol_timeframe_and_venue(self, storage: Storage) -> None:
        for symbol, timeframe, venue in (
            ("b", "1h", "x"), ("B", "1h", "x"), ("a", "4h", "x"), ("a", "1h", "z"), ("a", "1h", "Y"),
        ):  # fmt: skip
            storage.candles.write(made_candles(2, symbol=symbol, timeframe=timeframe, venue=venue))
        found = [
            (each.series.symbol, each.series.timeframe, each.series.venue)
            for each in storage.candles.series()
        ]
        assert found == sorted(found)
        assert len(found) == 5
        assert len(storage.candles.series(symbol="a")) == 3
        assert len(storage.candles.series(timeframe="1h")) == 4
        assert len(storage.candles.series(venue="x", timeframe="1h")) == 2
        assert storage.candles.series(symbol="_") == []

    def test_series_say_how_much_is_stored(self, storage: Storage) -> None:
        storage.candles.write(made_candles(5))
        (stored,) = storage.candles.series()
        assert stored.series == SERIES
        assert (stored.candles, stored.first, stored.last) == (5, START, START + 4 * HOUR)

    def test_unknown_series_says_which_there_are(self, storage: Storage) -> None:
        storage.candles.write(made_candles(2, symbol="BTC/USDT"))
        with pytest.raises(UnknownNameError, match="BTC/USDT"):
            storage.candles.read(Series("BTC", "1h"))
        with pytest.raises(UnknownNameError):
            next(iter(storage.candles.chunks(Series("BTC", "1h"))))
        with pytest.raises(UnknownNameError):
            storage.candles.coverage(Series("BTC", "1h"))

    def test_coverage_gives_the_longest_gap_first(self, storage: Storage) -> None:
        storage.candles.write(at_hours([0, 1, 3, 4, 9, 10]))
        coverage = storage.candles.coverage(SERIES)
        assert coverage.gaps == (
            Gap(START + 4 * HOUR, START + 9 * HOUR, 4),
            Gap(START + HOUR, START + 3 * HOUR, 1),
        )
        assert (coverage.missing, coverage.stored.candles) == (5, 6)

    def test_coverage_of_a_source_that_omits_candles_has_no_gaps(self, storage: Storage) -> None:
        storage.candles.write(at_hours([0, 3], omits_empty=True))
        assert storage.candles.coverage(SERIES).gaps == ()

    def test_coverage_knows_the_weekend(self, storage: Storage) -> None:
        days = made_candles(14, timeframe="1d", calendar=Calendar.WEEKDAYS)
        working = np.flatnonzero((days.open_time // (24 * HOUR) + 3) % 7 < 5)
        arrays = {name: days.columns[name][working] for name in CANDLE_COLUMNS}
        times = days.open_time[working]
        storage.candles.write(
            replace(days, open_time=times, columns=candle_columns(arrays, times + 24 * HOUR))
        )
        assert storage.candles.coverage(Series("TEST", "1d")).missing == 0

    def test_deleting_a_series_takes_its_candles_and_quarantine(self, storage: Storage) -> None:
        storage.candles.write(made_candles(5))
        storage.candles.write(made_candles(3, symbol="OTHER"))
        bad = [QuarantinedCandle(SERIES, START, "nan", "x", STARTED)]
        storage.candles.quarantine([*bad, replace(bad[0], series=Series("OTHER", "1h"))])
        assert storage.candles.delete(SERIES) == 5
        assert [each.series.symbol for each in storage.candles.series()] == ["OTHER"]
        assert [each.series.symbol for each in storage.candles.quarantined()] == ["OTHER"]
        with pytest.raises(UnknownNameError):
            storage.candles.read(SERIES)
        assert storage.candles.write(made_candles(5, seed=9)) == CandleWrite(inserted=5)

    def test_bad_candles_are_kept_once(self, storage: Storage) -> None:
        bad = [
            QuarantinedCandle(SERIES, START, "high < low", "1,2,3", STARTED),
            QuarantinedCandle(SERIES, START, "high < low", "1,2,4", STARTED),
            QuarantinedCandle(SERIES, START + HOUR, "high < low", "1,2,3", STARTED),
            QuarantinedCandle(Series("A", "1h"), START, "high < low", "1,2,3", STARTED),
        ]
        assert storage.candles.quarantine(bad) == 4
        assert storage.candles.quarantine(bad) == 0
        assert storage.candles.quarantine([replace(bad[0], seen_at=STARTED + timedelta(days=1))]) == 0
        assert storage.candles.quarantine([bad[0], bad[0], replace(bad[0], reason="other")]) == 1
        assert storage.candles.quarantined(Series("A", "1h")) == bad[3:]
        times = [each.open_time for each in storage.candles.quarantined(SERIES)]
        assert times == [START, START, START, START + HOUR]
        assert storage.candles.quarantined()[0] == bad[3]

    def test_bad_candle_without_a_time_is_kept(self, storage: Storage) -> None:
        bad = QuarantinedCandle(SERIES, None, "no time", "yesterday,1", STARTED)
        assert storage.candles.quarantine([bad]) == 1
        assert storage.candles.quarantine([bad]) == 0
        later = replace(bad, open_time=START)
        storage.candles.quarantine([later])
        assert storage.candles.quarantined(SERIES) == [bad, later]

    def test_bad_candles_need_an_aware_time(self, storage: Storage) -> None:
        naive = datetime(2024, 3, 1, 12)  # noqa: DTZ001 - the point of it
        with pytest.raises(UsageError):
            storage.candles.quarantine([QuarantinedCandle(SERIES, START, "nan", "x", naive)])
        assert storage.candles.quarantined() == []
