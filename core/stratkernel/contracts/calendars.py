"""When candles are expected, and so what a gap is."""

from enum import StrEnum
from typing import Final

import numpy as np

from stratkernel.contracts.arrays import IntArray
from stratkernel.contracts.timeframes import DAY, Timeframe

_LONGEST_CLOSURE: Final = 7 * DAY
_WORKING_DAYS: Final = 5
_SATURDAY: Final = 5
_MONDAY_OFFSET: Final = 3  # 1970-01-01 was a Thursday


class Calendar(StrEnum):
    """`24x7`: always. `weekdays`: Monday to Friday, UTC. `sessions`: trading hours with holidays."""

    ALWAYS = "24x7"
    WEEKDAYS = "weekdays"
    SESSIONS = "sessions"

    @property
    def days_per_year(self) -> int:
        """What annualising uses: 365, 260 or 252."""
        return {"24x7": 365, "weekdays": 260, "sessions": 252}[self.value]


def missing_before(open_time: IntArray, timeframe: Timeframe, calendar: Calendar) -> IntArray:
    """How many expected candles are missing directly before each row, shape (n,); 0 for the first.

    On `sessions` only holes within one UTC day count, and closures of more than a week, of which the
    whole weekdays are counted, each with as many candles as a day seen has on average: the holidays of
    an exchange are not known here.
    """
    missing = np.zeros(len(open_time), dtype=np.int64)
    if len(open_time) < 2:
        return missing
    missing[1:] = timeframe.count_between(open_time) - 1
    length = timeframe.micros
    if calendar is Calendar.ALWAYS or length is None or length > DAY:
        return missing
    holes = np.flatnonzero(missing > 0)
    start, end = open_time[holes - 1] + length, open_time[holes]
    on_weekdays = _weekday_micros(end) - _weekday_micros(start)
    if calendar is Calendar.WEEKDAYS:
        missing[holes] = on_weekdays // length
        return missing
    same_day = open_time[holes - 1] // DAY == end // DAY
    long = end - start > _LONGEST_CLOSURE
    days_seen = 1 + np.count_nonzero(np.diff(open_time // DAY))
    a_day = max(1, round(len(open_time) / days_seen))
    missing[holes] = np.where(same_day, missing[holes], np.where(long, on_weekdays // DAY * a_day, 0))
    return missing


def infer_calendar(open_time: IntArray, timeframe: Timeframe) -> Calendar:
    """The calendar that the candles themselves suggest; `24x7` where nothing speaks against it."""
    length = timeframe.micros
    if length is None or length > DAY or len(open_time) < 2:
        return Calendar.ALWAYS
    day = open_time // DAY
    days = day[np.concatenate(([True], day[1:] != day[:-1]))]
    weekday = (days + _MONDAY_OFFSET) % 7
    if np.any(weekday >= _WORKING_DAYS):
        return Calendar.SESSIONS if _opens_on_sunday_evening(open_time, days, weekday) else Calendar.ALWAYS
    slots_a_day = DAY // length
    if slots_a_day > 1:
        seen = len(np.unique(open_time % DAY)) / slots_a_day
        several_days = len(days) > 1
        if seen < 0.9 and several_days and _nights_are_empty(open_time, length):
            return Calendar.SESSIONS
    span_has_weekend = days[-1] - days[0] >= 7 or weekday[-1] < weekday[0]
    if not span_has_weekend:
        return Calendar.ALWAYS
    working = int((_weekday_micros(open_time[-1:] + length) - _weekday_micros(open_time[:1]))[0] // DAY)
    return Calendar.WEEKDAYS if len(days) >= working else Calendar.SESSIONS


def _opens_on_sunday_evening(open_time: IntArray, days: IntArray, weekday: IntArray) -> bool:
    """Whether it is a market of working days that begins on Sunday evening UTC, as currencies and futures.

    Two weekends without a single Saturday, and no Sunday candle before noon.
    """
    if days[-1] - days[0] < 14 or np.any(weekday == _SATURDAY):
        return False
    on_sunday = (open_time // DAY + _MONDAY_OFFSET) % 7 == _SATURDAY + 1
    return bool(np.all(open_time[on_sunday] % DAY >= DAY // 2))


def _nights_are_empty(open_time: IntArray, length: int) -> bool:
    """Whether between any two days there is a hole of over an hour."""
    new_day = np.flatnonzero(np.diff(open_time // DAY) > 0) + 1
    return bool(np.all(open_time[new_day] - open_time[new_day - 1] > max(DAY // 24, length)))


def _weekday_micros(time: IntArray) -> IntArray:
    """Microseconds that lie on Mondays to Fridays between a fixed Monday and each time."""
    shifted = time + _MONDAY_OFFSET * DAY
    day, rest = shifted // DAY, shifted % DAY
    week, weekday = day // 7, day % 7
    within = np.minimum(weekday, _WORKING_DAYS) * DAY + np.where(weekday < _WORKING_DAYS, rest, 0)
    return np.asarray(week * _WORKING_DAYS * DAY + within, dtype=np.int64)
