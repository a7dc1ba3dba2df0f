"""Which mark belongs to which UTC day, and what days without candles return."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratkernel.contracts.arrays import IntArray
from stratkernel.contracts.calendars import Calendar
from stratkernel.contracts.timeframes import DAY, HOUR, MINUTE, Timeframe
from stratkernel.engine.metrics import daily_returns, day_ends, sharpe, sortino
from trading import MIDNIGHT

HOURLY, DAILY, WEEKLY = Timeframe("1h"), Timeframe("1d"), Timeframe("1w")


def returns(
    times: list[int], equity: list[float], calendar: Calendar = Calendar.ALWAYS, timeframe: Timeframe = HOURLY
) -> list[float]:
    close_time = np.array(times, dtype=np.int64)
    rows, days = day_ends(close_time, timeframe)
    marks = np.array(equity)[np.concatenate(([0], rows))]
    return daily_returns(marks, rows, days, calendar, timeframe).tolist()


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, 40 * DAY // MINUTE),
    st.lists(st.sampled_from([1, 1, 1, 1, 2, 60, 1_440, 5_000]), max_size=300),
    st.sampled_from(["1m", "5m", "1h", "1d"]),
)
def test_day_ends_are_the_last_closes_up_to_each_midnight(start: int, steps: list[int], name: str) -> None:
    timeframe = Timeframe(name)
    length = timeframe.approximate_micros
    times = (start * MINUTE // length + 1 + np.cumsum([0, *steps])) * length
    assert_last_of_each_day(times, timeframe)


@pytest.mark.parametrize("lost", [[], [700], list(range(1_430, 1_450)), list(range(1_000, 4_000))])
@pytest.mark.parametrize("start", [0, 1, 1_439])
def test_day_ends_of_minutes_with_and_without_gaps(start: int, lost: list[int]) -> None:
    minutes = np.delete(np.arange(5 * 1_440 + 1 - start), lost)
    assert_last_of_each_day(MIDNIGHT + (start + minutes) * MINUTE, Timeframe("1m"))


def assert_last_of_each_day(times: IntArray, timeframe: Timeframe) -> None:
    last: dict[int, int] = {}
    for row, time in enumerate(times.tolist()):
        last[(time - 1) // DAY] = row
    rows, days = day_ends(times, timeframe)
    assert (days.tolist(), rows.tolist()) == (list(last), list(last.values()))


def test_day_ends_of_no_candles_are_none() -> None:
    rows, days = day_ends(np.empty(0, dtype=np.int64), HOURLY)
    assert len(rows) == len(days) == 0


def test_mark_at_midnight_belongs_to_the_day_that_ends() -> None:
    times = [MIDNIGHT + hours * HOUR for hours in (12, 24, 36, 48)]
    assert returns(times, [100, 110, 999, 121]) == pytest.approx([0.1, 0.1])


def test_mark_after_midnight_belongs_to_the_next_day() -> None:
    times = [MIDNIGHT + hours * HOUR for hours in (12, 25, 36, 48)]
    assert returns(times, [100, 110, 999, 121]) == pytest.approx([0.21])


def test_first_day_with_only_the_first_mark_gives_no_return() -> None:
    assert returns([MIDNIGHT, MIDNIGHT + DAY], [100, 110], timeframe=DAILY) == pytest.approx([0.1])


def test_first_day_with_later_marks_gives_its_return_from_the_first_mark() -> None:
    times = [MIDNIGHT + hours * HOUR for hours in (1, 12, 24)]
    assert returns(times, [100, 105, 110]) == pytest.approx([0.1])


def test_days_without_candles_return_nothing_on_24x7() -> None:
    times = [MIDNIGHT, MIDNIGHT + DAY, MIDNIGHT + 4 * DAY]
    assert returns(times, [100, 110, 121], timeframe=DAILY) == pytest.approx([0.1, 0, 0, 0.1])


@pytest.mark.parametrize("calendar", [Calendar.WEEKDAYS, Calendar.SESSIONS])
def test_days_without_candles_are_left_out_on_other_calendars(calendar: Calendar) -> None:
    times = [MIDNIGHT, MIDNIGHT + DAY, MIDNIGHT + 4 * DAY]
    assert returns(times, [100, 110, 121], calendar, DAILY) == pytest.approx([0.1, 0.1])


def test_working_days_inside_a_weekly_candle_return_nothing() -> None:
    monday = MIDNIGHT + 5 * DAY
    times = [monday, monday + 7 * DAY, monday + 14 * DAY]
    weekly = returns(times, [100, 110, 121], Calendar.SESSIONS, WEEKLY)
    assert sorted(weekly) == pytest.approx([0.0] * 8 + [0.1, 0.1])
    always = returns(times, [100, 110, 121], Calendar.ALWAYS, WEEKLY)
    assert always == pytest.approx([*[0.0] * 6, 0.1, *[0.0] * 6, 0.1])


def test_equity_that_is_used_up_earns_nothing_more() -> None:
    times = [MIDNIGHT + day * DAY for day in range(4)]
    assert returns(times, [100, -20, -20, -20], timeframe=DAILY) == pytest.approx([-1.2, 0, 0])
    assert returns(times, [100, 0, 0, 0], timeframe=DAILY) == pytest.approx([-1, 0, 0])


def test_one_mark_gives_no_return() -> None:
    assert returns([MIDNIGHT], [100]) == []


def test_spread_of_rounding_alone_is_no_risk() -> None:
    assert sortino(np.array([0.01, -2e-16, 0.02]), 365) is None
    assert sharpe(np.array([0.01, 0.01 + 2e-16, 0.01]), 365) is None
