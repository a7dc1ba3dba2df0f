"""Timeframes as exchanges spell them, and when a candle of each is known."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from stratkernel.contracts.arrays import BoolArray, IntArray
from stratkernel.kernel.errors import UsageError, did_you_mean

MINUTE: Final = 60_000_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
WEEK: Final = 7 * DAY
_FIRST_MONDAY: Final = 4 * DAY  # 1970-01-05

_FIXED: Final = {
    "1m": MINUTE,
    "3m": 3 * MINUTE,
    "5m": 5 * MINUTE,
    "15m": 15 * MINUTE,
    "30m": 30 * MINUTE,
    "1h": HOUR,
    "2h": 2 * HOUR,
    "4h": 4 * HOUR,
    "6h": 6 * HOUR,
    "8h": 8 * HOUR,
    "12h": 12 * HOUR,
    "1d": DAY,
    "1w": WEEK,
}


@dataclass(frozen=True, slots=True)
class Timeframe:
    """The length of a candle; times are int64 microseconds since 1970, UTC.

    Weeks open on Monday 00:00 UTC, months on their first day. Raises `UsageError` for an unknown name.
    """

    name: str

    def __post_init__(self) -> None:
        if self.name not in TIMEFRAMES:
            raise UsageError(
                f"unknown timeframe {self.name!r}.{did_you_mean(self.name, TIMEFRAMES)} "
                f"Expected one of: {', '.join(TIMEFRAMES)}"
            )

    def __str__(self) -> str:
        return self.name

    @property
    def micros(self) -> int | None:
        """Length in microseconds; `None` for a month, whose length varies."""
        return _FIXED.get(self.name)

    @property
    def approximate_micros(self) -> int:
        """Length in microseconds, a month taken as 30 days; for comparing timeframes."""
        return _FIXED.get(self.name, 30 * DAY)

    def close_of(self, open_time: IntArray) -> IntArray:
        """When candles that open at these times are known."""
        if self.micros is not None:
            return open_time + self.micros
        return _from_months(_months(open_time) + 1)

    def open_of(self, close_time: IntArray) -> IntArray:
        """When candles that close at these times opened."""
        if self.micros is not None:
            return close_time - self.micros
        return _from_months(_months(close_time) - 1)

    def is_aligned(self, open_time: IntArray) -> BoolArray:
        """Whether candles of this timeframe may open at these times."""
        return np.asarray(self.floor(open_time) == open_time)

    def floor(self, time: IntArray) -> IntArray:
        """The open of the candle in which each of these times lies."""
        if self.micros is None:
            return _from_months(_months(time))
        anchor = _FIRST_MONDAY if self.name == "1w" else 0
        return time - (time - anchor) % self.micros

    def count_between(self, open_time: IntArray) -> IntArray:
        """Candles from each row to the next, shape (n - 1,): 1 where they follow each other."""
        if self.micros is not None:
            return np.diff(open_time) // self.micros
        return np.diff(_months(open_time))


TIMEFRAMES: Final = (*_FIXED, "1M")


def _months(time: IntArray) -> IntArray:
    return time.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)


def _from_months(months: IntArray) -> IntArray:
    return months.astype("datetime64[M]").astype("datetime64[us]").astype(np.int64)


def iso(micros: int) -> str:
    """ISO 8601 in UTC: `2024-01-31T00:00:00Z`, with a fraction only where there is one."""
    seconds, fraction = divmod(micros, 1_000_000)
    text = str(np.datetime64(seconds, "s"))  # unlike datetime, numpy knows years beyond 9999
    return text + (f".{fraction:06d}".rstrip("0") if fraction else "") + "Z"
