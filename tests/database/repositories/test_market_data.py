"""Candles in a database: nothing is lost, nothing doubled, nothing contradicted unseen."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from stratkernel import Kernel
from stratkernel.contracts.calendars import Calendar
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.columns import CANDLE_COLUMNS, candle_columns
from stratkernel.contracts.source import SourceRequest
from stratkernel.contracts.stored import CandleWrite, Gap, QuarantinedCandle, Series
from stratkernel.contracts.timeframes import HOUR
from stratkernel.engine.candle_loading import load_source
from stratkernel.kernel.errors import CandleConflictError, UnknownNameError, UsageError
from stratkernel.testing.candles import candles_from_close
from stratkernel_database.connection import Database
from stratkernel_database.models import market_series, metadata
from stratkernel_database.repositories.market import MarketDataRepository

START = 1_700_006_400_000_000
SERIES = Series("BTCUSDT", "1h")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    opened.write(metadata.create_all)
    yield opened
    opened.close()


@pytest.fixture
def market(database: Database) -> MarketDataRepository:
    return MarketDataRepository(database)


def candles(count: int, *, symbol: str = "BTCUSDT", venue: str = "local", seed: int = 0) -> Candles:
    close = 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.01, count)))
    made = candles_from_close(close, timeframe="1h", start=START)
    return replace(made, symbol=symbol, venue=venue, calendar=Calendar.ALWAYS)


def changed(base: Candles, rows: list[int], name: str = "close") -> Candles:
    arrays = {each: base.columns[each].copy() for each in CANDLE_COLUMNS}
    arrays[name][rows] = np.nextafter(arrays[name][rows], np.inf)
    return replace(base, columns=candle_columns(arrays, base.close_time))


def without(base: Candles, rows: list[int]) -> Candles:
    keep = np.setdiff1d(np.arange(len(base)), rows)
    arrays = {name: base.columns[name][keep] for name in CANDLE_COLUMNS}
    marked = None if base.marked is None else base.marked[keep]
    close_time = base.close_time[keep]
    return replace(
        base, open_time=base.open_time[keep], columns=candle_columns(arrays, close_time), marked=marked
    )


@pytest.mark.parametrize("count", [1, 3_000, 70_000])
def test_read_gives_the_candles_that_were_written(market: MarketDataRepository, count: int) -> None:
    written = candles(count)
    assert market.write(written) == CandleWrite(inserted=count)
    read = market.read(SERIES)
    assert read.data_hash == written.data_hash
    assert read.marked is None
    assert (read.symbol, read.venue, read.timeframe, read.calendar, read.omits_empty) == (
        written.symbol, written.venue, written.timeframe, written.calendar, written.omits_empty,
    )  # fmt: skip
    np.testing.assert_array_equal(read.close_time, written.close_time)
    for array in (read.open_time, read.close_time, *(read.columns[name] for name in CANDLE_COLUMNS)):
        assert array.flags.c_contiguous
        assert not array.flags.writeable


def test_write_twice_adds_nothing(market: MarketDataRepository) -> None:
    market.write(candles(500))
    assert market.write(candles(500)) == CandleWrite(unchanged=500)
    assert len(market.read(SERIES)) == 500


def test_write_of_nothing_makes_no_series(market: MarketDataRepository) -> None:
    assert market.write(candles(3).slice(0, 0)) == CandleWrite()
    assert market.series() == []


def test_write_fills_holes_before_between_and_after(market: MarketDataRepository) -> None:
    whole = candles(100)
    market.write(without(whole, [0, 1, 50, 51, 52, 99]))
    assert market.write(whole) == CandleWrite(inserted=6, unchanged=94)
    assert market.read(SERIES).data_hash == whole.data_hash


def test_write_of_other_values_is_refused_with_the_first_rows_and_changes_nothing(
    market: MarketDataRepository,
) -> None:
    stored, whole = candles(50), candles(60)
    market.write(stored)
    with pytest.raises(CandleConflictError) as caught:
        market.write(changed(changed(whole, list(range(3, 40))), [3], "volume"))
    message = str(caught.value)
    assert "BTCUSDT 1h: 37 of 60 candles are stored with other values, nothing was written" in message
    assert "2023-11-15T03:00:00Z close" in message
    assert f"{float(stored.columns.close[3])!r} stored" in message
    assert "volume" in message
    assert "2023-11-15T07:00:00Z" in message
    assert "2023-11-15T08:00:00Z" not in message
    assert "--overwrite" in message
    assert market.read(SERIES).data_hash == stored.data_hash


def test_write_with_overwrite_replaces_what_differs(market: MarketDataRepository) -> None:
    market.write(candles(50))
    other = changed(candles(60), [3, 7])
    assert market.write(other, overwrite=True) == CandleWrite(inserted=10, unchanged=48, replaced=2)
    assert market.read(SERIES).data_hash == other.data_hash


def test_marks_are_kept_and_replaced_with_their_candles(market: MarketDataRepository) -> None:
    marked = np.zeros(1_000, dtype=bool)
    marked[[0, 5, 999]] = True
    written = replace(candles(1_000), marked=marked)
    market.write(written)
    read = market.read(SERIES)
    assert read.marked is not None
    np.testing.assert_array_equal(read.marked, marked)
    assert not read.marked.flags.writeable
    assert market.read(SERIES, int(written.open_time[10]), int(written.open_time[20])).marked is None
    market.write(replace(changed(written, [5, 6]), marked=None), overwrite=True)
    after = market.read(SERIES).marked
    assert after is not None
    assert np.flatnonzero(after).tolist() == [0, 999]


def test_read_of_a_range_takes_the_start_and_leaves_the_end(market: MarketDataRepository) -> None:
    written = candles(100)
    market.write(written)
    start, end = int(written.open_time[10]), int(written.open_time[20])
    assert market.read(SERIES, start, end).data_hash == written.slice(10, 20).data_hash
    assert market.read(SERIES, start + 1, end + 1).data_hash == written.slice(11, 21).data_hash
    assert market.read(SERIES, start=start).data_hash == written.slice(10, 100).data_hash
    assert market.read(SERIES, end=end).data_hash == written.slice(0, 20).data_hash
    empty = market.read(SERIES, end, start)
    assert len(empty) == 0
    assert empty.columns.close.dtype == np.float64


@pytest.mark.parametrize("rows", [1, 7, 50, 99, 100, 101])
def test_chunks_put_together_are_what_read_gives(market: MarketDataRepository, rows: int) -> None:
    written = candles(100)
    market.write(written)
    parts = list(market.chunks(SERIES, rows=rows))
    assert [len(part) for part in parts[:-1]] == [rows] * (len(parts) - 1)
    times = np.concatenate([part.open_time for part in parts])
    np.testing.assert_array_equal(times, written.open_time)
    np.testing.assert_array_equal(
        np.concatenate([part.columns.close for part in parts]), written.columns.close
    )


def test_chunks_hold_no_transaction_while_they_wait(market: MarketDataRepository) -> None:
    market.write(candles(100))
    parts = market.chunks(SERIES, rows=60)
    assert len(next(parts)) == 60
    market.write(candles(110))
    assert len(next(parts)) == 50


def test_chunks_of_no_rows_are_refused(market: MarketDataRepository) -> None:
    with pytest.raises(UsageError, match="1 or more"):
        next(market.chunks(SERIES, rows=0))


def test_unknown_series_names_those_that_there_are(market: MarketDataRepository) -> None:
    with pytest.raises(UnknownNameError, match="import some first"):
        market.read(SERIES)
    market.write(candles(3))
    market.write(candles(3, symbol="ETHUSDT", venue="kraken"))
    for call in (market.read, market.coverage, lambda series: next(market.chunks(series))):
        with pytest.raises(UnknownNameError) as caught:
            call(Series("BTCUSD", "1h"))
        assert "Did you mean 'BTCUSDT 1h'?" in str(caught.value)
        assert "Stored are: BTCUSDT 1h, ETHUSDT 1h of kraken" in str(caught.value)


def test_series_are_listed_with_what_they_hold_and_can_be_chosen(market: MarketDataRepository) -> None:
    first = candles(10)
    market.write(first)
    market.write(candles(20, symbol="ETHUSDT"))
    market.write(candles(5, venue="kraken"))
    listed = market.series()
    assert [(str(each.series), each.candles) for each in listed] == [
        ("BTCUSDT 1h of kraken", 5), ("BTCUSDT 1h", 10), ("ETHUSDT 1h", 20),
    ]  # fmt: skip
    assert (listed[1].first, listed[1].last) == (int(first.open_time[0]), int(first.open_time[-1]))
    assert listed[1].calendar is Calendar.ALWAYS
    assert [each.candles for each in market.series(symbol="BTCUSDT", venue="local")] == [10]
    assert market.series(timeframe="4h") == []


def test_coverage_lists_gaps_the_longest_first(market: MarketDataRepository) -> None:
    whole = candles(100)
    market.write(without(whole, [10, 50, 51, 52, 80]))
    found = market.coverage(SERIES)
    assert found.stored.candles == 95
    assert found.missing == 5
    assert found.gaps == tuple(
        Gap(START + before * HOUR, START + after * HOUR, missing)
        for before, after, missing in ((49, 53, 3), (9, 11, 1), (79, 81, 1))
    )


def test_coverage_of_a_source_that_omits_empty_candles_has_no_gaps(market: MarketDataRepository) -> None:
    market.write(replace(without(candles(100), [10]), omits_empty=True))
    assert market.coverage(SERIES).gaps == ()


def test_contradicting_calendar_is_told_and_kept_unless_overwritten(
    market: MarketDataRepository, caplog: pytest.LogCaptureFixture
) -> None:
    market.write(candles(10))
    other = replace(candles(20), calendar=Calendar.SESSIONS, omits_empty=True)
    with caplog.at_level(logging.WARNING, "stratkernel.database"):
        market.write(other)
    assert "BTCUSDT 1h stays stored with calendar 24x7" in caplog.text
    assert "these candles say calendar sessions, candles without trades left out" in caplog.text
    assert market.read(SERIES).calendar is Calendar.ALWAYS
    market.write(other, overwrite=True)
    read = market.read(SERIES)
    assert (read.calendar, read.omits_empty) == (Calendar.SESSIONS, True)


def test_delete_removes_a_series_with_what_was_put_aside(market: MarketDataRepository) -> None:
    market.write(candles(10))
    market.write(candles(10, venue="kraken"))
    market.quarantine([bad("local"), bad("kraken")])
    assert market.delete(SERIES) == 10
    assert market.delete(SERIES) == 0
    assert [each.series.venue for each in market.series()] == ["kraken"]
    assert [each.series.venue for each in market.quarantined()] == ["kraken"]


def bad(venue: str = "local", reason: str = "high below low", content: str = "1,2,0") -> QuarantinedCandle:
    seen = datetime(2024, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    return QuarantinedCandle(Series("BTCUSDT", "1h", venue), START, reason, content, seen)


def test_quarantine_keeps_each_bad_candle_once(market: MarketDataRepository) -> None:
    unreadable = replace(bad(content="x"), open_time=None)
    assert market.quarantine([bad(), bad(), bad(reason="negative"), unreadable]) == 3
    assert market.quarantine([bad(), bad("kraken")]) == 1
    assert market.quarantine([]) == 0
    kept = market.quarantined(SERIES)
    assert sorted(kept, key=str) == sorted([bad(), bad(reason="negative"), unreadable], key=str)
    assert len(market.quarantined()) == 4


def test_quarantine_refuses_a_naive_time(market: MarketDataRepository) -> None:
    with pytest.raises(UsageError, match="no time zone"):
        market.quarantine([replace(bad(), seen_at=datetime(2024, 1, 1))])  # noqa: DTZ001 - naive on purpose


def test_write_in_a_unit_of_work_that_fails_leaves_nothing(
    market: MarketDataRepository, database: Database
) -> None:
    def both() -> None:
        with database.unit_of_work():
            market.write(candles(10))
            assert len(market.read(SERIES)) == 10
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        both()
    assert market.series() == []
    count = sa.select(sa.func.count()).select_from(market_series)
    assert database.read(lambda connection: connection.execute(count).scalar_one()) == 0


def test_a_conflict_within_a_unit_of_work_undoes_only_its_own_write(
    market: MarketDataRepository, database: Database
) -> None:
    market.write(candles(10))
    with database.unit_of_work():
        market.write(candles(10, symbol="ETHUSDT"))
        with pytest.raises(CandleConflictError):
            market.write(changed(candles(20), [5]))
    assert [each.candles for each in market.series()] == [10, 10]


@pytest.mark.parametrize("name", ["binancef_BTCUSDT_5m.parquet", "binancef_SOLUSDT_1m.parquet"])
def test_real_candles_come_back_with_their_hash(
    market: MarketDataRepository, kernel: Kernel, shared_data: Path, name: str
) -> None:
    request = SourceRequest(str(shared_data / name), symbol="TEST")
    real, _ = load_source(kernel, request, now=datetime(2026, 1, 1, tzinfo=UTC))
    assert market.write(real).inserted == len(real)
    read = market.read(Series("TEST", real.timeframe.name))
    assert read.data_hash == real.data_hash
    pd.testing.assert_frame_equal(read.frame, real.frame)
