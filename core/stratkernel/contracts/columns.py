"""Columns of candles or of indicators: what travels between all rooms of the house."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

from stratkernel.contracts.arrays import FloatArray, IntArray, read_only

if TYPE_CHECKING:
    import pandas as pd

CANDLE_COLUMNS: Final = ("open", "high", "low", "close", "volume")


class Columns:
    """Named read-only float64 arrays of one length, and the close time of each row.

    What an indicator gets: the columns that it declared as `inputs`. `close_time` is int64 microseconds
    UTC; `len(columns)` is the number of rows.
    """

    __slots__ = ("_arrays", "close_time")

    def __init__(self, arrays: Mapping[str, FloatArray], close_time: IntArray) -> None:
        self._arrays = dict(arrays)
        self.close_time = close_time

    def __len__(self) -> int:
        return len(self.close_time)

    def __getitem__(self, name: str) -> FloatArray:
        return self._arrays[name]

    def __contains__(self, name: object) -> bool:
        return name in self._arrays

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._arrays)

    @property
    def open(self) -> FloatArray:
        return self._arrays["open"]

    @property
    def high(self) -> FloatArray:
        return self._arrays["high"]

    @property
    def low(self) -> FloatArray:
        return self._arrays["low"]

    @property
    def close(self) -> FloatArray:
        return self._arrays["close"]

    @property
    def volume(self) -> FloatArray:
        return self._arrays["volume"]

    def slice(self, start: int, stop: int) -> "Columns":
        """Rows `start` to `stop`, without a copy."""
        part = {name: array[start:stop] for name, array in self._arrays.items()}
        return Columns(part, self.close_time[start:stop])

    @property
    def frame(self) -> "pd.DataFrame":
        """A new DataFrame, indexed by close time (UTC); writing to it changes nothing here."""
        import pandas as pd

        index = pd.DatetimeIndex(self.close_time.astype("datetime64[us]"), name="close_time", tz="UTC")
        return pd.DataFrame({name: array.copy() for name, array in self._arrays.items()}, index=index)


def candle_columns(arrays: Mapping[str, FloatArray], close_time: IntArray) -> Columns:
    """The five columns as contiguous arrays that nobody can write to."""
    fixed = {name: read_only(np.ascontiguousarray(arrays[name], dtype=np.float64)) for name in CANDLE_COLUMNS}
    return Columns(fixed, read_only(close_time))
