"""Resampling: a plain loop's candles, the same bits however they are cut, incomplete ones told."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from higher_timeframes import MONDAY, Bucket, buckets_of, walk, without
from stratkernel import Calendar, Candles, Columns, Timeframe, UsageError, candles_from_frame
from stratkernel.contracts.columns import CANDLE_COLUMNS
from stratkernel.contracts.state import decode_state, encode_state
from stratkernel.contracts.timeframes import DAY, HOUR, MINUTE
from stratkernel.engine.timeframes.resampling import Resampler, resample_candles

PAIRS = [("1m", "3m"), ("1m", "1h"), ("5m", "15m"), ("5m", "1h"), ("1h", "1d"), ("1d", "1w"), ("1d", "1M")]
Row = tuple[int, int, tuple[float, ...], bool]


def resampler_of(candles: Candles, timeframe: str) -> Resampler:
    return Resampler(
        candles.timeframe, Timeframe(timeframe), candles.calendar, omits_empty=candles.omits_empty
    )


def folded(candles: Candles, timeframe: str, size: int | None = None) -> list[Row]:
    """(base row at which it is known, close time, values, incomplete) of each closed candle.

    In chunks of `size`, the state encoded and decoded in between.
    """
    made = resampler_of(candles, timeframe)
    state, rows = made.initial_state(), []
    for start in range(0, len(candles), size or len(candles)):
        chunk = candles.columns.slice(start, min(start + (size or len(candles)), len(candles)))
        found, state = made.advance(chunk, state)
        state = decode_state(encode_state(state, {}), {})
        values = zip(*(found.columns[name].tolist() for name in CANDLE_COLUMNS), strict=True)
        rows += list(
            zip(
                (found.rows + start).tolist(),
                found.columns.close_time.tolist(),
                values,
                found.incomplete.tolist(),
                strict=True,
            )
        )
    return rows


def closed_by_the_end(candles: Candles, timeframe: str) -> list[Bucket]:
    return [each for each in buckets_of(candles, timeframe) if each.close_time <= candles.close_time[-1]]


@pytest.mark.parametrize(("base", "higher"), PAIRS)
def test_resampling_equals_a_plain_loop(base: str, higher: str) -> None:
    candles = without(walk(2_000, base), np.random.default_rng(2).choice(2_000, 200, replace=False))
    rows = folded(candles, higher)
    wanted = closed_by_the_end(candles, higher)
    assert [(row[1], row[2]) for row in rows] == [(each.close_time, each.values) for each in wanted]
    assert len(rows) > 20


@pytest.mark.parametrize(("base", "higher"), PAIRS)
def test_resampled_candle_is_known_at_the_first_base_row_that_closes_with_it_or_later(
    base: str, higher: str
) -> None:
    candles = without(walk(2_000, base), np.random.default_rng(3).choice(2_000, 400, replace=False))
    for row, close_time, _, _ in folded(candles, higher):
        assert candles.close_time[row] >= close_time
        assert candles.close_time[row - 1] < close_time


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
@pytest.mark.parametrize(("base", "higher"), PAIRS)
def test_resampling_in_chunks_with_saved_state_gives_the_same_bits(base: str, higher: str, size: int) -> None:
    candles = without(walk(1_500, base), np.random.default_rng(4).choice(1_500, 150, replace=False))
    assert folded(candles, higher, size) == folded(candles, higher)


@given(
    missing=st.sets(st.integers(0, 119), max_size=110),
    sizes=st.lists(st.integers(1, 50), min_size=1, max_size=40),
    calendar=st.sampled_from(list(Calendar)),
    offset=st.integers(0, 400),
    higher=st.sampled_from(["15m", "1h", "4h", "1d"]),
)
def test_resampling_however_it_is_cut_and_whatever_is_missing_gives_the_same_candles(
    missing: set[int], sizes: list[int], calendar: Calendar, offset: int, higher: str
) -> None:
    candles = walk(120, "5m", start=MONDAY + 4 * DAY + offset * 5 * MINUTE, calendar=calendar)
    candles = without(candles, sorted(missing))
    made = resampler_of(candles, higher)
    whole, end = made.advance(candles.columns, made.initial_state())
    state, start, number = made.initial_state(), 0, 0
    closes, known, flags, volumes = [], [], [], []
    while start < len(candles):
        stop = min(start + sizes[number % len(sizes)], len(candles))
        found, state = made.advance(candles.columns.slice(start, stop), state)
        closes += found.columns.close_time.tolist()
        known += (found.rows + start).tolist()
        flags += found.incomplete.tolist()
        volumes += found.columns.volume.tolist()
        start, number = stop, number + 1
    assert closes == whole.columns.close_time.tolist()
    assert known == whole.rows.tolist()
    assert flags == whole.incomplete.tolist()
    assert volumes == whole.columns.volume.tolist()
    assert state == end


@pytest.mark.parametrize(("base", "higher"), [("1m", "1h"), ("5m", "4h"), ("1h", "1d"), ("1d", "1w")])
def test_resampled_candle_is_incomplete_where_its_count_is_short(base: str, higher: str) -> None:
    candles = without(walk(3_000, base), np.random.default_rng(5).choice(3_000, 40, replace=False))
    expected = (Timeframe(higher).micros or 0) // (Timeframe(base).micros or 1)
    wanted = [each.count < expected for each in closed_by_the_end(candles, higher)]
    found = [row[3] for row in folded(candles, higher)]
    assert found == wanted
    assert any(found)
    assert not all(found)


def test_months_and_weeks_follow_the_calendar() -> None:
    candles = walk(400, "1d")
    months = resample_candles(candles, Timeframe("1M"))
    opens = months.open_time.astype("datetime64[us]").astype("datetime64[D]").astype(str).tolist()
    assert opens[:4] == ["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"]
    assert opens[-1] == "2025-01-01"
    assert months.marked is None
    weeks = resample_candles(without(walk(400, "1d"), [0, 1]), Timeframe("1w"))
    assert set(((weeks.open_time - MONDAY) % (7 * DAY)).tolist()) == {0}
    assert weeks.marked is not None
    assert np.flatnonzero(weeks.marked).tolist() == [0]  # it began before the first candle


def test_month_with_a_day_missing_is_incomplete_and_its_neighbours_are_not() -> None:
    candles = without(walk(100, "1d"), [40])  # 10 February
    marked = resample_candles(candles, Timeframe("1M")).marked
    assert marked is not None
    assert marked.tolist() == [False, True, False]


def test_gap_over_several_candles_flags_the_two_that_it_cuts() -> None:
    """From 00:20 to 04:40: the candles of 00:00 and 04:00 are cut, those between are not there at all."""
    candles = without(walk(12 * 8, "5m"), range(4, 56))
    rows = folded(candles, "1h")
    assert [((row[1] - MONDAY) // HOUR, row[3]) for row in rows] == [
        (1, True),
        (5, True),
        (6, False),
        (7, False),
        (8, False),
    ]
    assert rows[0][0] == 4  # a gap ended it: known at the next base row


def test_gap_that_lies_between_two_candles_flags_none() -> None:
    candles = without(walk(12 * 6, "5m"), range(12, 36))
    assert [row[3] for row in folded(candles, "1h")] == [False] * 4


def test_weekend_on_weekdays_is_no_hole_and_a_missing_friday_afternoon_is() -> None:
    hours = np.arange(24 * 14)
    weekend = hours[(hours // 24) % 7 >= 5]
    calm = without(walk(24 * 14, "1h", calendar=Calendar.WEEKDAYS), weekend)
    assert [row[3] for row in folded(calm, "1w")] == [False]
    cut = without(
        walk(24 * 14, "1h", calendar=Calendar.WEEKDAYS), np.concatenate((weekend, [24 * 4 + 20, 24 * 4 + 23]))
    )
    assert [row[3] for row in folded(cut, "1w")] == [True]
    assert [row[3] for row in folded(cut, "1d")].count(True) == 1


def test_sessions_miss_candles_within_a_day_only() -> None:
    """09:00 to 17:00 for a week; the second day lacks one hour."""
    hours = np.arange(24 * 5)
    closed = hours[(hours % 24 < 9) | (hours % 24 >= 17)]
    candles = walk(24 * 5, "1h", calendar=Calendar.SESSIONS)
    candles = without(candles, np.union1d(closed, [24 + 12]))
    assert [row[3] for row in folded(candles, "1d")] == [True, True, False, False]
    # the first day may have begun earlier: nothing tells that it did not


def test_source_that_omits_candles_without_trades_misses_none() -> None:
    missing = np.random.default_rng(6).choice(np.arange(1, 600), 200, replace=False)
    candles = without(walk(600, "1m", omits_empty=True), missing)
    assert not any(row[3] for row in folded(candles, "15m"))


def test_candle_that_began_before_the_origin_is_incomplete() -> None:
    whole = walk(60, "5m")
    candles = whole.slice(5, 60)
    assert [row[3] for row in folded(candles, "1h")] == [True, False, False, False, False]


def test_forming_candle_is_never_given() -> None:
    candles = walk(12 * 3 + 11, "5m")
    for rows in range(1, len(candles)):
        found = folded(candles.slice(0, rows), "1h")
        assert len(found) == rows // 12


def test_resampling_no_rows_changes_nothing() -> None:
    candles = walk(30, "5m")
    made = resampler_of(candles, "1h")
    _, state = made.advance(candles.columns, made.initial_state())
    found, after = made.advance(candles.columns.slice(0, 0), state)
    assert (len(found), after) == (0, state)


def test_resampling_changes_neither_candles_nor_state() -> None:
    candles = walk(30, "5m")
    made = resampler_of(candles, "1h")
    _, state = made.advance(candles.columns.slice(0, 20), made.initial_state())
    before = dict(state)
    made.advance(candles.columns.slice(20, 30), state)
    assert dict(state) == before
    assert made.initial_state() == {"last": None, "forming": False}


@pytest.mark.parametrize(
    ("base", "higher", "message"),
    [
        ("1h", "5m", "shorter than the 1h candles"),
        ("8h", "12h", "not made up of whole 8h candles"),
        ("1w", "1M", "not made up of whole 1w candles"),
        ("1M", "1w", "shorter than the 1M candles"),
    ],
)
def test_resampling_to_what_is_no_multiple_is_refused(base: str, higher: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resample_candles(walk(10, base), Timeframe(higher))


def test_resampling_to_the_same_timeframe_gives_the_candles_themselves() -> None:
    candles = walk(10, "1h")
    assert resample_candles(candles, Timeframe("1h")) is candles


def test_volumes_are_added_from_left_to_right() -> None:
    """One after the other the ones are lost beside the first; together they are not."""
    candles = walk(60, "1m")
    volume = np.array([1e16] + [1.0] * 59)
    arrays = {name: candles.columns[name] for name in CANDLE_COLUMNS} | {"volume": volume}
    total = 0.0
    for value in volume.tolist():
        total += value
    assert total != volume.sum()
    made = Resampler(Timeframe("1m"), Timeframe("1h"))
    for size in (60, 1, 7):
        state, sums = made.initial_state(), []
        for start in range(0, 60, size):
            found, state = made.advance(Columns(arrays, candles.close_time).slice(start, start + size), state)
            sums += found.columns.volume.tolist()
        assert sums == [total]


@pytest.mark.parametrize(
    ("file", "base", "higher", "omits"),
    [
        ("binance_BTCUSDT_5m.parquet", "5m", "1h", False),
        ("binance_BTCUSDT_5m.parquet", "5m", "1w", False),
        ("kraken_BTCUSDC_1m.parquet", "1m", "15m", True),
        ("freqtrade_UNITTEST_BTC_1m.parquet", "1m", "1h", False),
    ],
)
def test_resampling_real_candles_equals_a_plain_loop_whole_and_in_chunks(
    shared_data: Path, file: str, base: str, higher: str, omits: bool
) -> None:
    frame: Any = pq.read_table(shared_data / file).to_pandas().iloc[:12_000]
    frame = frame.set_index("timestamp").rename_axis("open_time")
    candles = candles_from_frame(frame, symbol="X", timeframe=base, omits_empty=omits)
    rows = folded(candles, higher)
    wanted = closed_by_the_end(candles, higher)
    assert [(row[1], row[2]) for row in rows] == [(each.close_time, each.values) for each in wanted]
    assert folded(candles, higher, 997) == rows
