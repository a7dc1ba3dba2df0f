"""The candles at which trades begin and end, in the place of all candles."""

from typing import Any

import numpy as np

from stratkernel.contracts.arrays import IntArray
from stratkernel.contracts.candles import Candles
from stratkernel.engine.streaming.growing import Growing
from stratkernel.engine.streaming.trade_fold import ChunkTrades


class RowValues:
    """Looks up by rows of the whole series what is kept for some of them; -1 is the last."""

    def __init__(self, rows: IntArray, values: "np.ndarray[Any, np.dtype[Any]]") -> None:
        self._rows, self._values = rows, values

    def __getitem__(self, rows: IntArray) -> "np.ndarray[Any, np.dtype[Any]]":
        at = np.searchsorted(self._rows, np.where(np.less(rows, 0), self._rows[-1], rows))
        return self._values[at]


class SparseColumns:
    """Opens and closes of some rows."""

    def __init__(self, open_: RowValues, close: RowValues) -> None:
        self.open, self.close = open_, close

    def __getitem__(self, name: str) -> RowValues:
        return {"open": self.open, "close": self.close}[name]


class SparseCandles:
    """What a table of trades looks up: times, opens and closes where trades begin or end, and of the last."""

    def __init__(self) -> None:
        self._count = 0
        self._rows: Growing[np.int64] = Growing(np.int64)
        self._open_time: Growing[np.int64] = Growing(np.int64)
        self._prices: tuple[Growing[np.float64], Growing[np.float64]] = (
            Growing(np.float64),
            Growing(np.float64),
        )
        self._last: Candles | None = None

    def __len__(self) -> int:
        return self._count

    def advance(self, candles: Candles, trades: ChunkTrades) -> None:
        """Keep what is needed of the next candles."""
        start, count = self._count, len(candles)
        ended = trades.ended
        # a trade ends before the next one begins, so these are in order
        rows = np.stack((ended.entry_row, ended.exit_row), axis=1).ravel()
        if trades.held is not None:
            rows = np.append(rows, trades.held.entry_row)
        fresh = rows >= start
        fresh[1:] &= rows[1:] > rows[:-1]
        self._keep(candles, rows[fresh], start)
        self._count += count
        self._last = candles.slice(count - 1, count)

    def finish(self) -> None:
        """Keep the last candle too, at which an open position is marked."""
        last, row = self._last, self._count - 1
        if last is not None and not (len(self._rows) and self._rows.values[-1] == row):
            self._keep(last, np.array([row]), row)

    @property
    def open_time(self) -> RowValues:
        return RowValues(self._rows.values, self._open_time.values)

    @property
    def close_time(self) -> RowValues:
        assert self._last is not None
        return RowValues(self._rows.values, self._last.timeframe.close_of(self._open_time.values))

    @property
    def columns(self) -> SparseColumns:
        rows = self._rows.values
        return SparseColumns(RowValues(rows, self._prices[0].values), RowValues(rows, self._prices[1].values))

    def _keep(self, candles: Candles, rows: IntArray, start: int) -> None:
        local = rows - start
        self._rows.append(rows)
        self._open_time.append(candles.open_time[local])
        self._prices[0].append(candles.columns.open[local])
        self._prices[1].append(candles.columns.close[local])
