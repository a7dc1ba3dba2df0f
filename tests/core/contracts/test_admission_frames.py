"""Candles from DataFrames of library users, and properties of the gate over garbage."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratkernel.contracts.admission import AdmissionError, BadCandles, admit, candles_from_frame
from stratkernel.contracts.calendars import Calendar
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.columns import CANDLE_COLUMNS
from stratkernel.contracts.source import UNREADABLE_TIME, RawCandles
from stratkernel.contracts.timeframes import HOUR, TIMEFRAMES, Timeframe
from stratkernel.kernel.errors import DataError, StratkernelError, UsageError

NOW = datetime(2025, 1, 1, tzinfo=UTC)


def frame(count: int = 5, tz: str | None = "UTC", name: str | None = "open_time") -> pd.DataFrame:
    index = pd.date_range("2024-01-01", periods=count, freq="h", tz=tz, name=name)
    return pd.DataFrame({"open": 10.0, "high": 12.0, "low": 9.0, "close": 11, "volume": 3}, index=index)


def load(table: Any, **options: Any) -> Candles:
    return candles_from_frame(table, symbol="X", timeframe="1h", now=NOW, **options)


def test_candles_from_frame_gives_the_same_frame_back() -> None:
    candles = load(frame(), venue="somewhere", omits_empty=True, calendar=Calendar.WEEKDAYS)
    pd.testing.assert_frame_equal(
        candles.frame, frame().astype("float64"), check_freq=False, check_index_type=False
    )
    assert (candles.symbol, candles.venue, candles.omits_empty) == ("X", "somewhere", True)
    assert candles.calendar is Calendar.WEEKDAYS
    assert candles.timeframe == Timeframe("1h")


def test_candles_from_frame_reads_other_zones_as_the_instants_they_are() -> None:
    assert load(frame().tz_convert("Asia/Tokyo")).data_hash == load(frame()).data_hash


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_candles_from_frame_reads_every_resolution(unit: str) -> None:
    table = frame()
    table.index = table.index.as_unit(unit)  # type: ignore[attr-defined]
    assert load(table).data_hash == load(frame()).data_hash


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (frame(tz=None), "without a time zone"),
        (frame(name=None), "rename_axis"),
        (frame(name="close_time"), "rename_axis"),
        (frame().reset_index(), "set_index"),
        ([1, 2], "expected a pandas DataFrame, got list"),
    ],
    ids=["naive", "unnamed", "close-time", "no-datetimes", "list"],
)
def test_candles_from_frame_with_a_wrong_index_is_a_usage_error(table: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load(table)


def test_candles_from_frame_with_missing_columns_names_them() -> None:
    with pytest.raises(DataError, match=r"no column 'low', 'volume'; expected .* got open, high, close"):
        load(frame().drop(columns=["low", "volume"]))


def test_candles_from_frame_with_a_column_twice_is_an_error() -> None:
    table = frame()
    with pytest.raises(DataError, match="'close' twice"):
        load(pd.concat([table, table[["close"]]], axis=1))


@pytest.mark.parametrize("value", ["12", None, True, object(), 1j, 10**400, pd.NaT])
def test_f6_cells_of_a_frame_that_are_no_numbers_are_refused(value: object) -> None:
    table = frame().astype(object)
    table.iloc[1, 0] = value
    with pytest.raises(AdmissionError) as caught:
        load(table)
    assert [(fault.line, fault.column, fault.rule) for fault in caught.value.report.faults] == [
        (2, "open", "readable")
    ]


def test_f8_missing_time_in_a_frame_is_refused() -> None:
    table = frame()
    table.index = pd.DatetimeIndex([*table.index[:2], pd.NaT, *table.index[3:]], name="open_time")
    with pytest.raises(AdmissionError, match="expected a time"):
        load(table)


CELL = st.one_of(
    st.floats(),
    st.floats(0.5, 2.0),
    st.integers(-(10**20), 10**20),
    st.none(),
    st.text(max_size=3),
    st.booleans(),
    st.decimals(allow_nan=True),
    st.just(Decimal("1e999")),
    st.just(pd.NaT),
)
TIME = st.one_of(
    st.integers(0, 40).map(lambda hour: pd.Timestamp("2024-01-01", tz="UTC") + pd.Timedelta(hours=hour)),
    st.datetimes(pd.Timestamp("1700-01-01"), pd.Timestamp("2261-01-01"), timezones=st.just(UTC)),
    st.just(pd.NaT),
)


def assert_every_rule_holds(candles: Candles, now: int) -> None:
    columns = candles.columns
    body_top = np.maximum(columns.open, columns.close)
    body_bottom = np.minimum(columns.open, columns.close)
    enclosed = (columns.high >= body_top) & (columns.low <= body_bottom)
    if candles.report is not None and candles.report.policy is BadCandles.FLAG and candles.marked is not None:
        enclosed |= candles.marked
    assert np.all(enclosed)
    for name in CANDLE_COLUMNS:
        assert np.all(np.isfinite(columns[name]))
        assert np.all(columns[name] >= 0 if name == "volume" else columns[name] > 0)
    assert np.all(np.diff(candles.open_time) > 0)
    assert np.all(candles.timeframe.is_aligned(candles.open_time))
    assert np.all(candles.close_time <= now)
    assert len(candles) > 0
    report = candles.report
    assert report is not None
    assert report.admitted == len(candles)
    assert report.rows == report.admitted + report.dropped + report.forming


@given(
    rows=st.lists(st.tuples(TIME, st.tuples(*[CELL] * 5)), max_size=8),
    policy=st.sampled_from(BadCandles),
)
@settings(max_examples=150, deadline=None)
def test_f6_any_frame_becomes_good_candles_or_one_of_our_errors(
    rows: list[tuple[Any, tuple[Any, ...]]], policy: BadCandles
) -> None:
    index = pd.DatetimeIndex([time for time, _ in rows], name="open_time").as_unit("us")
    index = index.tz_localize("UTC") if index.tz is None else index
    table = pd.DataFrame([list(cells) for _, cells in rows], columns=list(CANDLE_COLUMNS), index=index)
    try:
        candles = load(table, policy=policy)
    except StratkernelError:
        return
    assert_every_rule_holds(candles, int(NOW.timestamp()) * 1_000_000)


@given(
    times=st.lists(
        st.one_of(
            st.integers(470_000, 490_000).map(lambda hour: hour * HOUR),
            st.integers(UNREADABLE_TIME, -UNREADABLE_TIME - 1),
        ),
        max_size=12,
    ),
    data=st.data(),
    policy=st.sampled_from(BadCandles),
    timeframe=st.sampled_from(TIMEFRAMES),
)
@settings(max_examples=200, deadline=None)
def test_f8_any_int64_times_and_floats_become_good_candles_or_one_of_our_errors(
    times: list[int], data: st.DataObject, policy: BadCandles, timeframe: str
) -> None:
    count = len(times)
    column = st.lists(st.one_of(st.floats(), st.floats(1.0, 2.0)), min_size=count, max_size=count)
    raw = RawCandles(
        symbol="X",
        timeframe=Timeframe(timeframe),
        open_time=np.array(times, dtype=np.int64),
        columns={name: np.array(data.draw(column), dtype=np.float64) for name in CANDLE_COLUMNS},
        line=np.arange(count),
        where="memory",
    )
    try:
        candles = admit(raw, policy=policy, now=NOW)
    except StratkernelError:
        return
    assert_every_rule_holds(candles, int(NOW.timestamp()) * 1_000_000)


@given(shuffled=st.permutations(range(30)), repeated=st.lists(st.integers(0, 29), max_size=10))
@settings(max_examples=50, deadline=None)
def test_repair_of_shuffled_and_repeated_rows_gives_the_clean_series(
    shuffled: list[int], repeated: list[int]
) -> None:
    clean = frame(30).assign(close=lambda table: 10 + np.arange(len(table)) / 50)
    damaged = clean.iloc[[*shuffled, *repeated]]
    repaired = load(damaged, policy=BadCandles.REPAIR)
    assert repaired.data_hash == load(clean).data_hash
    assert repaired.marked is None


def test_frame_negative_zero_volume_is_no_volume_and_hashes_as_such() -> None:
    signed, plain = frame(), frame()
    signed.loc[signed.index[3], "volume"] = -0.0
    plain.loc[plain.index[3], "volume"] = 0.0
    assert load(signed).data_hash == load(plain).data_hash
    assert not np.signbit(load(signed).columns.volume).any()
