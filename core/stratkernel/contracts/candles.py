"""Candles: one symbol, one timeframe, admitted rows only."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from stratkernel.contracts.arrays import BoolArray, IntArray, read_only
from stratkernel.contracts.calendars import Calendar
from stratkernel.contracts.candle_digest import CandleDigest
from stratkernel.contracts.columns import CANDLE_COLUMNS, Columns
from stratkernel.contracts.timeframes import Timeframe

if TYPE_CHECKING:
    import pandas as pd

    from stratkernel.contracts.admission_report import AdmissionReport

OUTLIER_FACTOR: Final = 2.0
_BLOCK: Final = 8_192  # rows that stay in the processor's cache; most blocks are ruled out by their extremes


@dataclass(frozen=True, eq=False)
class Candles:
    """Admitted candles of one symbol and timeframe, ordered by open time (int64 microseconds UTC).

    `marked` tells the rows that the gate repaired or flagged; `omits_empty` that the source leaves out
    candles without trades, so that a missing candle is no gap.
    """

    symbol: str
    timeframe: Timeframe
    open_time: IntArray
    columns: Columns
    calendar: Calendar
    venue: str = "local"
    omits_empty: bool = False
    marked: BoolArray | None = None
    report: "AdmissionReport | None" = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name in ("open_time", "marked"):
            array = getattr(self, name)
            if array is not None and array.flags.writeable:
                object.__setattr__(self, name, read_only(array))

    def __len__(self) -> int:
        return len(self.open_time)

    @property
    def close_time(self) -> IntArray:
        """When each candle is known: open time + timeframe."""
        return self.columns.close_time

    @cached_property
    def data_hash(self) -> str:
        """SHA-256 of the open times and the five columns; see `CandleDigest`."""
        digest = CandleDigest()
        digest.update(self.open_time, self.columns)
        return digest.hexdigest()

    @property
    def is_gapless(self) -> bool:
        """Whether each candle follows the one before: aligned candles then span just their lengths."""
        length, count = self.timeframe.micros, len(self)
        return count == 0 or bool(self.open_time[-1] - self.open_time[0] == (count - 1) * (length or 0))

    def close_times_at(self, rows: IntArray) -> IntArray:
        """When the candles of these rows are known; without gaps by arithmetic, which touches no memory."""
        if self.is_gapless and self.timeframe.micros is not None and len(self):
            return np.asarray(self.close_time[0] + rows * self.timeframe.micros)
        return self.close_time.take(rows)

    @cached_property
    def outliers(self) -> int:
        """Jumps of the close by more than `OUTLIER_FACTOR`: a split, another unit, a bad print."""
        close, count = self.columns.close, 0
        for start in range(0, len(close) - 1, _BLOCK):
            block = close[start : start + _BLOCK + 1]
            if block.max() > OUTLIER_FACTOR * block.min():
                ratio = block[1:] / block[:-1]
                count += int(np.count_nonzero((ratio > OUTLIER_FACTOR) | (ratio < 1.0 / OUTLIER_FACTOR)))
        return count

    @property
    def frame(self) -> "pd.DataFrame":
        """A new DataFrame with a UTC index `open_time` and the five columns."""
        import pandas as pd

        index = pd.DatetimeIndex(self.open_time.astype("datetime64[us]"), name="open_time", tz="UTC")
        return pd.DataFrame({name: self.columns[name] for name in CANDLE_COLUMNS}, index=index)  # it copies

    def slice(self, start: int, stop: int) -> "Candles":
        """Rows `start` to `stop`, without a copy."""
        if (start, stop) == (0, len(self)):
            return self
        return Candles(
            symbol=self.symbol,
            timeframe=self.timeframe,
            open_time=self.open_time[start:stop],
            columns=self.columns.slice(start, stop),
            calendar=self.calendar,
            venue=self.venue,
            omits_empty=self.omits_empty,
            marked=None if self.marked is None else self.marked[start:stop],
            report=self.report,
        )
