"""What is left of candles that have gone by: how many, and from when to when."""

import numpy as np

from stratkernel.contracts.arrays import IntArray
from stratkernel.contracts.calendars import Calendar
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.timeframes import Timeframe


class CandleSpan:
    """A number of candles, the first and the last of which are remembered; times are microseconds UTC.

    `symbol`, `venue`, `timeframe` and `calendar` are there once the first candle is.
    """

    symbol: str
    venue: str
    timeframe: Timeframe
    calendar: Calendar

    def __init__(self) -> None:
        self._count = 0
        self.first_open = self.first_close = self.last_open = self.last_close = 0

    def __len__(self) -> int:
        return self._count

    def add(self, candles: Candles) -> None:
        """Add the next candles, at least one."""
        if not self._count:
            self.symbol, self.venue = candles.symbol, candles.venue
            self.timeframe, self.calendar = candles.timeframe, candles.calendar
            self.first_open, self.first_close = int(candles.open_time[0]), int(candles.close_time[0])
        self._count += len(candles)
        self.last_open, self.last_close = int(candles.open_time[-1]), int(candles.close_time[-1])

    @property
    def open_time(self) -> IntArray:
        """The open times of the first and the last candle, shape (2,)."""
        return np.array([self.first_open, self.last_open])

    @property
    def close_time(self) -> IntArray:
        """The close times of the first and the last candle, shape (2,)."""
        return np.array([self.first_close, self.last_close])
