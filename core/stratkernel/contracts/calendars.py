"""When candles are expected, and so what a gap is."""

from enum import StrEnum
from typing import Final

import numpy as np

from stratkernel.contracts.arrays import BoolArray, IntArray
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


def missing_before(
    open_time: IntArray, timeframe: Timeframe, calendar: Calendar, *, a_day: int | None = None
) -> IntArray:
    """How many expected candles are missing directly before each row, shape (n,); 0 for the first.

    On `sessions` only holes within one UTC day count, and closures of more than a week, of which the
    whole weekdays are counted, each with as many candles as a day seen has on average: the holidays of
    an exchange are not known here. `a_day` is that average where the rows are only a part of a series.
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
    if a_day is None:
        a_day = candles_a_day(len(open_time), 1 + int(np.count_nonzero(np.diff(open_time // DAY))))
    missing[holes] = np.where(same_day, missing[holes], np.where(long, on_weekdays // DAY * a_day, 0))
    return missing


def expects_candles(
    start: IntArray, end: IntArray, hole: tuple[IntArray, IntArray], timeframe: Timeframe, calendar: Calendar
) -> BoolArray:
    """Whether candles are expected from `start` to `end`, each a part of a hole between two candles.

    `hole` is the close of the candle before and the open of the one after; shapes (n,). Sees the same
    holes as `missing_before`, each by itself.
    """
    inside = end > start
    if calendar is Calendar.ALWAYS or timeframe.micros is None or timeframe.micros > DAY:
        return np.asarray(inside)
    working = _weekday_micros(end) - _weekday_micros(start)
    if calendar is Calendar.WEEKDAYS:
        return np.asarray(inside & (working >= timeframe.micros))
    before, after = hole
    same_day = timeframe.open_of(before) // DAY == after // DAY
    long = after - before > _LONGEST_CLOSURE
    return np.asarray(inside & (same_day | (long & (working >= DAY))))


def candles_a_day(candles: int, days: int) -> int:
    """How many candles a day has on average, of the days that have any; at least 1."""
    return max(1, round(candles / days))


def infer_calendar(open_time: IntArray, timeframe: Timeframe) -> Calendar:
    """The calendar that the candles themselves suggest; `24x7` where nothing speaks against it."""
    evidence = CalendarEvidence(timeframe)
    evidence.update(open_time)
    return evidence.calendar


class CalendarEvidence:
    """What ascending open times tell of their calendar, gathered part by part in little memory."""

    def __init__(self, timeframe: Timeframe) -> None:
        self._length = timeframe.micros or 0
        self._tells_nothing = not 0 < self._length <= DAY
        self._count = self._days = 0
        self._first = self._last = 0
        self._weekend = self._saturday = self._early_sunday = False
        self._nights_are_empty = True
        self._slots: set[int] = set()

    @property
    def is_decided(self) -> bool:
        """Whether no further candle can change the calendar."""
        return self._tells_nothing or self._saturday or self._early_sunday

    def update(self, open_time: IntArray) -> None:
        """Add the next open times."""
        if self.is_decided or not len(open_time):
            self._count += len(open_time)
            return
        if not self._count:
            self._first, self._last, self._days = int(open_time[0]), int(open_time[0]), 1
        time = np.concatenate(([self._last], open_time))
        day = time // DAY
        new_day = np.flatnonzero(day[1:] != day[:-1]) + 1
        weekday = (day[np.concatenate(([0], new_day))] + _MONDAY_OFFSET) % 7
        self._weekend |= bool(np.any(weekday >= _WORKING_DAYS))
        self._saturday |= bool(np.any(weekday == _SATURDAY))
        if self._weekend and not self._saturday:
            on_sunday = (day + _MONDAY_OFFSET) % 7 == _SATURDAY + 1
            self._early_sunday |= bool(np.any(time[on_sunday] % DAY < DAY // 2))
        elif not self._weekend:
            self._slots.update(np.unique(time % DAY).tolist())
            # between any two days there is a hole of over an hour
            longest = max(DAY // 24, self._length)
            self._nights_are_empty &= bool(np.all(time[new_day] - time[new_day - 1] > longest))
        self._count += len(open_time)
        self._days += len(new_day)
        self._last = int(time[-1])

    @property
    def calendar(self) -> Calendar:
        """What all open times so far suggest."""
        if self._tells_nothing or self._count < 2:
            return Calendar.ALWAYS
        if self._weekend:
            return Calendar.SESSIONS if self._opens_on_sunday_evening else Calendar.ALWAYS
        first, last = self._first // DAY, self._last // DAY
        slots_a_day = DAY // self._length
        seen = len(self._slots) / slots_a_day
        if slots_a_day > 1 and seen < 0.9 and self._days > 1 and self._nights_are_empty:
            return Calendar.SESSIONS
        span_has_weekend = last - first >= 7 or (last + _MONDAY_OFFSET) % 7 < (first + _MONDAY_OFFSET) % 7
        if not span_has_weekend:
            return Calendar.ALWAYS
        bounds = _weekday_micros(np.array([self._first, self._last + self._length]))
        working = int((bounds[1] - bounds[0]) // DAY)
        return Calendar.WEEKDAYS if self._days >= working else Calendar.SESSIONS

    @property
    def _opens_on_sunday_evening(self) -> bool:
        """Whether it is a market of working days that begins on Sunday evening UTC, as currencies do.

        Two weekends without a single Saturday, and no Sunday candle before noon.
        """
        if self._saturday or self._early_sunday:
            return False
        return self._last // DAY - self._first // DAY >= 14


def _weekday_micros(time: IntArray) -> IntArray:
    """Microseconds that lie on Mondays to Fridays between a fixed Monday and each time."""
    shifted = time + _MONDAY_OFFSET * DAY
    day, rest = shifted // DAY, shifted % DAY
    week, weekday = day // 7, day % 7
    within = np.minimum(weekday, _WORKING_DAYS) * DAY + np.where(weekday < _WORKING_DAYS, rest, 0)
    return np.asarray(week * _WORKING_DAYS * DAY + within, dtype=np.int64)
