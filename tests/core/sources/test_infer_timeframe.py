"""The timeframe is told from the open times, asked for, or refused when it is a mixture."""

import numpy as np
import pytest

from stratkernel.contracts.arrays import IntArray
from stratkernel.contracts.timeframes import DAY, HOUR, MINUTE, TIMEFRAMES, Timeframe
from stratkernel.kernel.errors import DataError, UsageError
from stratkernel.sources.infer import timeframe_of

MONDAY = int(np.datetime64("2024-01-01", "us").astype(np.int64))


def grid(step: int, count: int = 50) -> IntArray:
    return MONDAY + np.arange(count, dtype=np.int64) * step


def months(count: int = 30) -> IntArray:
    first = np.datetime64("2020-01", "M") + np.arange(count)
    return first.astype("datetime64[us]").astype(np.int64)


@pytest.mark.parametrize("name", TIMEFRAMES)
def test_every_timeframe_is_told_from_an_even_grid(name: str) -> None:
    step = Timeframe(name).micros
    found, note = timeframe_of(months() if step is None else grid(step), None, "x.csv")
    assert found == Timeframe(name)
    assert f"timeframe {name} (inferred from 100% of the steps)" == note


def test_gaps_duplicates_disorder_and_wild_times_do_not_mislead() -> None:
    time = np.concatenate([grid(HOUR)[:20], grid(HOUR)[25:], grid(HOUR)[:5], [0, -5, MONDAY + 7 * HOUR + 1]])
    assert timeframe_of(time[::-1], None, "x.csv")[0] == Timeframe("1h")


def test_weekend_gaps_and_month_gaps_do_not_mislead() -> None:
    days = grid(DAY, 200)
    weekdays = days[(days // DAY + 3) % 7 < 5]
    assert timeframe_of(weekdays, None, "x.csv")[0] == Timeframe("1d")
    assert timeframe_of(np.delete(months(), 7), None, "x.csv")[0] == Timeframe("1M")


def test_sparse_source_has_its_smallest_step_when_that_is_the_most_common() -> None:
    rng = np.random.default_rng(1)
    time = grid(MINUTE, 5000)[rng.random(5000) < 0.3]
    found, note = timeframe_of(time, None, "x.csv")
    assert found == Timeframe("1m")
    assert "3" in note


@pytest.mark.parametrize(
    ("time", "reason"),
    [
        (grid(HOUR, 1), "there is one candle"),
        (grid(HOUR, 0), "there are no candles"),
        (grid(10 * MINUTE), "after 10 minutes, which is no timeframe that is known"),
        (grid(1_500_000), "after 1.5 seconds"),
        (MONDAY + np.cumsum([1, 3, 3, 5, 7, 11, 2, 13, 17, 4, 19]) * MINUTE, "only 20% of the candles"),
    ],
    ids=["one", "none", "ten-minutes", "seconds", "irregular"],
)
def test_what_cannot_be_told_is_asked_for_by_its_flag(time: IntArray, reason: str) -> None:
    with pytest.raises(UsageError, match=f"{reason}.*; say it with --timeframe"):
        timeframe_of(time, None, "x.csv")


def test_given_timeframe_answers_what_cannot_be_told() -> None:
    assert timeframe_of(grid(HOUR, 1), "1h", "x.csv") == (Timeframe("1h"), "timeframe 1h (given)")


def test_given_timeframe_that_contradicts_the_candles_is_refused() -> None:
    for other in ("5m", "1d"):
        with pytest.raises(UsageError, match=f"its candles are 1h, not {other}"):
            timeframe_of(grid(HOUR), other, "x.csv")
    with pytest.raises(UsageError, match="unknown timeframe '60m'"):
        timeframe_of(grid(HOUR), "60m", "x.csv")


@pytest.mark.parametrize("count", [6, 200])
def test_mixed_timeframes_are_refused_with_the_place(count: int) -> None:
    hourly = grid(HOUR, count)
    time = np.concatenate([hourly, hourly[-1] + grid(MINUTE, count)[1:] - MONDAY])
    with pytest.raises(DataError, match=r"mixes timeframes: 1. and, from 2024-01-.*Z on, 1.; split the file"):
        timeframe_of(time, None, "x.csv")
