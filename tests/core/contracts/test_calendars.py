"""When candles are expected: gaps by calendar, and the calendar that candles suggest."""

import numpy as np
import pytest

from stratkernel.contracts.arrays import IntArray
from stratkernel.contracts.calendars import Calendar, infer_calendar, missing_before
from stratkernel.contracts.timeframes import DAY, HOUR, MINUTE, Timeframe

MONDAY = int(np.datetime64("2024-01-01", "us").astype(np.int64))


def grid(step: int, count: int) -> IntArray:
    return MONDAY + np.arange(count, dtype=np.int64) * step


def weekday(time: IntArray) -> IntArray:
    return (time // DAY + 3) % 7


def stock_days(count: int = 300) -> IntArray:
    """Mondays to Fridays without one holiday a month."""
    days = grid(DAY, count)
    return days[(weekday(days) < 5) & (np.arange(count) % 30 != 9)]


def stock_minutes(days: int = 10) -> IntArray:
    """14:30 to 21:00 UTC on Mondays to Fridays."""
    time = grid(MINUTE, days * 1440)
    clock = time % DAY
    return time[(weekday(time) < 5) & (clock >= 14.5 * HOUR) & (clock < 21 * HOUR)]


def currency_hours(days: int = 28) -> IntArray:
    """Sunday 22:00 to Friday 22:00 UTC."""
    time = grid(HOUR, days * 24)
    day, clock = weekday(time), time % DAY
    shut = (day == 5) | ((day == 4) & (clock >= 22 * HOUR)) | ((day == 6) & (clock < 22 * HOUR))
    return time[~shut]


@pytest.mark.parametrize(
    ("time", "timeframe", "expected"),
    [
        (grid(DAY, 30), "1d", Calendar.ALWAYS),
        (grid(HOUR, 500), "1h", Calendar.ALWAYS),
        (grid(DAY, 30)[weekday(grid(DAY, 30)) < 5], "1d", Calendar.WEEKDAYS),
        (grid(HOUR, 500)[weekday(grid(HOUR, 500)) < 5], "1h", Calendar.WEEKDAYS),
        (stock_days(), "1d", Calendar.SESSIONS),
        (stock_minutes(), "1m", Calendar.SESSIONS),
        (stock_minutes(2), "1m", Calendar.SESSIONS),
        (currency_hours(), "1h", Calendar.SESSIONS),
        (grid(DAY, 3), "1d", Calendar.ALWAYS),
        (grid(HOUR, 1), "1h", Calendar.ALWAYS),
        (grid(HOUR, 0), "1h", Calendar.ALWAYS),
        (grid(7 * DAY, 60), "1w", Calendar.ALWAYS),
        (grid(DAY, 60)[::30], "1M", Calendar.ALWAYS),
    ],
    ids=[
        "crypto-days", "crypto-hours", "working-days", "working-hours", "stock-days", "stock-minutes",
        "two-stock-days", "currencies", "midweek-days", "one-candle", "none", "weeks", "months",
    ],
)  # fmt: skip
def test_calendar_is_inferred_from_open_times(time: IntArray, timeframe: str, expected: Calendar) -> None:
    assert infer_calendar(time, Timeframe(timeframe)) is expected


@pytest.mark.parametrize(
    ("time", "timeframe"),
    [(stock_days(), "1d"), (stock_minutes(), "1m"), (currency_hours(), "1h")],
    ids=["stock-days", "stock-minutes", "currencies"],
)
def test_closed_hours_and_holidays_are_no_gaps_on_sessions(time: IntArray, timeframe: str) -> None:
    assert not missing_before(time, Timeframe(timeframe), Calendar.SESSIONS).any()


def test_every_missing_candle_counts_on_24x7() -> None:
    time = np.delete(grid(HOUR, 100), [10, 11, 50])
    missing = missing_before(time, Timeframe("1h"), Calendar.ALWAYS)
    assert missing.sum() == 3
    assert (missing[10], missing[48]) == (2, 1)


def test_weekends_do_not_count_on_weekdays_but_the_days_around_them_do() -> None:
    days = grid(DAY, 21)
    working = days[weekday(days) < 5]
    assert not missing_before(working, Timeframe("1d"), Calendar.WEEKDAYS).any()
    without_friday_and_monday = np.delete(working, [4, 5])
    assert missing_before(without_friday_and_monday, Timeframe("1d"), Calendar.WEEKDAYS)[4] == 2


def test_hole_inside_a_session_counts() -> None:
    time = np.delete(stock_minutes(), slice(100, 107))
    missing = missing_before(time, Timeframe("1m"), Calendar.SESSIONS)
    assert missing[100] == 7
    assert missing.sum() == 7


def test_closure_of_more_than_a_week_counts_its_working_days_on_sessions() -> None:
    time = stock_days(200)
    kept = np.concatenate([time[:20], time[40:]])
    missing = missing_before(kept, Timeframe("1d"), Calendar.SESSIONS)
    assert 20 <= missing[20] <= 21
    minutes = stock_minutes(40)
    per_day = 390
    kept = np.concatenate([minutes[: 5 * per_day], minutes[15 * per_day :]])
    missing = missing_before(kept, Timeframe("1m"), Calendar.SESSIONS)
    assert missing[5 * per_day] == 10 * per_day


def test_missing_months_and_weeks_count_on_every_calendar() -> None:
    months = (
        np.array(["2024-01", "2024-02", "2024-05"], "datetime64[M]").astype("datetime64[us]").astype(np.int64)
    )
    weeks = np.delete(grid(7 * DAY, 6), 3)
    for calendar in Calendar:
        assert missing_before(months, Timeframe("1M"), calendar).tolist() == [0, 0, 2]
        assert missing_before(weeks, Timeframe("1w"), calendar).tolist() == [0, 0, 0, 1, 0]


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_candles_have_no_gaps(count: int) -> None:
    assert missing_before(grid(HOUR, count), Timeframe("1h"), Calendar.ALWAYS).tolist() == [0] * count


def test_days_per_year_are_those_of_annualising() -> None:
    assert [calendar.days_per_year for calendar in Calendar] == [365, 260, 252]
