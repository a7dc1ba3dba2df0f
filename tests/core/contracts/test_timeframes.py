"""Timeframes: names, alignment, opens and closes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratkernel.contracts.arrays import IntArray
from stratkernel.contracts.timeframes import DAY, HOUR, MINUTE, TIMEFRAMES, WEEK, Timeframe, iso
from stratkernel.kernel.errors import UsageError

MOMENTS = st.integers(
    int(np.datetime64("1971-01-01", "us").astype(np.int64)),
    int(np.datetime64("2261-12-31", "us").astype(np.int64)),
)


def micros(*texts: str) -> IntArray:
    return np.array(texts, dtype="datetime64[us]").astype(np.int64)


@pytest.mark.parametrize(
    ("name", "length"),
    [
        ("1m", MINUTE),
        ("5m", 5 * MINUTE),
        ("15m", 15 * MINUTE),
        ("1h", HOUR),
        ("4h", 4 * HOUR),
        ("1d", DAY),
        ("1w", WEEK),
    ],
)
def test_timeframe_has_its_length(name: str, length: int) -> None:
    assert Timeframe(name).micros == Timeframe(name).approximate_micros == length
    assert str(Timeframe(name)) == name


def test_month_has_no_fixed_length() -> None:
    assert Timeframe("1M").micros is None
    assert Timeframe("1M").approximate_micros == 30 * DAY


@pytest.mark.parametrize("name", ["", "1", "60m", "1H", "1 h", "m1", "1y"])
def test_unknown_timeframe_is_a_usage_error_that_lists_the_known(name: str) -> None:
    with pytest.raises(UsageError, match="Expected one of: 1m, 3m, 5m"):
        Timeframe(name)


def test_minute_and_month_are_told_apart_by_case() -> None:
    assert Timeframe("1m") != Timeframe("1M")


@pytest.mark.parametrize(
    ("name", "aligned", "not_aligned"),
    [
        ("1m", "2024-01-01T00:01", "2024-01-01T00:01:30"),
        ("4h", "2024-01-01T04:00", "2024-01-01T03:00"),
        ("1d", "2024-01-01", "2024-01-01T01:00"),
        ("1w", "2024-01-01", "2024-01-04"),
        ("1M", "2024-02-01", "2024-02-02"),
    ],
)
def test_candles_open_on_the_grid_weeks_on_monday_months_on_the_first(
    name: str, aligned: str, not_aligned: str
) -> None:
    assert Timeframe(name).is_aligned(micros(aligned, not_aligned)).tolist() == [True, False]


def test_months_close_when_the_next_begins() -> None:
    opens = micros("2023-12-01", "2024-01-01", "2024-02-01")
    np.testing.assert_array_equal(
        Timeframe("1M").close_of(opens), micros("2024-01-01", "2024-02-01", "2024-03-01")
    )


@given(moment=MOMENTS, name=st.sampled_from(TIMEFRAMES))
def test_every_moment_lies_in_exactly_one_candle(moment: int, name: str) -> None:
    timeframe = Timeframe(name)
    opens = timeframe.floor(np.array([moment]))
    closes = timeframe.close_of(opens)
    assert opens[0] <= moment < closes[0]
    assert timeframe.is_aligned(opens)[0]
    assert timeframe.is_aligned(closes)[0]
    assert timeframe.open_of(closes)[0] == opens[0]
    assert timeframe.count_between(np.concatenate([opens, closes])).tolist() == [1]


def test_steps_are_counted_across_gaps() -> None:
    assert Timeframe("1h").count_between(MINUTE * 60 * np.array([0, 1, 5])).tolist() == [1, 4]
    assert Timeframe("1M").count_between(micros("2023-11-01", "2024-02-01")).tolist() == [3]


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1, "1970-01-01T00:00:00.000001Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (1_500_000, "1970-01-01T00:00:01.5Z"),
        (1_704_067_200_000_000, "2024-01-01T00:00:00Z"),
    ],
)
def test_iso_writes_utc_with_a_fraction_only_where_there_is_one(time: int, text: str) -> None:
    assert iso(time) == text
